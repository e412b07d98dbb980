"""What is asked of a registry that stands in for Docker's: its own ways on the wire."""
