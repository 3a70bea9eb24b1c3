"""Maps of latent points: projections to the plane, clusters, how stable they are, and which points are nearest."""
