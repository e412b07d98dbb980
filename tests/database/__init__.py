"""What every database must do: one class, `suite.DatabaseSuite`, and the databases of this project that pass it."""
