"""Figures of data, of a trained VAE and of its training."""
