"""HTML page of a match: target and matched presets, with switching during playback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from synthvae.audio.files import wav_bytes, write_wav
from synthvae.audio.spectrogram_image import spectrogram_png
from synthvae.core.files import atomic_write, ensure_directory
from synthvae.core.json import dump_json
from synthvae.data.names import slug
from synthvae.data.preset import write_preset
from synthvae.data.writing import render_whole
from synthvae.matching.engine import MatchResult
from synthvae.naming import Named, name_sounds
from synthvae.report.html import data_uri, render_template
from synthvae.synths.registry import synth_kind

__all__ = ["render_page", "write_match"]

WIDTH, HEIGHT = 480, 160


FORMAT, VERSION = "synthvae-match", 1


def render_page(
    result: MatchResult, names: Sequence[str], command: str, sounds: Sequence[NDArray[np.float32]] | None = None
) -> str:
    """The page as self-contained HTML, sounds and pictures included.

    Args:
        result: what was found.
        names: names of the answers.
        command: command that reproduces the page.
        sounds: sounds of the answers, for listening; by default as long as the target. Pictures show what was compared.

    Returns:
        A whole document; all text is escaped.
    """
    rate = result.target.sample_rate
    compared = [candidate.audio.numpy() for candidate in result.candidates]

    def shown(played: NDArray[np.float32], compared: NDArray[np.float32]) -> dict[str, str]:
        return {
            "wav": data_uri(wav_bytes(played, rate, "int16"), "audio/wav"),
            "picture": data_uri(spectrogram_png(compared, rate, WIDTH, HEIGHT), "image/png"),
        }

    target = result.target.audio.numpy()
    return render_template(
        "synthvae.report",
        "match.html",
        {},
        result=result,
        target=shown(target, target),
        answers=[
            {"name": name, "distance": candidate.distance, **shown(sound, same)}
            for name, candidate, sound, same in zip(
                names, result.candidates, compared if sounds is None else sounds, compared, strict=True
            )
        ],
        command=command,
    )


def write_match(directory: Path, result: MatchResult, command: str, sample_format: str = "float") -> Sequence[str]:
    """Write a match.

    ``target.wav`` is the recording as it was matched; each match is a preset's JSON and its WAV, with its release and
    at the synth's own level, named by rank and descriptors of what was compared. ``match.json`` has all numbers,
    ``match.html`` plays target and matches.

    Args:
        directory: where to.
        result: what was found.
        command: command that reproduces the page.
        sample_format: format of the samples, ``float`` or ``int16``.

    Returns:
        The names of the answers' files without endings, the closest first.

    Raises:
        UserError: if the directory cannot be written to.
    """
    ensure_directory(directory)
    rate = result.target.sample_rate
    names = name_sounds(torch.stack([candidate.audio for candidate in result.candidates]), rate)
    stems = [f"{place}_{slug(named.name)}" for place, named in enumerate(names, 1)]
    write_wav(directory / "target.wav", result.target.audio.numpy(), rate, sample_format)
    found = [
        replace(candidate.preset, name=named.name, descriptors=named.descriptors)
        for candidate, named in zip(result.candidates, names, strict=True)
    ]
    sounds = []
    for (preset, sound), stem in zip(render_whole(found), stems, strict=True):
        write_preset(directory / f"{stem}.json", preset)
        write_wav(directory / f"{stem}.wav", sound, rate, sample_format)
        sounds.append(sound)
    atomic_write(
        directory / "match.json", dump_json(_document(result, names, stems, command), directory / "match.json") + "\n"
    )
    atomic_write(directory / "match.html", render_page(result, [named.name for named in names], command, sounds))
    return stems


def _document(result: MatchResult, names: Sequence[Named], stems: Sequence[str], command: str) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "synth": synth_kind(result.candidates[0].preset.settings.synth).header,
        "target": result.target.name,
        "seconds": result.target.seconds,
        "done_to_the_target": list(result.target.notes),
        "confidence": result.confidence,
        "verdict": result.verdict,
        "distance_unit": "dB, mean absolute difference of log-mel spectrograms at three resolutions",
        "random_preset": {"median": result.random, "nearest": result.nearest_random},
        "renders": result.renders,
        "took_seconds": round(result.seconds, 3),
        "stopped": result.stopped,
        "command": command,
        "answers": [
            {"file": f"{stem}.json", "sound": f"{stem}.wav", "name": named.name, "distance": candidate.distance}
            for candidate, named, stem in zip(result.candidates, names, stems, strict=True)
        ],
    }
