"""Networks by name."""

from __future__ import annotations

from collections.abc import Sequence

from synthvae.core.errors import UserError
from synthvae.models.base import LatentModel
from synthvae.models.selective import SelectiveVAE
from synthvae.models.vae import VAE

__all__ = ["NETWORKS", "build_model"]

#: Every legal `--network`.
NETWORKS = {
    "mlp": "a fully connected variational autoencoder, as in the thesis",
    "selective": "one whose latents begin as the parameters that are heard most",
}


def build_model(
    network: str, parameters: int, widths: Sequence[int], output: str = "linear", initialisation: str = "centred"
) -> LatentModel:
    """Make a network by name.

    Args:
        network: one of `NETWORKS`.
        parameters: number of input columns, P.
        widths: encoder widths after the input; the last is the latent size D.
        output: of the ``mlp``: ``linear`` or ``sigmoid``.
        initialisation: of the ``mlp``: ``centred`` or ``default``.

    Returns:
        The network, its weights drawn from PyTorch's global generator.

    Raises:
        UserError: if there is no such network or output.
    """
    if network == "mlp":
        return VAE(parameters, widths, output, initialisation == "centred")
    if network == "selective":
        return SelectiveVAE(parameters, widths)
    raise UserError(f"--network is {network!r}; choose one of {', '.join(NETWORKS)}")
