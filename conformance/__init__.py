"""Suites that a registry, or a part of one, must pass whoever wrote it."""

__version__ = "0.1.0"
