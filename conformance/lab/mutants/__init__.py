"""Wrong registries, each with one deliberate fault, that show that the kit can fail."""
