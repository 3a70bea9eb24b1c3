"""Training tasks, one module per kind."""
