"""The thesis's fifteen cases and our own: running them at any scale, and reporting what came out beside the thesis."""
