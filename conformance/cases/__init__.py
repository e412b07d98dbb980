"""What is asked of a registry: a module for each group of cases."""
