"""What is asked about pushing blobs."""
