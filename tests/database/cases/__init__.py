"""The cases that every database has to pass, by subject."""
