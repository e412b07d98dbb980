"""What is asked about lists in pages."""
