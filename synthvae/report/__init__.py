"""Reports: documents in HTML, figures and metrics.json of what was measured."""
