"""What is asked because clients in use need it."""
