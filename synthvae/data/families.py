"""Libraries of synthesized sounds: families of presets, each sound with its own noise signal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from synthvae.core.checks import check_seed
from synthvae.core.errors import UserError
from synthvae.data.importing import check_shape
from synthvae.data.library_writing import Entry, Plan, Sound
from synthvae.data.presets import SPLITS
from synthvae.data.sampling import uniform_unit
from synthvae.data.splitting import parse_shares
from synthvae.synths.base import Family, Synth, SynthKind
from synthvae.synths.registry import DEFAULT, synth_kind
from synthvae.synths.rendering import build_synth
from synthvae.synths.settings import RenderSettings

__all__ = ["PlannedFamilies", "plan_families"]

#: Maximum number of sounds in a library; their numbers are part of the entry names.
MOST_SOUNDS = 10_000_000


class PlannedFamilies(NamedTuple):
    """The plan of a library of families, with the settings to render its sounds.

    Attributes:
        plan: specification of the library.
        settings: render settings of the synth.
    """

    plan: Plan
    settings: RenderSettings

    def read(self, entry: Entry) -> Iterator[Sound]:
        """The sound of an entry with its played note; a function of the entry's number and the seed only."""
        number, kind = entry.state[0], synth_kind(self.settings.synth)
        human = self.preset(entry.label, number)
        pitch = None if kind.note is None else float(human[kind.every.names.index(kind.note)])
        yield Sound(self.render(entry.label, human, number), 0.0, 1, self.settings.sample_rate, pitch)

    def preset(self, label: str, number: int) -> NDArray[np.float64]:
        """Parameter values ``(P,)`` of sound `number`, in human units."""
        family = _families(self.settings.synth)[label]
        return family.draw(uniform_unit(self.plan.seed, number, 1, len(family.space)))[0]

    def render(self, label: str, human: NDArray[np.float64], number: int) -> NDArray[np.float32]:
        """Render a preset ``(P,)`` with the noise of sound `number`: audio ``(T,)``."""
        noise = np.random.SeedSequence((self.plan.seed, number)).generate_state(1, np.uint64)[0] >> np.uint64(1)
        synth = _synth(self.settings).with_noise(int(noise))
        unit = torch.from_numpy(synth.parameter_space.normalise(human[None]).astype(np.float32))
        with torch.inference_mode():
            return synth(unit)[0].numpy()


def _families(synth: str) -> Mapping[str, Family]:
    return synth_kind(synth).families()


@lru_cache(maxsize=1)
def _synth(settings: RenderSettings) -> Synth:
    return build_synth(synth_kind(settings.synth).every, settings)


def plan_families(
    size: int,
    seed: int = 0,
    seconds: float = 2.0,
    sample_rate: int = 16000,
    split: str = "80,10,10",
    synth: str = DEFAULT,
) -> PlannedFamilies:
    """Plan a library that cycles through all families of a synth, for `synthvae.data.library_writing.build_library`.

    Args:
        size: number of sounds.
        seed: seed of the sounds and of the split; sound i depends only on the seed and i.
        seconds: length of a sound.
        sample_rate: sample rate in Hz.
        split: percentages of train, validation and test.
        synth: name of the kind of synth.

    Raises:
        UserError: for an argument outside its range, or a synth without families.
    """
    if not len(SPLITS) <= size <= MOST_SOUNDS:
        raise UserError("size", size, f"give {len(SPLITS)} to {MOST_SOUNDS:,}")
    check_seed(seed)
    parse_shares(split)
    samples = check_shape(seconds, sample_rate)
    kind: SynthKind = synth_kind(synth)
    labels = sorted(kind.families())
    if not labels:
        raise UserError("synth", synth, f"use {DEFAULT}", why="which has no families of sounds")
    settings = RenderSettings(sample_rate, seconds, min(441, sample_rate), synth)
    settings.check()
    width = max(6, len(str(size - 1)))
    entries = [
        Entry(f"{label}/{number:0{width}d}", label, state=(number,))
        for number, label in ((number, labels[number % len(labels)]) for number in range(size))
    ]
    options = {
        "size": size,
        "synth": kind.name,
        "noise": "one of each sound",
        "seconds": seconds,
        "control_rate": settings.control_rate,
    }
    source = f"families of {kind.name}: {', '.join(labels)}"
    return PlannedFamilies(Plan(source, sample_rate, samples, split, seed, options, entries), settings)
