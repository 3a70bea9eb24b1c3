"""From presets to what other programs play: samples, SFZ instruments, torchsynth's parameters, and loudspeakers."""

from synthvae.export.instrument import Exported, described, export_presets
from synthvae.export.options import TARGETS, ExportOptions
from synthvae.export.torchsynth_format import torchsynth_parameters

__all__ = ["TARGETS", "ExportOptions", "Exported", "described", "export_presets", "torchsynth_parameters"]
