"""`registry-bench`: how fast registries are, measured side by side by their URLs."""
