"""Metrics as functions from arrays to numbers, independent of runs, files and synthesizers."""
