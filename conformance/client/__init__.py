"""How a registry is asked: requests as they are on the wire, logging in, and one case's view of it all."""
