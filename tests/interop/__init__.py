"""Real clients against a running registry: what people use must work, whatever the specification says."""
