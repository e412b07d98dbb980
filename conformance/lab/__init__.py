"""How the kit itself is tested, and what it found: in a checkout of the registry only, in no wheel."""
