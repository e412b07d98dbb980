"""The cases of the driver suite, by what they ask of a driver; `conformance.drivers` puts them together."""
