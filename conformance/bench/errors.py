"""The one error of the benchmark: what cannot be measured here, and what would help."""


class BenchError(Exception):
    """One line: what cannot be done, and the remedy."""
