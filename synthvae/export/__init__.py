"""Export of presets: samples, SFZ instruments, torchsynth parameters, and playback."""

from synthvae.export.instrument import Exported, described, export_presets
from synthvae.export.options import TARGETS, ExportOptions
from synthvae.export.torchsynth_format import torchsynth_parameters

__all__ = ["TARGETS", "ExportOptions", "Exported", "described", "export_presets", "torchsynth_parameters"]
