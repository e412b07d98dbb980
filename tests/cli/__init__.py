"""The command line, run as a command."""
