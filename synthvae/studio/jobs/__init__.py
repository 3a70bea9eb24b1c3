"""Work that takes long: a queue, the processes it runs in, and the worker that they run."""
