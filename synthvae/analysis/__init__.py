"""What a run is worth: errors, statistics, latent space and report, as functions of arrays.

Every number has a null model beside it; the modules here compute both and know nothing of runs or files
but for the writers in `figures` and `report`.
"""
