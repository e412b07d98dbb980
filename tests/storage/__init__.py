"""The storage drivers, each against the same suite and against what is particular to it."""
