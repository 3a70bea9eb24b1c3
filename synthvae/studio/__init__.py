"""The studio: a map of sounds in the browser, and the HTTP API behind it."""
