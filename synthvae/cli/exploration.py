"""``morph``, ``vary`` and ``blend``: make new presets from existing ones in a latent space."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from synthvae.cli import recorded_sounds
from synthvae.cli.common import (
    DEFAULT_RUN,
    PRESETS_OR_SOUNDS,
    FormatOption,
    LoudnessOption,
    parse_loudness,
    print_table,
    refuse_given,
)
from synthvae.cli.progress import progress_bar
from synthvae.cli.recorded_sounds import LabelOption, PitchOption
from synthvae.core.counts import counted
from synthvae.core.errors import UserError

if TYPE_CHECKING:
    from synthvae.data.preset import Preset
    from synthvae.data.writing import Written
    from synthvae.exploration import Walk
    from synthvae.synths.settings import RenderSettings
    from synthvae.training.run import Run

__all__ = ["register"]

RunOption = Annotated[
    Path | None, typer.Option("--run", help=f"A directory made with train.  [default: {DEFAULT_RUN}]")
]
DataOption = Annotated[Path | None, typer.Option(help="The dataset of preset numbers.  [default: the run's]")]
PresetHelp = "Number of a preset in the dataset, or a preset's JSON file."

#: Key of the context under which `InOrder` stores the order.
_SIGNS = "synthvae.signs"


class InOrder(TyperCommand):
    """A command that records the order in which --plus and --minus were given, which the parser discards."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - Typer's own click, not the package
        """Record the signs, then parse as usual."""
        words = [word.split("=", 1)[0] for word in args]
        ctx.meta[_SIGNS] = [word for word in words if word in ("--plus", "--minus")]
        return super().parse_args(ctx, args)


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("morph")(morph)
    app.command("vary")(vary)
    app.command("blend", cls=InOrder)(blend)


def morph(
    presets: Annotated[
        list[str],
        typer.Argument(metavar="A B [C...]", help=f"Two or more. {PresetHelp} Or recordings or library sounds."),
    ],
    run: RunOption = None,
    steps: Annotated[int, typer.Option(help="Total number of sounds, the given ones included.")] = 9,
    way: Annotated[
        str | None,
        typer.Option(
            help="latent, metric (shortest audible path, takes some seconds), parameters, or smooth (descriptors of "
            "timbre change linearly, takes two seconds). For recordings: transport (optimal transport of spectra along "
            "log frequency, needs no run), latent, or blend (in dB, the baseline).  [default: latent; transport for "
            "recordings]"
        ),
    ] = None,
    even: Annotated[
        bool | None,
        typer.Option(
            "--even/--uneven",
            help="Steps equal in audible distance, or equal along the path.  [default: even, except with smooth]",
        ),
    ] = None,
    extrapolate: Annotated[
        float, typer.Option(help="Extrapolate beyond both ends by this fraction of the path between two presets.")
    ] = 0.0,
    data: DataOption = None,
    out: Annotated[Path, typer.Option(help="Output directory.")] = Path("morph"),
    gap: Annotated[float, typer.Option(help="Seconds of silence between sounds in joined.wav.")] = 0.1,
    loudness: LoudnessOption = "-18",
    sample_format: FormatOption = "float",
    seed: Annotated[int, typer.Option(help="Random seed of --way smooth.")] = 0,
    label: LabelOption = None,
    pitch: PitchOption = None,
) -> None:
    """Morph between presets in perceptually equal steps, or with smooth timbre.

    --way latent changes parameters gradually. metric takes the shortest path in audible distance, which resembles a
    cross-fade. smooth changes brightness, noisiness, envelope and level evenly, but its steps are not equally large.

    Writes every step as a preset (JSON) and a sound (WAV), and all steps in sequence as joined.wav.

    Recordings, or sounds of a library by number (of --data, or of a run on recorded sounds), are morphed in equal
    steps. Prints measures of the path, compared with a blend in dB: the share of the midpoint's energy on the harmonic
    series between those of the ends, its loudness, the largest pitch jump and the evenness of steps.

    Example: `synthvae morph low.wav high.wav --steps 9`

    Example: `synthvae morph 12 88 --steps 9 --run experiments/runs/first --out morph`

    Example: `synthvae morph warm.json bright.json noisy.json --steps 16 --way metric`
    """
    if len(presets) < 2:
        raise UserError("morph", presets, "give two or more: synthvae morph A B", "one preset to morph")
    from synthvae import exploration
    from synthvae.audio.files import check_sample_format
    from synthvae.audio.joining import check_gap
    from synthvae.data.names import numbered
    from synthvae.data.preset import units

    check_sample_format(sample_format)
    level = parse_loudness(loudness)
    check_gap(gap)
    route = recorded_sounds.Route(presets, "morph", steps, data, label, pitch)
    recordings = run is None and recorded_sounds.are_recordings(route, way)
    if recordings and way != "latent":
        refuse_given(None, even=even, extrapolate=extrapolate or None)
        recorded_sounds.morph(None, route, out, level, sample_format, gap, way)
        return
    model, notes = _load(run, PRESETS_OR_SOUNDS)
    if "parameters" not in model.task.abilities:
        refuse_given(model, even=even, extrapolate=extrapolate or None)
        _print_lines(notes)
        recorded_sounds.morph(model, route, out, level, sample_format, gap, way)
        return
    if recordings:
        remedy = "give a run on recorded sounds with `run`, or morph by transport or blend"
        raise UserError("way", way, remedy, why=f"and {model.path.name} is a run on presets")
    way = "latent" if way is None else way
    refuse_given(model, label=label, pitch=pitch)
    given = exploration.find_presets(model, presets, data)
    _print_lines([*notes, *_settings_notes(model, presets, given)])
    unit = units(given)
    with progress_bar("morphing", 100) as update:
        walk = exploration.morph(
            model, unit, steps, way, even, extrapolate, lambda share: update(round(100 * share), ""), seed
        )
    plain = exploration.morph(model, unit, steps, "parameters", even=False, extrapolate=extrapolate)
    names = numbered("step", len(walk.unit))
    drawn = {"seed": seed} if way == "smooth" else {}
    origins: list[dict[str, object]] = [
        {"morph": list(presets), "way": way, "step": number, "position": float(at), **drawn}
        for number, at in enumerate(walk.position)
    ]
    with progress_bar("rendering", len(names), "sounds") as update:
        written = exploration.write_presets(
            out, model, walk.unit, names, origins, given, sample_format, lambda done: update(done, ""), level
        )
    exploration.write_joined(out / "joined.wav", written.audio, model.settings.sample_rate, gap, sample_format)
    _print_walk(presets, walk, plain, names, written, way)
    print(f"{out}: {len(names)} steps, {names[0]}.wav to {names[-1]}.wav with their presets, and joined.wav")


