"""The one place that speaks HTTP to a registry, and makes what is pushed to it."""
