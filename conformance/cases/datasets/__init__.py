"""What is asked with every kind of content that there is."""
