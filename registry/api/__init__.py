"""HTTP in, HTTP out: one module per noun; no SQL, no storage, no rules."""
