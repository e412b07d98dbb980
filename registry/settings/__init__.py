"""What an operator sets: the list of fields, how their values are written, and where they come from."""