def vary(
    preset: Annotated[str, typer.Argument(metavar="PRESET", help=PresetHelp)],
    run: RunOption = None,
    amount: Annotated[
        float,
        typer.Option(help="Audible distance of the farthest variation: 0 is the preset itself, 1 a random sound."),
    ] = 0.2,
    count: Annotated[int, typer.Option(help="Number of variations.")] = 16,
    keep: Annotated[
        str,
        typer.Option(
            help="What to fix, comma-separated: pitch, duration, envelope, modulation, mix, noise, waveform, "
            "or names of parameters."
        ),
    ] = "",
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    data: DataOption = None,
    out: Annotated[Path, typer.Option(help="Output directory.")] = Path("variations"),
    loudness: LoudnessOption = "-18",
    sample_format: FormatOption = "float",
) -> None:
    """Sample variations of a preset, ordered by audible distance.

    --keep pitch fixes the note and the depth of pitch modulation, not the envelope or LFO that modulates it: fix those
    with envelope and modulation.

    Example: `synthvae vary 12 --amount 0.2 --count 16 --keep pitch,duration --out variations`
    """
    from synthvae import exploration
    from synthvae.audio.files import check_sample_format
    from synthvae.data.names import numbered
    from synthvae.data.preset import units

    check_sample_format(sample_format)
    level = parse_loudness(loudness)
    kept = [name.strip() for name in keep.split(",")] if keep.strip() else []
    model, notes = _load(run)
    given = exploration.find_presets(model, [preset], data, "preset")
    _print_lines([*notes, *_settings_notes(model, [preset], given)])
    found = exploration.vary(model, units(given)[0], amount, count, kept, seed)
    names = numbered("variation", count)
    origins: list[dict[str, object]] = [
        {"vary": preset, "amount": amount, "keep": kept, "seed": seed, "distance": float(distance)}
        for distance in found.distances
    ]
    with progress_bar("rendering", count, "sounds") as update:
        written = exploration.write_presets(
            out, model, found.unit, names, origins, given, sample_format, lambda done: update(done, ""), level
        )
    rows = [
        (f"{name}.wav", f"{distance:.2f}", f"{distance / max(found.reach, 1e-9):.3f}", label)
        for name, distance, label in zip(names, found.distances, written.names, strict=True)
    ]
    print_table(("file", "dB from preset", "amount", "name"), rows)
    print(f"amount 1 is {found.reach:.1f} dB, the median distance of this preset from random sounds of the model")
    _print_lines([found.remark])
    made = counted(count, "variation with its preset", "variations with their presets")
    print(f"{out}: {made}, {names[0]}.wav" + (f" to {names[-1]}.wav" if count > 1 else ""))


