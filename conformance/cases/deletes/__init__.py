"""What is asked about deleting."""
