"""Shuffled streaming of presets, with only some of them in memory."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from synthvae.core.randomness import generator
from synthvae.data.parquet import GROUP
from synthvae.data.presets import Dataset

__all__ = ["Shuffled", "ShuffledPresets"]

#: Number of blocks of presets that are shuffled together: half a million presets, 130 MB with 63 parameters.
WINDOW = 8


class Shuffled(NamedTuple):
    """A batch of presets of an epoch.

    Attributes:
        rows: numbers of the presets in the split, ``(B,)``.
        unit: normalised presets, ``(B, P)``.
    """

    rows: Tensor
    unit: Tensor


class ShuffledPresets:
    """A split in a shuffled order that is a function of seed and epoch.

    Blocks of successive presets, which are read as a whole, are in random order; presets are shuffled within windows of
    `WINDOW` blocks. An epoch can be read from any position without reading what precedes it.
    """

    def __init__(self, dataset: Dataset, split: str, block: int = GROUP) -> None:
        self.dataset, self.numbers, self.block = dataset, dataset.indices(split), block
        self._windows: dict[tuple[int, int, int], Shuffled] = {}

    def __len__(self) -> int:
        return len(self.numbers)

    def rows(self, seed: int, epoch: int, first: int, end: int) -> Tensor:
        """Numbers in the split of the presets at positions `first` to `end` - 1 of an epoch."""
        return torch.cat([self._order(seed, epoch, w)[a:b] for w, a, b in self._parts(seed, epoch, first, end)])

    def read(self, seed: int, epoch: int, first: int, end: int) -> Shuffled:
        """The same presets with their values."""
        parts = [(self._window(seed, epoch, w), slice(a, b)) for w, a, b in self._parts(seed, epoch, first, end)]
        return Shuffled(
            torch.cat([window.rows[part] for window, part in parts]),
            torch.cat([window.unit[part] for window, part in parts]),
        )

    def _blocks(self, seed: int, epoch: int) -> list[range]:
        """Blocks as ranges of numbers in the split, in the order of the epoch."""
        count = -(-len(self) // self.block)
        order = torch.randperm(count, generator=generator(seed, 0, epoch)).tolist()
        return [range(len(self))[number * self.block : (number + 1) * self.block] for number in order]

    def _parts(self, seed: int, epoch: int, first: int, end: int) -> list[tuple[int, int, int]]:
        """Windows of an epoch that overlap a range of positions, each with the range inside the window."""
        blocks, begin, parts = self._blocks(seed, epoch), 0, []
        for window in range(-(-len(blocks) // WINDOW)):
            size = sum(map(len, blocks[window * WINDOW : (window + 1) * WINDOW]))
            low, high = max(first - begin, 0), min(end - begin, size)
            if low < high:
                parts.append((window, low, high))
            begin += size
        return parts

    def _order(self, seed: int, epoch: int, window: int) -> Tensor:
        blocks = self._blocks(seed, epoch)[window * WINDOW : (window + 1) * WINDOW]
        rows = torch.cat([torch.arange(block.start, block.stop) for block in blocks])
        return rows[torch.randperm(len(rows), generator=generator(seed, 5, epoch, window))]

    def _window(self, seed: int, epoch: int, window: int) -> Shuffled:
        key = (seed, epoch, window)
        if key not in self._windows:
            while len(self._windows) > 1:  # a batch may begin in one and end in the next
                del self._windows[next(iter(self._windows))]
            rows = self._order(seed, epoch, window)
            unit = torch.empty(len(rows), len(self.dataset.parameters))
            for block in self._blocks(seed, epoch)[window * WINDOW : (window + 1) * WINDOW]:
                inside = ((rows >= block.start) & (rows < block.stop)).nonzero()[:, 0]
                numbers = self.numbers[block.start : block.stop]
                unit[inside] = self.dataset.units(numbers)[rows[inside] - block.start]
            self._windows[key] = Shuffled(rows, unit)
        return self._windows[key]
