"""What is shown of a run of the benchmark: on a terminal, as Markdown, as JSON and as one HTML page."""
