"""Relatives of the VAE, from the same layers; nothing below needs them."""
