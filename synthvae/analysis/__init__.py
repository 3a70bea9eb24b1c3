"""Analysis of runs: errors, statistics, latent space and their null models.

Every number is compared with a null model; the modules here compute both and do not depend on runs or files
but for the writers in `figures` and `report`.
"""
