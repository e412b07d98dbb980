"""The kit that tests any registry by its URL: its own promises, kept."""
