"""Maps of latent points: two-dimensional projections, clusters and their stability, and nearest points."""
