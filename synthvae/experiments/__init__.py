"""The thesis's fifteen cases and our own: running them at any scale, and reporting them with the thesis's results."""
