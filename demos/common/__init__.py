"""What the demos share: options, folders, a short training, models by name."""
