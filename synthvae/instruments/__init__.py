"""From presets to what other programs play: samples, SFZ instruments, torchsynth's parameters, and loudspeakers."""

from synthvae.instruments.export import Exported, export_presets
from synthvae.instruments.options import TARGETS, ExportOptions
from synthvae.instruments.titles import described
from synthvae.instruments.torchsynth_parameters import torchsynth_parameters

__all__ = ["TARGETS", "ExportOptions", "Exported", "described", "export_presets", "torchsynth_parameters"]
