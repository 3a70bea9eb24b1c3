"""Foundations: errors, files, checks, randomness, memory, threads, executor, store."""
