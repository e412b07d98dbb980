"""HTTP in, HTTP out: a folder or a module for each API, one module a noun; no SQL, no storage, no rules."""
