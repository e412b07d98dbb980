"""Facts in SQL: the contract, and SQLite, which keeps it."""
