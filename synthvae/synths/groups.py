"""Groups of parameters by function, used to select parameters by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

import torch
from torch import Tensor

from synthvae.core.errors import UserError
from synthvae.synths.parameters import ParameterSpace

__all__ = ["columns_of"]


def columns_of(parameters: ParameterSpace, groups: Mapping[str, Sequence[str]], names: Iterable[str]) -> Tensor:
    """Mask of the columns of some groups and parameters, ``(P,)`` bool.

    Args:
        parameters: all columns.
        groups: patterns of parameter names by group name, as in `synthvae.synths.base.SynthKind`.
        names: group names or full parameter names.

    Raises:
        UserError: for a name that is neither a group nor a parameter.
    """
    chosen = torch.zeros(len(parameters), dtype=torch.bool)
    for name in names:
        if name in groups:
            inside = [any(fnmatchcase(column, pattern) for pattern in groups[name]) for column in parameters.names]
            chosen |= torch.tensor(inside)
        elif name in parameters.names:
            chosen[parameters.index(name)] = True
        else:
            import difflib

            near = difflib.get_close_matches(name, [*groups, *parameters.names], n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            choices = f"groups ({', '.join(groups)}) or parameters" if groups else "parameters"
            raise UserError("keep", name, f"{hint}give {choices} by their names")
    return chosen
