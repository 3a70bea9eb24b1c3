"""What training runs are about: one module per kind."""
