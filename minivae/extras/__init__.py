"""What is not needed to understand a VAE: speed, storage, machines."""
