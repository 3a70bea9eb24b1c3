"""Parameters by what they are for, so that people can name what shall stay as it is."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

import torch
from torch import Tensor

from synthvae.core.checks import shown
from synthvae.core.errors import UserError
from synthvae.synths.parameters import ParameterSpace

__all__ = ["GROUPS", "columns_of"]

#: Patterns of names; a parameter may be in several groups, for a route is heard in what it moves. *pitch* is the note
#: and how far it is bent; the envelope or LFO that bends it belongs to *envelope* and *modulation*.
GROUPS: dict[str, tuple[str, ...]] = {
    "pitch": ("keyboard.midi_f0", "vco_*.tuning", "vco_*.mod_depth", "mod_matrix.*->vco_*_pitch"),
    "duration": ("keyboard.duration",),
    "envelope": ("adsr_*.*", "mod_matrix.adsr_*->*_amp"),
    "modulation": ("lfo_*.*", "mod_matrix.lfo_*"),
    "mix": ("mixer.*",),
    "noise": ("mixer.noise", "mod_matrix.*->noise_amp"),
    "waveform": ("vco_2.shape", "vco_*.initial_phase"),
}


def columns_of(parameters: ParameterSpace, names: Iterable[str], option: str = "--keep") -> Tensor:
    """The columns of groups and parameters.

    Args:
        parameters: the columns there are.
        names: of `GROUPS`, or whole names of parameters.
        option: that they were given to, for the message.

    Returns:
        ``(P,)`` bool.

    Raises:
        UserError: for a name that is neither.
    """
    chosen = torch.zeros(len(parameters), dtype=torch.bool)
    for name in names:
        if name in GROUPS:
            inside = [any(fnmatchcase(column, pattern) for pattern in GROUPS[name]) for column in parameters.names]
            chosen |= torch.tensor(inside)
        elif name in parameters.names:
            chosen[parameters.index(name)] = True
        else:
            import difflib

            near = difflib.get_close_matches(name, [*GROUPS, *parameters.names], n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise UserError(
                f"{option} names {shown(name)}; {hint}give groups ({', '.join(GROUPS)}) or parameters by their names"
            )
    return chosen
