"""Distributed data-parallel training with Lightning Fabric."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

import torch
from torch import nn

from synthvae.core.errors import UserError
from synthvae.training.settings import Settings

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["is_lost_connection", "launch", "sync_batch_norm"]


def launch(settings: Settings, on_gpu: bool) -> Fabric:
    """Connect the processes of a run, and start them unless torchrun or SLURM did.

    Args:
        settings: settings of the run: devices, nodes, strategy, precision.
        on_gpu: whether to compute on GPUs.

    Raises:
        UserError: if there are fewer GPUs than requested, or the numbers differ from torchrun's or SLURM's.
    """
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments import LightningEnvironment, SLURMEnvironment, TorchElasticEnvironment

    devices, nodes = settings.devices, settings.nodes
    plugin: LightningEnvironment | None = None
    if on_gpu and devices > torch.cuda.device_count():
        raise UserError("devices", devices, f"there are {torch.cuda.device_count()} GPUs")
    for environment in (TorchElasticEnvironment, SLURMEnvironment):
        if not environment.detect() or (environment is SLURMEnvironment and devices * nodes == 1):
            continue  # the tasks of a SLURM job need not be processes of this run
        if environment().world_size() != devices * nodes:
            starter = environment.__name__.removesuffix("Environment")
            why = f"times {nodes} `nodes`, but {starter} started {environment().world_size()} processes"
            raise UserError("devices", devices, "set both to what it was told", why=why)
        break
    else:
        plugin = LightningEnvironment() if devices * nodes == 1 else None  # not SLURM's, even inside a SLURM job
    fabric = Fabric(
        accelerator="cuda" if on_gpu else "cpu",
        strategy=settings.strategy,
        devices=devices,
        num_nodes=nodes,
        precision=cast("Literal['32-true', 'bf16-mixed', '16-mixed']", settings.precision),
        plugins=plugin,
    )
    fabric.launch()
    return fabric


def sync_batch_norm(network: nn.Module, on_gpu: bool) -> nn.Module:
    """The network with batch normalisations that average over the items of all processes.

    Raises:
        UserError: if it has any on CPUs, where PyTorch does not support that.
    """
    if not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules()):
        return network
    if not on_gpu:
        why = "but the network normalises over a batch, which processes on CPUs cannot share"
        raise UserError("devices", "several", "train in one process, or on GPUs", why=why)
    shared: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(network)
    return shared


def is_lost_connection(error: RuntimeError) -> bool:
    """Whether an operation over all processes failed because one of them has ended."""
    return isinstance(error, torch.distributed.DistError) or "gloo" in str(error)
