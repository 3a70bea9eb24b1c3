"""Local plane: the two most audible latent directions around one preset."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthvae.audio.pitch import check_sounds
from synthvae.exploration.morph import check_presets
from synthvae.exploration.paths import angles, within
from synthvae.metrics.logmel_distance import LogMelDistance, pairwise
from synthvae.naming import name_sounds
from synthvae.naming.changes import changes
from synthvae.synths.registry import synth_kind
from synthvae.training.run import Run

__all__ = ["EDGE", "LocalPlane", "local_plane"]

#: Audible distance in dB from the centre to each edge, where the directions reach as far.
EDGE = 8.0
#: Minimum change that names an edge, in steps of `synthvae.naming.changes.CHANGES`.
NAMED = 0.4
#: Candidate lengths of a direction, in unit parameters.
SCALES = np.geomspace(1e-4, 1.0, 24)
#: Step of the decoder's finite differences, a small fraction of a standard deviation of the prior.
STEP = 1e-3


@dataclass(frozen=True)
class LocalPlane:
    """Presets around one preset, by two coordinates from -1 to 1.

    ``x(a, b) = preset + |a| * A± + |b| * B±``, clamped to the cube, with a direction for each sign: exact at the
    centre, a preset everywhere, and about equally far from the centre on each edge.

    Attributes:
        centre: unit parameters ``(P,)`` of the preset.
        directions: directions ``(2, 2, P)``: by coordinate, by sign (below 0, above 0).
        distances: distances ``(2, 2)`` in dB from the centre to the middle of each edge.
        words: change towards each edge, such as ``brighter``; by coordinate, by sign.
        circular: mask ``(P,)`` of the parameters that are angles.
    """

    centre: Tensor
    directions: Tensor
    distances: NDArray[np.float64]
    words: tuple[tuple[str, str], tuple[str, str]]
    circular: Tensor

    def at(self, a: float, b: float) -> Tensor:
        """Unit parameters ``(P,)`` at coordinates, which are clamped to -1 to 1."""
        moved = self.centre.clone()
        for axis, value in enumerate((a, b)):
            value = min(1.0, max(-1.0, value))
            moved = moved + abs(value) * self.directions[axis, int(value > 0)]
        if a == 0.0 and b == 0.0:
            return self.centre.clone()
        return within(moved[None], self.circular)[0]


def local_plane(run: Run, unit: Tensor) -> LocalPlane:
    """The plane of the two latent directions that change the log-mel spectrogram most, at one preset ``(P,)``.

    The directions are the first two singular vectors of the Jacobian of the spectrogram with respect to the latent,
    decoder and synth included, at the preset's latent; the autoencoder's residual of the preset is constant. They are
    mapped to parameters by the decoder's Jacobian and followed in a straight line, each way until the distance of the
    sound is `EDGE`. Parameters that affect the sound only through the phases of oscillators are fixed: their
    derivatives are hundreds of times the others' and valid for a few cents only.

    Raises:
        UserError: if `unit` is not a preset of the run.
    """
    check_presets(run, unit[None], 1)
    unit = unit.detach().float()
    metric = LogMelDistance(run.voice, run.settings.sample_rate)
    decoder = _decoder_jacobian(run, unit)  # (D, P)
    by_parameter = run.voice.jacobian(unit[None], metric.feature)[0].flatten(1)  # (P, F)
    fixed = synth_kind(run.settings.synth).pitch_only(run.parameters)
    if len(fixed) < len(run.parameters):
        decoder[:, [run.parameters.index(name) for name in fixed]] = 0.0
    by_latent = decoder.double() @ by_parameter.double()
    _, vectors = torch.linalg.eigh(by_latent @ by_latent.T)
    main = (vectors[:, -2:].flip(1).T.float() @ decoder).nan_to_num()  # (2 or 1, P), most audible first
    main = torch.nn.functional.normalize(main, dim=1)
    if len(main) == 1:  # a latent space of one dimension
        main = torch.cat((main, torch.zeros_like(main)))
    circular = angles(run.parameters)
    rays = torch.stack((-main, main), dim=1).flatten(0, 1)  # (4, P)
    scales = torch.from_numpy(SCALES).float()
    tried = within((unit + scales[:, None, None] * rays).flatten(0, 1), circular)
    spectrograms = metric.spectrograms(torch.cat((unit[None], tried)))
    distance = pairwise(spectrograms[:1], spectrograms[1:])[0].reshape(len(SCALES), 4)
    reached = np.array([_first(distance[:, ray]) for ray in range(4)])
    lengths = scales[torch.from_numpy(reached)]
    directions = (lengths[:, None] * rays).reshape(2, 2, -1)
    edges = within((unit + directions).flatten(0, 1), circular)
    found = distance[reached, np.arange(4)].reshape(2, 2)
    return LocalPlane(unit, directions, found, _words(run, unit, edges), circular)


def _decoder_jacobian(run: Run, unit: Tensor) -> Tensor:
    """Derivatives ``(D, P)`` of the decoded parameters by the latent, at a preset's latent, by central differences.

    The decoder's last step clamps to the cube; finite differences are nonzero at a corner where derivatives would be 0.
    """
    with torch.no_grad():
        latent = run.encode(unit[None])
        steps = STEP * torch.eye(latent.shape[1])
        return (run.decode(latent + steps) - run.decode(latent - steps)) / (2.0 * STEP)


def _first(distance: NDArray[np.float64]) -> int:
    """Index of the last length before the distance first exceeds `EDGE`; of the longest if it never does."""
    beyond = np.flatnonzero(distance > EDGE)
    return int(max(0, beyond[0] - 1) if len(beyond) else len(distance) - 1)


def _words(run: Run, unit: Tensor, edges: Tensor) -> tuple[tuple[str, str], tuple[str, str]]:
    with torch.inference_mode():
        audio = check_sounds(run.voice(torch.cat((unit[None], edges))), "audio")
    before, *after = (sound.descriptors for sound in name_sounds(audio, run.settings.sample_rate))
    words = [", ".join(changes(before, descriptors, least=NAMED)) for descriptors in after]
    return (words[0], words[1]), (words[2], words[3])
