"""One request and its answer: what every API shares; no socket, no process, no SQL."""
