"""Compiled transforms of sixteen float32 signals side by side."""
