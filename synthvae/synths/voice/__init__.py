"""The differentiable Voice: reference implementation, compiled kernels, and torchsynth's modules for comparison."""
