"""A run on disk: its checkpoint, its model, and the file they are in."""
