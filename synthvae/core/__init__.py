"""What other packages stand on: errors, files, checks, randomness, memory, threads, executor, store."""
