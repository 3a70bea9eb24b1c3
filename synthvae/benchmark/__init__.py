"""Measurements for users: too long or too noisy for tests."""
