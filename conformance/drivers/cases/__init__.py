"""The cases of the driver suite, by what they ask of a driver; `suite.py` puts them together."""
