"""Training of a VAE through the Voice, and the files of a training run."""
