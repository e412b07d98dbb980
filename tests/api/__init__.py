"""The HTTP API as a client sees it, requirement by requirement of `spec/`."""
