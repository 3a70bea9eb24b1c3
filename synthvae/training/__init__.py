"""Training a VAE through the Voice, and what a training run leaves behind."""
