"""What is refused, each in one sentence: skip this room at first."""
