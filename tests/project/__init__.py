"""The project itself: its style, its layers, and that its pages say what is so."""
