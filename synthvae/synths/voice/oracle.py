"""torchsynth's modules connected as in its Voice, with in-graph parameters; reference for tests and benchmarks."""

from __future__ import annotations

import torch
from torch import Tensor

from synthvae.synths.parameters import ParameterSpace
from synthvae.synths.voice.parameters import import_torchsynth, torchsynth_modules

__all__ = ["TorchsynthVoice"]


class TorchsynthVoice:
    """Renders batches of a fixed size with torchsynth's modules, whose method of reading parameters is replaced.

    torchsynth keeps parameters in ``nn.Parameter`` objects whose setters cut the graph. Its modules read them
    only through the method ``p(name)``, which here returns a tensor of the caller's graph. Every row gets the first
    of torchsynth's noise signals, as in `synthvae.synths.voice.Voice`.

    Gradients are those of torchsynth, NaN where torchsynth's are.
    """

    def __init__(
        self,
        parameters: ParameterSpace,
        batch_size: int,
        sample_rate: int = 44100,
        seconds: float = 1.0,
        control_rate: int = 441,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        """Build the modules for one batch size; `parameters` is a subset of `VOICE_78` plus fixed values."""
        config = import_torchsynth("config").SynthConfig(
            batch_size=batch_size,
            sample_rate=sample_rate,
            buffer_size_seconds=seconds,
            control_rate=control_rate,
            reproducible=False,
        )
        self.parameters = parameters
        self.modules = torchsynth_modules(config)
        device = torch.device(device)
        for module in self.modules.values():
            module.to(device)
            for name, buffer in list(module.named_buffers()):
                setattr(module, name, buffer.to(dtype))  # "range" too: its integers would be promoted to float32
        noise = self.modules["noise"].noise
        self.modules["noise"].noise = noise[:1].expand_as(noise)
        shape = (batch_size,)
        self._fixed = {
            name: torch.full(shape, value, dtype=dtype, device=device) for name, value in parameters.fixed.items()
        }

    def __call__(self, unit: Tensor) -> Tensor:
        """Render unit parameters ``(B, P)`` to audio ``(B, T)``."""
        human = dict(self._fixed)
        for column, parameter in enumerate(self.parameters):
            module = self.modules[parameter.module]
            r = module._parameter_ranges_dict[parameter.name.split(".", 1)[1]]
            human[parameter.name] = r.from_0to1(unit[:, column])
        for name, module in self.modules.items():
            module.p = lambda key, name=name: human[f"{name}.{key}"]
        return self._wire().as_subclass(Tensor)

    def _wire(self) -> Tensor:
        m = self.modules
        midi_f0, note_on = m["keyboard"]()
        lfo = {
            i: m["control_vca"](m[f"lfo_{i}"](m[f"lfo_{i}_rate_adsr"](note_on)), m[f"lfo_{i}_amp_adsr"](note_on))
            for i in (1, 2)
        }
        modulation = m["mod_matrix"](m["adsr_1"](note_on), m["adsr_2"](note_on), lfo[1], lfo[2])
        pitch_1, amp_1, pitch_2, amp_2, amp_noise = (m["control_upsample"](signal) for signal in modulation)
        return m["mixer"](
            m["vca"](m["vco_1"](midi_f0, pitch_1), amp_1),
            m["vca"](m["vco_2"](midi_f0, pitch_2), amp_2),
            m["vca"](m["noise"](), amp_noise),
        )
