"""Spaces that come with synthvae, one folder each, and packing of runs as spaces.

`synthvae.training.spaces` finds and checks them.
"""
