"""Networks by name."""

from __future__ import annotations

from collections.abc import Sequence

from synthvae.core.errors import UserError, choose_one
from synthvae.models.base import LatentModel
from synthvae.models.mlp import VAE
from synthvae.models.selective import SelectiveVAE

__all__ = ["ARCHITECTURES", "NETWORKS", "build_model", "parse_architecture"]

#: Every legal `network`.
NETWORKS = {
    "mlp": "a fully connected variational autoencoder, as in the thesis",
    "selective": "latents initialised as the most audible parameters",
}


#: Encoder widths after the input, the last one the latent size: those of the thesis's experiments 1 and 2, and 3.
ARCHITECTURES: dict[str, tuple[int, ...]] = {"exp1": (256, 64, 16), "exp3": (128, 16)}
#: Numbers that denote the input if they are the first width: the sizes of the two parameter sets.
INPUTS = (63, 78)


def build_model(
    network: str, parameters: int, widths: Sequence[int], output: str = "linear", initialisation: str = "centred"
) -> LatentModel:
    """Make a network by name, its weights drawn from PyTorch's global generator.

    Args:
        network: one of `NETWORKS`.
        parameters: number of input columns, P.
        widths: encoder widths after the input; the last is the latent size D.
        output: output of the ``mlp``: ``linear`` or ``sigmoid``.
        initialisation: initialisation of the ``mlp``: ``centred`` or ``default``.

    Raises:
        UserError: if there is no such network or output.
    """
    if network == "mlp":
        return VAE(parameters, widths, output, initialisation == "centred")
    if network == "selective":
        return SelectiveVAE(parameters, widths)
    raise UserError("network", network, choose_one(network, NETWORKS))


def parse_architecture(text: str, parameters: int, latent: int = 0) -> tuple[int, ...]:
    """Convert a setting ``architecture`` to the encoder's widths after the input; the last is the latent size.

    Args:
        text: a name of `ARCHITECTURES`, or widths such as ``63-256-64-16``; the input width is optional.
        parameters: number of input columns, P.
        latent: the latent size, which replaces the last width; 0 leaves it unchanged.

    Raises:
        UserError: if it is neither.
    """
    widths = ARCHITECTURES.get(text) or _widths(text, parameters)
    return (*widths[:-1], latent) if latent else widths


def _widths(text: str, parameters: int) -> tuple[int, ...]:
    parts = text.split("-")
    widths = [int(part) for part in parts] if all(p.isascii() and p.isdigit() and len(p) < 7 for p in parts) else []
    if len(widths) > 2 and widths[0] != parameters and widths[0] in INPUTS:
        raise UserError(
            "architecture",
            text,
            f"write {parameters} there, or leave the input out",
            why=f"which starts with {widths[0]}, but the presets have {parameters} parameters",
        )
    if len(widths) > 1 and widths[0] == parameters:
        widths = widths[1:]
    if not widths or min(widths) < 1:
        raise UserError(
            "architecture",
            text,
            f"write e.g. {parameters}-256-64-16",
            why=f"neither one of {', '.join(ARCHITECTURES)} nor widths",
        )
    return tuple(widths)
