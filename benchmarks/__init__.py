"""Measurements of speed and quality that are too long or too noisy for tests; not installed."""
