"""What the operating system gives: time, processes, files and streams; nothing of it knows what a registry is."""
