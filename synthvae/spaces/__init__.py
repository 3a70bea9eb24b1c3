"""Spaces that come with synthvae, a folder each, and how a run becomes one.

`synthvae.training.spaces` finds and checks them.
"""
