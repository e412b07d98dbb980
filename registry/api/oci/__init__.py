"""The OCI distribution specification, and what Docker adds to it."""
