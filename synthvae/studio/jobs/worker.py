"""Worker processes of the studio, started by `synthvae.studio.jobs.process`."""

from __future__ import annotations

import argparse
import json
import os
import queue
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthvae.core.errors import UserError
from synthvae.core.memory import keep_freed_memory

if TYPE_CHECKING:
    from synthvae.matching.index import SoundIndex
    from synthvae.training.run import Run

__all__ = ["main"]

#: Seconds between two reports of a search.
REPORT = 0.2
#: Presets that a search answers with.
TOP = 5


def main() -> int:
    """Do one piece of work; 0 if it was done."""
    parser = argparse.ArgumentParser(prog="synthvae.studio.jobs.worker")
    parser.add_argument("work", choices=("layout", "measure", "match"))
    parser.add_argument("--nice", type=int, default=0)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--key", help="of the presets; else the first message has it")
    parser.add_argument("--layout", default="sound")
    parser.add_argument("--share", default="0/1")
    given = parser.parse_args()
    os.nice(given.nice)
    keep_freed_memory()
    inbox = _Inbox()
    try:
        if given.work == "match":
            _match_all(given, inbox)
        else:
            _make(given, inbox)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _make(given: argparse.Namespace, inbox: _Inbox) -> None:
    """The views of a layout, or a share of the descriptors."""
    import torch

    from synthvae.core.store import Store
    from synthvae.studio.collection import read_collection
    from synthvae.studio.kinds import open_source
    from synthvae.studio.maps import make_views
    from synthvae.studio.measured import measure_parts
    from synthvae.training.run import load_run

    torch.set_num_threads(1)
    source = open_source(load_run(given.run))
    if given.key is None:
        source.warm()  # loads the kernels
    collection = read_collection(given.cache, given.key or inbox.jobs.get()["key"])
    if collection is None:
        raise UserError(given.cache, given.cache, "restart synthvae explore", "the presets of the map are gone")
    if given.work == "layout":
        store = Store(given.cache)
        make_views(source, collection, given.layout, store, lambda view: _say({"made": view}))
    else:
        number, workers = given.share.split("/")
        measure_parts(source, collection, given.cache, (int(number), int(workers)))


def _match_all(given: argparse.Namespace, inbox: _Inbox) -> None:
    """Match one recording after the other until standard input is closed."""
    from synthvae.training.run import load_run

    run = load_run(given.run, needs="parameters")
    index = _known_sounds(run)
    _warm(run)
    while True:
        task = inbox.jobs.get()
        try:
            answer = _match(run, index, task, inbox)
        except Exception as error:
            # Whatever one recording does to the search, the next one has another.
            stopped = inbox.stopped == task["job"]  # before it had anything to keep
            answer = (
                {"state": "stopped"} if stopped else {"state": "failed", "error": f"{error or type(error).__name__}"}
            )
        _say({"job": task["job"], **answer})


def _warm(run: Run) -> None:
    """Load everything that a search takes, so that the first one is not cut short by it."""
    import torch

    from synthvae.matching import engine  # noqa: F401

    middle = torch.full((1, len(run.parameters)), 0.5, requires_grad=True)
    run.voice(middle).square().sum().backward()


def _known_sounds(run: Run) -> SoundIndex | None:
    """The index of ``synthvae match``, if it exists: computing one takes too long for an interactive request."""
    from synthvae.matching.index import index_path, open_index
    from synthvae.synths.settings import RenderSettings

    settings = RenderSettings(sample_rate=run.settings.sample_rate, synth=run.settings.synth)
    return open_index(run.parameters, settings) if index_path(run.parameters, settings).exists() else None


def _match(run: Run, index: SoundIndex | None, task: dict[str, Any], inbox: _Inbox) -> dict[str, Any]:
    from synthvae.core.files import load_tensors
    from synthvae.matching.engine import match
    from synthvae.matching.target import Target

    tensors, state = load_tensors(Path(task["file"]))
    target = Target(state["name"], tensors["audio"], state["sample_rate"], ())
    start = last = time.monotonic()
    job, seconds = task["job"], task["seconds"]

    def progress(state: Any) -> None:  # noqa: ANN401
        nonlocal last
        now = time.monotonic()
        if now - last < REPORT:
            return
        last = now
        message = {"job": job, "seconds": round(now - start, 1), "progress": min(0.99, state.fraction)}
        _say(message | {"renders": state.renders, "best": _found(state)})

    result = match(
        target,
        run.parameters,
        run=run,
        index=index,
        seconds=seconds,
        top=TOP,
        stop=lambda: inbox.stopped == job,
        progress=progress,
    )
    return {
        "state": "stopped" if inbox.stopped == job else "done",
        "seconds": round(result.seconds, 1),
        "renders": result.renders,
        "confidence": result.confidence,
        "results": [_found(candidate) for candidate in result.candidates],
    }


def _found(candidate: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"distance": float(candidate.distance), "unit": [float(value) for value in candidate.unit]}


class _Inbox:
    """Messages of the server on standard input: jobs and stop requests; the process ends with the server."""

    def __init__(self) -> None:
        self.jobs: queue.Queue[dict[str, Any]] = queue.Queue()
        self.stopped = ""
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in sys.stdin:
            message = json.loads(line)
            if "stop" in message:
                self.stopped = message["stop"]
            else:
                self.jobs.put(message)
        os._exit(3)


def _say(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    sys.exit(main())
