"""``python -m benchmarks``: measurements that are too long for tests, and checks for users."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synthvae.cli import main
from synthvae.cli.common import DEFAULT_RUN
from synthvae.core.errors import UserError

if TYPE_CHECKING:
    from benchmarks.timing import Measurement

__all__ = ["app"]

RepetitionsOption = Annotated[int, typer.Option(help="Number of timed repetitions; medians are printed.")]
SeedOption = Annotated[int, typer.Option(help="Seed of presets and weights.")]
DeviceOption = Annotated[str, typer.Option(help="Device: cpu or cuda.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


app = typer.Typer(
    name="python -m benchmarks",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Measurements too long for tests: speed, losses, searches, morphs, the map, and robustness.",
)


@app.command()
def voice(
    check: Annotated[bool, typer.Option("--check", help="Compare output with torchsynth's modules instead.")] = False,
    presets: Annotated[int, typer.Option(help="With --check: presets to compare.")] = 64,
    repetitions: RepetitionsOption = 5,
    seed: SeedOption = 0,
    device: DeviceOption = "cpu",
    as_json: JsonOption = False,
) -> None:
    """Time the Voice and torchsynth's own modules, or compare their output.

    Example: `python -m benchmarks voice --check`
    """
    if presets < 1:
        raise UserError("presets", presets, "give at least 1")
    _check(repetitions, device, seed)
    from benchmarks import voice as measures

    if check:
        lines, passed = measures.check_equality(presets, seed)
        print("\n".join(lines))
        if not passed:
            raise typer.Exit(1)
        return
    results = measures.measure_voice(repetitions, seed, device)
    extra = {}
    if device == "cpu":
        extra = {
            "first call in a new process, kernels cached (s)": sorted(measures.first_call_seconds(repetitions)),
            "peak memory of 1,024 sounds forward + backward (GiB)": measures.peak_memory(),
        }
    _print(results, {"repetitions": repetitions, "seed": seed, "device": device}, extra, as_json)


@app.command()
def features(
    repetitions: RepetitionsOption = 5,
    seed: SeedOption = 0,
    device: DeviceOption = "cpu",
    batch: Annotated[int, typer.Option(help="Sounds per call.")] = 64,
    as_json: JsonOption = False,
) -> None:
    """Time STFT, MFCC, CQT and log-mel against nnAudio's and PyTorch's.

    Example: `python -m benchmarks features`
    """
    _check(repetitions, device, seed)
    from benchmarks.features import measure_features

    results = measure_features(repetitions, seed, device, batch)
    _print(results, {"repetitions": repetitions, "seed": seed, "device": device, "batch": batch}, {}, as_json)


@app.command()
def train_step(
    repetitions: RepetitionsOption = 5,
    seed: SeedOption = 0,
    device: DeviceOption = "cpu",
    batch: Annotated[int, typer.Option(help="Presets per step.")] = 256,
    as_json: JsonOption = False,
) -> None:
    """Time a step of --loss sclp --synth-layer against torchsynth's modules with nnAudio's STFT.

    Example: `python -m benchmarks train-step`
    """
    _check(repetitions, device, seed)
    from benchmarks.train_step import measure_train_step

    results = measure_train_step(repetitions, seed, device, batch)
    _print(results, {"repetitions": repetitions, "seed": seed, "device": device, "batch": batch}, {}, as_json)


@app.command()
def speed(
    repetitions: RepetitionsOption = 5,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Time the Voice, training steps on several losses, and features: the table of docs/performance.md.

    Example: `python -m benchmarks speed --repetitions 7`
    """
    _check(repetitions, "cpu", seed)
    from benchmarks.features import measure_features
    from benchmarks.train_step import OTHERS, measure_train_step
    from benchmarks.voice import measure_voice

    results = measure_voice(repetitions, seed) + measure_train_step(repetitions, seed, others=OTHERS)
    results += measure_features(repetitions, seed)
    _print(results, {"repetitions": repetitions, "seed": seed, "device": "cpu"}, {}, as_json)


