"""Bad input of every kind against the running server, which must answer it all and lose nothing."""
