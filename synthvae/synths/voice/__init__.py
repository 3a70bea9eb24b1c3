"""The differentiable Voice: its definition, its fast kernels, and torchsynth's own modules to compare with."""