@app.command()
def losses(
    presets: Annotated[int, typer.Option(help="Number of presets, each moved up and down.")] = 250,
    seed: SeedOption = 0,
    names: Annotated[str | None, typer.Option("--losses", help="Losses, comma-separated.  [default: all]")] = None,
    as_json: JsonOption = False,
) -> None:
    """Score each loss on whether its gradient points to the right pitch from 50, 300 and 600 cents away.

    Example: `python -m benchmarks losses --losses scl,sot`
    """
    if presets < 1:
        raise UserError("presets", presets, "give at least 1")
    _check(1, "cpu", seed)
    from dataclasses import asdict

    from benchmarks.losses import combinations, interval, loss_table, measure_losses
    from benchmarks.timing import provenance
    from synthvae.cli.progress import progress_bar
    from synthvae.losses import build_loss

    chosen = names.split(",") if names is not None else None
    for name in chosen or ():
        build_loss(name, 44100)  # names a loss that does not exist
    with progress_bar("measuring", len(combinations(chosen))) as update:
        results = measure_losses(presets, seed, chosen, update)
    scale = {"presets": presets, "seed": seed, "sounds": "1 s at 44,100 Hz"}
    if as_json:
        rows = [asdict(r) | {"interval": {c: interval(s, r.trials) for c, s in r.right.items()}} for r in results]
        print(json.dumps(provenance(scale) | {"measurements": rows}, indent=1))
        return
    _print_scale(scale)
    print(loss_table(results))


@app.command()
def sounds(
    runs: Annotated[
        list[Path] | None, typer.Argument(help="Runs on recorded sounds, whose libraries are there.")
    ] = None,
    published: Annotated[
        str | None,
        typer.Option(help="Families of published networks to train, as published and mended: r,g,d or some of them."),
    ] = None,
    betas: Annotated[
        str | None, typer.Option(help="Weights of the KL divergence to train at, such as 0.1,1,10,100.")
    ] = None,
    steps: Annotated[int, typer.Option(help="Steps of each training.")] = 300,
    library: Annotated[
        Path | None, typer.Option(help="Library to train on.  [default: --size sounds as make-library makes them]")
    ] = None,
    size: Annotated[int, typer.Option(help="Sounds of the library to make.")] = 1000,
    out: Annotated[
        Path, typer.Option(help="Where library and runs are kept; trainings that were interrupted go on.")
    ] = Path("build/sounds"),
    seed: SeedOption = 0,
) -> None:
    """Measure reconstructions, draws and clicks of runs on recorded sounds, next to null models.

    Runs are given, or trained on a library: with --published those of the publications beside the mended ones, with
    --betas the default network at several weights of the KL divergence.

    Example: `python -m benchmarks sounds experiments/runs/library`

    Example: `python -m benchmarks sounds --published r,g,d --betas 0.1,1,10,100 --size 4000 --steps 1000`
    """
    _check(1, "cpu", seed)
    if steps < 1:
        raise UserError("steps", steps, "give at least 1")
    from benchmarks import recorded_sounds as measures
    from synthvae.cli.progress import progress_bar

    plans = measures.published_plans(measures.parse_families(published)) if published is not None else []
    plans += measures.beta_plans(measures.parse_betas(betas)) if betas is not None else []
    paths = list(runs or ())
    if not paths and not plans:
        raise UserError("runs", None, "name runs, or give `published` or `betas`", "no runs to measure")
    with progress_bar("training and measuring", len(plans) * 2 + len(paths), "parts") as update:
        if plans:
            update(0, "making the library" if library is None else "reading the library")
            name = f"{size}" if library is None else library.resolve().name
            used = measures.open_library(library or out / f"library-{size}-{seed}", size, seed, make=library is None)
        for number, plan in enumerate(plans):
            update(number, f"training {plan.name}")
            paths.append(measures.train_run(plan, used, out / f"runs-{name}-{steps}-{seed}", steps, seed))
        found = []
        for number, path in enumerate(paths, len(plans)):
            found.append(measures.measure_run(path, seed, lambda what: update(number, f"{path.name}: {what}")))  # noqa: B023
    scale: dict[str, Any] = {"seed": seed}
    if plans:
        scale |= {"sounds": f"{len(used.items):,} of {used.samples / used.sample_rate:g} s: {used.header.source}"}
        scale |= {"training sounds": len(used.rows("train")), "library": used.hash}
    _print_scale(scale)
    print("\n\n".join(table(found) for table in (measures.errors_table, measures.draws_table, measures.clicks_table)))


