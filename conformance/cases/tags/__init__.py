"""What is asked about tags: their names, their lists, and setting them."""
