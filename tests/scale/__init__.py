"""What must not grow: the cost of a request with the registry, and memory with a blob."""