@app.command()
def inversion(
    each: Annotated[int, typer.Option(help="Sounds of each of the four kinds.")] = 15,
    seconds: Annotated[float, typer.Option(help="Length of a sound.")] = 2.0,
    repetitions: RepetitionsOption = 5,
    seed: SeedOption = 0,
    opinions: Annotated[
        bool, typer.Option("--visqol/--no-visqol", help="Measure ViSQOL, if the extra visqol is installed.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Invert sounds from every representation with original, recovered, zero and random phase.

    Exits with 1 where heap integration is farther from the sounds or slower than is claimed beside Griffin-Lim.

    Example: `python -m benchmarks inversion`
    """
    if each < 1:
        raise UserError("each", each, "give at least 1")
    if not 0.5 <= seconds <= 10:
        raise UserError("seconds", seconds, "give 0.5 to 10")
    _check(repetitions, "cpu", seed)
    from dataclasses import asdict
    from importlib import metadata

    from benchmarks import inversion as measures
    from benchmarks.inversion_sounds import KINDS, sounds_to_invert
    from benchmarks.timing import provenance
    from synthvae.cli.progress import progress_bar
    from synthvae.metrics.visqol import visqol_installed

    rate, measured = 16000, opinions and visqol_installed()
    audio = sounds_to_invert(rate, seconds, each, seed)
    with progress_bar("inverting", len(measures.CONFIGURATIONS)) as update:
        rungs = measures.measure_ladder(audio, rate, measured, update)
    claims = measures.measure_claims(audio, rate, repetitions)
    kinds = ", ".join(f"{each} {kind}" for kind in KINDS)
    scale = {"sounds": f"{kinds}, {seconds:g} s at {rate:,} Hz", "repetitions": repetitions, "seed": seed}
    scale |= {name: metadata.version(name) for name in ("librosa", "visqol-python")[: 1 + measured]}
    if as_json:
        found = {"ladder": [asdict(rung) for rung in rungs], "claims": [asdict(claim) for claim in claims]}
        print(json.dumps(provenance(scale) | found, indent=1))
    else:
        _print_scale(scale)
        print(f"{measures.ladder_table(rungs)}\n\nOver Griffin-Lim's, 32 iterations by librosa:\n")
        print(measures.claims_table(claims))
    if not all(claim.passed for claim in claims):
        raise typer.Exit(1)


@app.command()
def match(
    run: Annotated[
        Path | None, typer.Option(help="A run with an audio encoder, for additional starting points.")
    ] = None,
    targets: Annotated[int, typer.Option(help="Number of target sounds of random presets.")] = 40,
    sounds: Annotated[
        Path | None, typer.Option(help="A directory of target recordings.  [default: 20 sounds of other synthesis]")
    ] = None,
    budget: Annotated[int, typer.Option(help="Renders per search; one with its gradient counts as three.")] = 8000,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Compare random search, CMA-ES and ours on the same target sounds, at an equal number of renders.

    Example: `python -m benchmarks match --run experiments/runs/best-16`
    """
    if targets < 2:
        raise UserError("targets", targets, "give at least 2")
    if sounds is not None and not sounds.is_dir():
        raise UserError("sounds", str(sounds), "give one with recordings in it", why="not a directory")
    _check(1, "cpu", seed)
    from dataclasses import asdict

    from benchmarks.match import Way, match_table, measure_match, recordings, voice_targets
    from benchmarks.timing import provenance
    from synthvae.cli.progress import progress_bar
    from synthvae.matching.index import PRESETS, open_index
    from synthvae.matching.starts import encoder_of
    from synthvae.synths.settings import RenderSettings
    from synthvae.synths.voice.parameters import VOICE_63
    from synthvae.training.run import load_run

    model = load_run(run, needs="parameters") if run is not None else None
    if model is not None and encoder_of(model) is None:
        raise UserError(run, run, f"train one with synthvae train-encoder {run}", "has no audio encoder")
    space = VOICE_63 if model is None else model.parameters
    settings = RenderSettings() if model is None else model.settings
    with progress_bar("rendering the index, once", PRESETS) as update:
        index = open_index(space, settings, progress=lambda done: update(done, ""))
    ways = [
        Way("random", "random"),
        Way("CMA-ES (the package cma)", "cma"),
        Way("ours", "combined"),
        Way(f"ours, from an index of {PRESETS:,} sounds", "combined", index),
    ]
    if model is not None:
        ways.append(Way(f"ours, from the index and the encoder of {model.name}", "combined", index, model))
    groups = {
        f"{targets} sounds of random presets": voice_targets(space, settings, targets),
        "other sounds" if sounds is None else str(sounds): recordings(sounds, settings.sample_rate),
    }
    scale = {"budget": budget, "seed": seed, "sounds": f"{settings.seconds:g} s at {settings.sample_rate:,} Hz"}
    results = {}
    for name, chosen in groups.items():
        with progress_bar(name, len(chosen) * len(ways)) as update:
            results[name] = measure_match(chosen, space, ways, budget, seed, update)
    if as_json:
        rows = {name: [asdict(way) for way in found] for name, found in results.items()}
        print(json.dumps(provenance(scale) | {"measurements": rows}, indent=1))
        return
    _print_scale(scale)
    for name, found in results.items():
        print(f"{name}\n\n{match_table(found, seed)}\n")


@app.command()
def morph(
    run: Annotated[Path | None, typer.Option(help=f"A directory made with train.  [default: {DEFAULT_RUN}]")] = None,
    pairs: Annotated[int, typer.Option(help="Pairs of test presets to morph between.")] = 100,
    steps: Annotated[int, typer.Option(help="Sounds per morph, both ends included.")] = 9,
    ways: Annotated[
        str | None,
        typer.Option(
            help="Paths to measure: latent, metric, parameters, smooth, smooth-even, latent-uneven, comma-separated.  "
            "[default: all]"
        ),
    ] = None,
    descriptors: Annotated[
        bool, typer.Option("--descriptors", help="Compute SPINVAE's two scores as well, 20 ms a sound.")
    ] = False,
    seed: SeedOption = 0,
    data: Annotated[Path | None, typer.Option(help="The dataset.  [default: the run's]")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure evenness and smoothness of morphs between presets, against linear interpolation of the parameters.

    Example: `python -m benchmarks morph --run experiments/runs/first --pairs 100`

    Example: `python -m benchmarks morph --run experiments/runs/first --pairs 200 --ways smooth --descriptors`
    """
    if pairs < 1:
        raise UserError("pairs", pairs, "give at least 1")
    _check(1, "cpu", seed)
    from dataclasses import asdict

    from benchmarks.morph import CANDIDATES, PLAIN, draw_pairs, measure_morphs, morph_table, smoothness_table
    from benchmarks.timing import provenance
    from synthvae.cli.progress import progress_bar
    from synthvae.data.presets import read_dataset
    from synthvae.exploration.latent_files import find_run
    from synthvae.exploration.morph import MOST_STEPS
    from synthvae.training.run import load_run

    if not 2 <= steps <= MOST_STEPS:
        raise UserError("steps", steps, f"give 2 to {MOST_STEPS}")
    known = [label for label in CANDIDATES if label != PLAIN]
    chosen = ways.split(",") if ways is not None else known
    for way in chosen:
        if way not in known:
            raise UserError("ways", way, f"choose some of {', '.join(known)}")
    path, note = find_run(run)
    model = load_run(path, needs="parameters")
    dataset = read_dataset(data or model.dataset_path)
    if data is None:
        model.require_own_dataset(dataset)
    model.require_unseen(dataset)
    ends = draw_pairs(dataset.split("test"), pairs, seed)
    if not len(ends):
        raise UserError(dataset.path, dataset.path, "a pair needs two, generate a larger dataset", "one test preset")
    labels = [label for label in CANDIDATES if label in chosen or label == PLAIN]
    with progress_bar("walking", len(ends) * len(labels)) as update:
        results = measure_morphs(model, ends, steps, labels, descriptors, update)
    settings = model.settings
    sounds = f"{settings.seconds:g} s at {settings.sample_rate} Hz"
    scale = {"run": model.name, "pairs": len(ends), "steps": steps, "seed": seed, "sounds": sounds}
    if as_json:
        print(json.dumps(provenance(scale) | {"measurements": [asdict(r) for r in results]}, indent=1))
        return
    if note:
        print(note)
    _print_scale(scale)
    print(morph_table(results))
    scores = smoothness_table(results)
    if scores:
        print(f"\n{scores}")


@app.command()
def library(
    files: Annotated[int, typer.Option(help="Files in the folder that is imported.")] = 5000,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Import a folder of mixed files: check that each is accounted for, peak memory, and resumption after a kill.

    Example: `python -m benchmarks library --files 5000`
    """
    if files < 150:
        raise UserError("files", files, "give at least 150, so that there is each kind of file")
    _check(1, "cpu", seed)
    import tempfile
    from dataclasses import asdict

    from benchmarks.library import library_table, measure_library
    from benchmarks.timing import provenance

    with tempfile.TemporaryDirectory() as folder:
        results = measure_library(files, seed, Path(folder))
    scale = {"files": files, "seed": seed, "sounds": "2 s at 16,000 Hz"}
    if as_json:
        rows = [asdict(result) | {"passed": result.passed} for result in results]
        print(json.dumps(provenance(scale) | {"measurements": rows}, indent=1))
    else:
        _print_scale(scale)
        print(library_table(results))
    if not all(result.passed for result in results):
        raise typer.Exit(1)


@app.command()
def presets(
    size: Annotated[int, typer.Option(help="Number of presets.")] = 10_000_000,
    shards: Annotated[int, typer.Option(help="Number of shards.")] = 40,
    seed: SeedOption = 0,
) -> None:
    """Generate a large Parquet dataset, again with a kill, and train on it to the first step: time and memory.

    Exits with 1 where a process takes more than 1 GiB or training more than 4, starts after 20 s, or the presets are
    not those of the JSON dataset of the same seed.

    Example: `python -m benchmarks presets --size 1000000`
    """
    for name, value in (("size", size), ("shards", shards)):
        if value < 2:
            raise UserError(name, value, "give at least 2")
    _check(1, "cpu", seed)
    import tempfile

    from benchmarks.large_dataset import large_dataset_table, measure_large_dataset

    with tempfile.TemporaryDirectory() as folder:
        result = measure_large_dataset(size, shards, seed, Path(folder))
    _print_scale({"presets": size, "shards": shards, "seed": seed})
    print(large_dataset_table(result))
    if not result.passed:
        raise typer.Exit(1)


@app.command()
def fuzz(
    seconds: Annotated[int, typer.Option(help="Seconds for each format.")] = 600,
    formats: Annotated[
        str | None, typer.Option(help="Formats, separated by commas, such as dataset,bank.  [default: all]")
    ] = None,
    jobs: Annotated[int, typer.Option(help="Number of concurrent processes.")] = 1,
    seed: SeedOption = 0,
    out: Annotated[Path, typer.Option(help="Directory for files that were handled wrongly.")] = Path("fuzzed"),
) -> None:
    """Give every reader damaged files, and check that each is read or refused in one line.

    Example: `python -m benchmarks fuzz --seconds 10 --jobs 2`
    """
    for name, value in (("seconds", seconds), ("jobs", jobs)):
        if value < 1:
            raise UserError(name, value, "give at least 1")
    _check(1, "cpu", seed)
    from benchmarks import fuzz as measures
    from benchmarks.fuzz_readers import readers
    from synthvae.cli.progress import progress_bar

    chosen = formats.split(",") if formats else []
    with progress_bar("reading damaged files", len(chosen) or len(readers()), "formats") as update:
        results = measures.fuzz(seconds, seed, chosen, jobs, update)
    _print_scale({"seconds for each format": seconds, "seed": seed})
    print(measures.fuzz_table(results, out))
    if any(result.wrong for result in results):
        raise typer.Exit(1)


@app.command()
def kills(
    kills: Annotated[int, typer.Option(help="Kills in all; every command gets as many.")] = 200,
    every_operation: Annotated[
        bool,
        typer.Option("--every-operation", help="Kill right before each operation on a file, not at random moments."),
    ] = False,
    most: Annotated[int, typer.Option(help="Operations of one command, evenly spread where there are more.")] = 60,
    only: Annotated[str | None, typer.Option(help="Name of one command.  [default: all]")] = None,
    seed: SeedOption = 0,
) -> None:
    """Kill commands that write, at random moments or at each operation, and check that the same command then completes.

    Example: `python -m benchmarks kills --kills 22`

    Example: `python -m benchmarks kills --every-operation --only finalize`
    """
    for name, number in (("kills", kills), ("most", most)):
        if number < 1:
            raise UserError(name, number, "give at least 1")
    _check(1, "cpu", seed)
    import tempfile

    from benchmarks import kills as measures
    from benchmarks.jobs import JOBS
    from synthvae.cli.progress import progress_bar

    jobs = [job for job in JOBS if only in (None, job.name)]
    if not jobs:
        raise UserError("only", only, f"choose one of {', '.join(job.name for job in JOBS)}")
    steps = (len(jobs), "commands") if every_operation else (kills, "kills")
    with tempfile.TemporaryDirectory() as folder, progress_bar("killing", *steps) as update:
        if every_operation:
            results = measures.kill_at_operations(Path(folder), jobs, most, update)
        else:
            results = measures.kill_commands(kills, seed, Path(folder), jobs, update)
    done = sum(result.kills for result in results)
    _print_scale({"kills": done, "seed": seed})
    print(measures.kill_table(results))
    if (not every_operation and done < kills) or any(result.wrong for result in results):
        raise typer.Exit(1)


@app.command()
def conditions(
    only: Annotated[str | None, typer.Option(help="Name of one condition.  [default: all]")] = None,
    require_all: Annotated[
        bool, typer.Option("--require-all", help="Fail where a condition cannot be tried; most need root on Linux.")
    ] = False,
) -> None:
    """Run commands on one core, a full disk, with a clock that jumps and the like, and check files and messages.

    Example: `python -m benchmarks conditions`
    """
    import tempfile

    from benchmarks import conditions as measures
    from synthvae.cli.progress import progress_bar

    known = {condition.name: condition for condition in measures.CONDITIONS}
    if only is not None and only not in known:
        raise UserError("only", only, f"choose one of {', '.join(known)}")
    chosen = list(known.values()) if only is None else [known[only]]
    count = len(chosen) * len(measures.TRIED)
    with tempfile.TemporaryDirectory() as folder, progress_bar("running commands", count, "commands") as update:
        results = measures.try_conditions(Path(folder), chosen, progress=update)
    _print_scale({"commands": ", ".join(measures.TRIED)})
    print(measures.condition_table(results))
    if any(result.wrong or (require_all and result.impossible) for result in results):
        raise typer.Exit(1)


@app.command()
def explore(
    run: Annotated[Path, typer.Argument(help="A directory made with train.")],
    data: Annotated[Path | None, typer.Option(help="The dataset on the map.  [default: the run's]")] = None,
    points: Annotated[int, typer.Option(help="Number of presets on the map.")] = 10_000,
    clicks: Annotated[int, typer.Option(help="Number of timed clicks.")] = 100,
    seed: SeedOption = 0,
    browser: Annotated[bool, typer.Option(help="Click in headless Chromium, if installed.")] = True,
    fresh: Annotated[bool, typer.Option("--fresh", help="Recompute the map, and time that too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Time the map, and measure how well distances on it match audible distances.

    Example: `python -m benchmarks explore experiments/runs/first --fresh`
    """
    _check(1, "cpu", seed)
    if points < 1 or clicks < 1:
        raise UserError("points", points, "give at least 1", why=f"and `clicks` {clicks}")
    from dataclasses import asdict

    from benchmarks.explore import explore_table, measure_explore
    from benchmarks.timing import provenance
    from synthvae.cli.progress import progress_bar

    with progress_bar("measuring", 5) as update:
        stages = iter(range(5))
        told = lambda stage: update(next(stages), stage)  # noqa: E731
        result = measure_explore(run, data, points, clicks, seed, browser, fresh, told)
    scale = {"run": run.name, "points": points, "clicks": clicks, "seed": seed, "way": result.way}
    if as_json:
        print(json.dumps(provenance(scale) | {"measurement": asdict(result) | {"passed": result.passed}}, indent=1))
    else:
        _print_scale(scale)
        print(explore_table(result))
    if not result.passed:
        raise typer.Exit(1)


@app.command()
def panning(
    points: Annotated[list[int] | None, typer.Option(help="Points on the map; may be given more than once.")] = None,
    seconds: Annotated[float, typer.Option(help="Duration of panning, in seconds.")] = 5.0,
    canvas: Annotated[bool, typer.Option("--canvas", help="Draw without WebGL.")] = False,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Count the frames a second while the map is panned, in headless Chromium, by the browser's own clock.

    Example: `python -m benchmarks panning --points 100000 --points 1000000`
    """
    _check(1, "cpu", seed)
    counts = points or [100_000, 1_000_000]
    if min(counts) < 1 or not seconds > 0:
        raise UserError("points", min(counts), "give at least 1", why=f"and `seconds` {seconds:g}")
    from dataclasses import asdict

    from benchmarks.panning import measure_panning, panning_table
    from benchmarks.timing import provenance

    results = [measure_panning(count, seconds, canvas, seed) for count in counts]
    scale = {"points": counts, "seconds": seconds, "seed": seed}
    if as_json:
        print(json.dumps(provenance(scale) | {"measurements": [asdict(one) for one in results]}, indent=1))
    else:
        _print_scale(scale)
        print(panning_table(results))
    if not all(one.passed for one in results):
        raise typer.Exit(1)


def _check(repetitions: int, device: str, seed: int) -> None:
    if not 0 <= seed < 2**63:
        raise UserError("seed", seed, "give a number from 0 to 2^63 - 1")
    if repetitions < 1:
        raise UserError("repetitions", repetitions, "give at least 1")
    if device not in ("cpu", "cuda"):
        raise UserError("device", device, "choose cpu or cuda")
    if device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise UserError("device", "cuda", "use cpu", why="but this PyTorch sees no CUDA GPU")


def _print(results: list[Measurement], scale: dict[str, Any], extra: dict[str, Any], as_json: bool) -> None:
    from benchmarks import timing

    if as_json:
        print(json.dumps(timing.document(results, scale) | extra, indent=1))
        return
    _print_scale(scale)
    print(timing.table(results))
    for name, value in extra.items():
        values = value if isinstance(value, list) else [value]
        middle = values[len(values) // 2]
        spread = f" ({values[0]:.3g} to {values[-1]:.3g})" if len(values) > 1 else ""
        print(f"{name}: {middle:.3g}{spread}")


def _print_scale(scale: dict[str, Any]) -> None:
    from benchmarks.timing import provenance

    document = provenance(scale)
    for part in ("hardware", "versions", "scale"):
        print(f"{part}: " + ", ".join(f"{name} {value}" for name, value in document[part].items()))
    print()


if __name__ == "__main__":
    main(app)