def blend(
    context: typer.Context,
    run: RunOption = None,
    plus: Annotated[
        list[str] | None, typer.Option("--plus", help=f"Preset to add; can be repeated. {PresetHelp}")
    ] = None,
    minus: Annotated[list[str] | None, typer.Option("--minus", help="Preset to subtract; can be repeated.")] = None,
    weights: Annotated[
        str | None, typer.Option(help="One number per preset, in their order, comma-separated.  [default: 1 each]")
    ] = None,
    data: DataOption = None,
    out: Annotated[Path, typer.Option(help="Output directory.")] = Path("blend"),
    name: Annotated[str, typer.Option(help="Name of the files.")] = "blend",
    loudness: LoudnessOption = "-18",
    sample_format: FormatOption = "float",
) -> None:
    """Add and subtract presets in the latent space.

    The n-th weight applies to the n-th --plus or --minus; --minus negates it.

    Example: `synthvae blend --plus 12 --minus 88 --plus warm.json --weights 1,0.5,1 --out blend`
    """
    import torch

    from synthvae import exploration
    from synthvae.audio.files import check_sample_format
    from synthvae.data.preset import units
    from synthvae.metrics.logmel_distance import LogMelDistance, pairwise

    check_sample_format(sample_format)
    level = parse_loudness(loudness)
    if not name or "/" in name or not name.isprintable() or name.startswith("."):
        raise UserError("name", name, "give a file name without folders")
    options = context.meta.get(_SIGNS, [])
    texts = _in_order(options, plus or [], minus or [])
    factors = _weights(weights, len(texts))
    signed = [-w if option == "--minus" else w for w, option in zip(factors, options, strict=True)]
    model, notes = _load(run)
    given = exploration.find_presets(model, texts, data, [option.strip("-") for option in options])
    _print_lines([*notes, *_settings_notes(model, texts, given)])
    unit = units(given)
    mixed = exploration.blend(model, unit, torch.tensor(signed))[None]
    origin: dict[str, object] = {"blend": dict(presets=texts, weights=signed)}
    written = exploration.write_presets(out, model, mixed, [name], [origin], given, sample_format, loudness=level)
    metric = LogMelDistance(model.voice, model.settings.sample_rate)
    away = pairwise(metric.spectrograms(mixed), metric.spectrograms(unit))[0]
    print_table(
        ("preset", "weight", "dB from the blend"),
        [(text, f"{w:+g}", f"{d:.2f}") for text, w, d in zip(texts, signed, away, strict=True)],
    )
    print(f"{written.paths[0]}: {written.names[0]}, with its preset")


def _load(run: Path | None, needs: str | Collection[str] = "parameters") -> tuple[Run, list[str]]:
    from synthvae.exploration import find_run
    from synthvae.training.run import load_run

    path, note = find_run(run, needs=needs)
    return load_run(path, needs=needs), [note]


def _settings_notes(run: Run, texts: Sequence[str], presets: Sequence[Preset]) -> list[str]:
    """A line for each preset whose settings differ from the run's, with which it is rendered here.

    Its length does not count: every sound that is written is as long as its release takes.
    """
    ours = run.settings
    return [
        f"{text}: made for {_shown(p.settings)}; rendered here with the run's settings, {_shown(ours)}"
        for text, p in zip(texts, presets, strict=True)
        if replace(p.settings, seconds=ours.seconds) != ours
    ]


def _shown(settings: RenderSettings) -> str:
    return f"{settings.seconds:g} s at {settings.sample_rate} Hz (control rate {settings.control_rate} Hz)"


def _in_order(options: Sequence[str], plus: Sequence[str], minus: Sequence[str]) -> list[str]:
    if not options:
        raise UserError(
            "plus", [*plus], "give at least one preset, added by `plus` or subtracted by `minus`", "no preset"
        )
    queues = {"--plus": iter(plus), "--minus": iter(minus)}
    return [next(queues[option]) for option in options]


def _weights(text: str | None, count: int) -> list[float]:
    if text is None:
        return [1.0] * count
    try:
        weights = [float(part) for part in text.split(",")]
    except ValueError:
        raise UserError("weights", text, f"give {counted(count, 'number')} separated by commas") from None
    if len(weights) != count:
        why = f"{len(weights)} for {counted(count, 'preset')}"
        raise UserError("weights", text, "give one for each `plus` and `minus`", why=why)
    return weights


def _print_walk(
    presets: Sequence[str], walk: Walk, plain: Walk, names: Sequence[str], written: Written, way: str
) -> None:
    origin = dict(zip(walk.given, presets, strict=False)) if len(walk.given) == len(presets) else {}
    rows = []
    for number, (name, label) in enumerate(zip(names, written.names, strict=True)):
        step = f"{walk.distances[number]:.2f}" if number < len(walk.distances) else ""
        null = f"{plain.distances[number]:.2f}" if number < len(plain.distances) else ""
        rows.append((f"{name}.wav", f"{walk.position[number]:.3f}", step, null, label, origin.get(number, "")))
    print_table(("file", "position", "dB to next", "plain parameters", "name", "preset"), rows)
    print()
    kinds = ((way, walk), ("plain parameters", plain))
    direct = float(walk.direct.sum())
    print_table(
        ("way", "largest / mean step", "total dB", "total / direct"),
        [
            (kind, f"{w.unevenness:.2f}", f"{w.length:.1f}", f"{w.length / direct:.2f}" if direct > 0.0 else "")
            for kind, w in kinds
        ],
    )
    print("largest / mean step: 1 where all steps are equal; total / direct: 1 where no step is a detour")
    _print_lines([walk.remark])


def _print_lines(lines: Sequence[str]) -> None:
    for line in lines:
        if line:
            print(line, flush=True)
