"""``doctor``: what an installation consists of, and whether it works."""

from __future__ import annotations

import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from synthvae.cli.bundle import write_bundle
from synthvae.cli.extras import EXTRAS
from synthvae.cli.logs import tell
from synthvae.cli.progress import progress_bar
from synthvae.core.errors import UserError

__all__ = ["register"]

#: Presets compared with torchsynth's modules; batch size and number of calls of the speed measurement.
COMPARED, BATCH, CALLS = 16, 128, 5


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("doctor")(doctor)


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for a bug report.")] = False,
    bundle: Annotated[
        Path | None,
        typer.Option(help="Write a ZIP file for a bug report; it has no sounds, presets or file names."),
    ] = None,
    compiled: Annotated[
        bool,
        typer.Option(
            "--compile", help="Only compile and cache all kernels, for instance while building a container image."
        ),
    ] = False,
    run: Annotated[
        Path | None,
        typer.Option(help="With --bundle, a run; its settings, events and metrics are included."),
    ] = None,
) -> None:
    """Check the installation: versions, devices, optional extras, and whether the Voice equals torchsynth's modules.

    Exits with code 1 if the Voice or the bundled space fails its check.

    Example: `synthvae doctor`

    For a bug report: `synthvae doctor --bundle report.zip --run experiments/runs/first`
    """
    if run is not None and bundle is None:
        raise UserError("run", run, "add `bundle`, which a run is added to")
    if run is not None and not (run / "run.json").is_file():
        raise UserError("run", run, "name a directory that train wrote", why="not a run")
    if compiled and (as_json or bundle is not None):
        raise UserError("compiled", True, "give it alone", "cannot be combined with `as_json` or `bundle`")
    if compiled:
        _compile()
        return
    found = _examine()
    if bundle is not None:
        names = write_bundle(bundle, found, run)
        tell("bundle", f"{bundle}: {', '.join(names)}; read them before you send them")
    if as_json:
        import orjson

        print(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
    else:
        _print(found)
    if not (found["voice"]["equal"] and found["space"]["whole"]):
        raise typer.Exit(1)


def _compile() -> None:
    """Compile the kernels that the first calls of other commands would compile, and print the cache folder."""
    import librosa.sequence
    import librosa.util  # noqa: F401 - its functions are compiled as it is imported
    import numpy as np
    import torch

    from synthvae.features import build_feature
    from synthvae.losses import build_loss
    from synthvae.maps.stability import survey_latents
    from synthvae.synths.voice.parameters import VOICE_63
    from synthvae.synths.voice.voice import Voice

    begun = time.monotonic()
    voice, generator = Voice(VOICE_63, seconds=0.25), torch.Generator().manual_seed(0)
    unit = torch.rand(2, len(VOICE_63), generator=generator, requires_grad=True)
    noise = torch.rand(2, voice.samples, generator=generator) - 0.5
    # Beside a first train, in another process, little is then compiled twice: what train does not need comes first,
    # and what only match and the metric need comes last.
    with progress_bar("compiling", 4, "parts") as update:
        survey_latents(np.random.default_rng(0).random((60, 16)), (0,))
        update(1, "losses")
        for name, feature in (("sclp", "stft"), ("scl", "stft"), ("logmel", "logmel"), ("sclp", "mfcc")):
            build_loss(name, 44100, feature)(noise.clone().requires_grad_(), noise.flip(0)).mean().backward()
        update(2, "the Voice")
        voice(unit).mean().backward()
        update(3, "the Voice's Jacobian")
        voice.jacobian(unit.detach(), build_feature("logmel", 44100))
        update(4, "")
    where = _kernels()["kept_in"]
    print(f"compiled in {time.monotonic() - begun:.0f} s" + (f", kept in {where} and beside it" if where else ""))


def _examine() -> dict[str, Any]:
    from synthvae.core.files import user_cache
    from synthvae.core.provenance import hardware, versions

    return {
        "versions": versions(),
        "hardware": hardware(),
        "devices": _devices(),
        "voice": _voice(),
        "kernels": _kernels(),
        "space": _space(),
        "extras": {
            name: {"installed": all(find_spec(package) is not None for package in extra.packages), "for": extra.purpose}
            for name, extra in EXTRAS.items()
        },
        "cache": str(user_cache()),
    }


def _devices() -> list[str]:
    import torch

    cuda = [f"cuda:{number} {torch.cuda.get_device_name(number)}" for number in range(torch.cuda.device_count())]
    return ["cpu", *cuda, *(["mps"] if torch.backends.mps.is_available() else [])]


def _voice() -> dict[str, Any]:
    """Path, equality and speed; the first call may compile the kernels, which is timed apart."""
    import torch

    from synthvae.synths.voice.equality import compare_with_torchsynth
    from synthvae.synths.voice.parameters import VOICE_63
    from synthvae.synths.voice.voice import Voice

    voice, unit = Voice(VOICE_63), torch.rand(BATCH, len(VOICE_63), generator=torch.Generator().manual_seed(0))
    seconds = []
    with torch.inference_mode():
        for _ in range(1 + CALLS):
            begun = time.perf_counter()
            voice(unit)
            seconds.append(time.perf_counter() - begun)
    first, *others = seconds
    compared = compare_with_torchsynth(VOICE_63, COMPARED, 0)
    return {
        "path": voice.path,
        "equal": compared.passed,
        "presets": COMPARED,
        "largest_difference_float64": compared.double.largest,
        "mean_difference_float32": compared.ours.mean,
        "first_call_seconds": first,
        "sounds_per_second": BATCH / sorted(others)[CALLS // 2],
    }


def _kernels() -> dict[str, Any]:
    """Where compiled kernels are kept, and how many there are."""
    from synthvae.synths.voice import fast

    kept = [kernel.stats.cache_path for kernel in vars(fast).values() if hasattr(kernel, "stats")]
    place = next((Path(path) for path in kept if path is not None), None)
    return {"kept_in": place and str(place), "files": len(list(place.glob("*.nbc"))) if place else 0}


def _space() -> dict[str, Any]:
    from synthvae.training.spaces import DEFAULT_SPACE, check_manifest, find_space

    folder = find_space(DEFAULT_SPACE)
    if folder is None:
        return {"name": DEFAULT_SPACE, "whole": False, "fault": "not installed"}
    try:
        check_manifest(folder)
    except UserError as error:
        return {"name": DEFAULT_SPACE, "whole": False, "fault": str(error)}
    return {"name": DEFAULT_SPACE, "whole": True}


def _print(found: Mapping[str, Any]) -> None:
    voice, kernels, space = found["voice"], found["kernels"], found["space"]
    print("  ".join(f"{package} {version}" for package, version in found["versions"].items()))
    print(", ".join(f"{part}: {what}" for part, what in found["hardware"].items()))
    print(f"devices: {', '.join(found['devices'])}")
    print(
        f"Voice: {voice['path']}; {'equals' if voice['equal'] else 'DIFFERS FROM'} torchsynth's modules on "
        f"{voice['presets']} presets (largest difference in float64 {voice['largest_difference_float64']:.1e})"
    )
    print(
        f"speed: {voice['sounds_per_second']:,.0f} one-second sounds per second in batches of {BATCH}; "
        f"first call {voice['first_call_seconds']:.1f} s"
    )
    where = kernels["kept_in"]
    print(f"kernels: {kernels['files']} compiled, cached in {where}" if where else "kernels: compiled in every process")
    print(f"space {space['name']}: {'complete' if space['whole'] else space['fault']}")
    for extra, part in found["extras"].items():
        state = "installed" if part["installed"] else f"not installed (pip install 'synthvae[{extra}]')"
        print(f"{extra}, for {part['for']}: {state}")
    print(f"cache: {found['cache']}")
