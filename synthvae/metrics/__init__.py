"""Metrics: arrays in, numbers out. They know nothing of runs, files or synths."""
