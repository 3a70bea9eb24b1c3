"""Audio as arrays: reading, writing, resampling, loudness, pitch and descriptors."""
