"""What the registry does: one module per noun; no HTTP."""
