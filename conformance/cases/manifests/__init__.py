"""What is asked about pushing and pulling manifests."""
