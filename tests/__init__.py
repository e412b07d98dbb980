"""Tests: they use the program from outside."""
