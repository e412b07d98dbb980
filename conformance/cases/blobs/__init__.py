"""What is asked about reading blobs, whole and in parts."""
