"""Where bytes live: the contract (`driver`) and the drivers that keep it."""
