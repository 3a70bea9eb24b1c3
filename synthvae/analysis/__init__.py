"""Analysis of runs: errors, statistics, latent space and their null models.

Every number has a null model beside it; the modules here compute both and know nothing of runs or files
but for the writers in `figures` and `report`.
"""
