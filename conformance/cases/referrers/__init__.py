"""What is asked about referrers, and about the tags that stand in for them."""
