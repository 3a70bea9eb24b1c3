"""Reports: HTML documents, figures and metrics.json of measurements."""
