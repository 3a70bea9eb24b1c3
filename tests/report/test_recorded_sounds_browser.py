"""The report on recorded sounds as people meet it, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from synthvae.report.recorded_sounds import analyze_sounds, plan_sounds
from synthvae.training.run import load_run
from synthvae.training.sounds import SoundRun
from synthvae.training.trainer import train
from tests.report.browser import opened, sound_lengths, text_contrast, until
from tests.training.sounds import COUNTS, RATE, SAMPLES, sound_task, write_small_library

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of two runs, one with labels."""
    folder = tmp_path_factory.mktemp("browser")
    library = write_small_library(folder / "lib")
    small = {"data": str(library.path), "network": "dense", "widths": "16", "latent": 3}
    for name, more in (("plain", {}), ("labels", {"condition": "label"})):
        train(sound_task(library, **small, **more), folder / name)  # type: ignore[arg-type]
    models = [SoundRun(load_run(folder / name)) for name in ("plain", "labels")]
    return analyze_sounds(plan_sounds(models, folder / "a"), folder / "a", "synthvae analyze plain labels")


@pytest.fixture
def page(page_file: Path) -> Iterator[Any]:
    with opened(page_file) as tab:
        yield tab


def test_every_sound_decodes(page: Any):
    lengths = sound_lengths(page)
    assert len(lengths) == 3 * COUNTS["test"] + 2 * 16  # originals and two reconstructions of each, and draws
    assert lengths == pytest.approx([SAMPLES / RATE] * len(lengths), abs=1e-3)


def test_players_play_one_after_the_other(page: Any):
    page.locator(".repeat").check()
    buttons = page.locator(".sounds .play")
    assert buttons.count() == 3 * COUNTS["test"] + 2 * 16
    for number in (0, 1, buttons.count() - 1):
        buttons.nth(number).click()
        # The one before may still play while this one's sound is decoded.
        pressed = f"document.querySelectorAll('.sounds .play')[{number}].getAttribute('aria-pressed') === 'true'"
        until(page, f"{pressed} && player.playing && player.place() > 0")
        assert page.locator(".play[aria-pressed=true]").count() == 1
    buttons.last.click()
    assert page.evaluate("player.playing") is None


def test_the_spectrograms_are_on_the_first_screen_and_open_enlarged(page: Any):
    page.set_viewport_size({"width": 1280, "height": 800})
    picture = page.locator(".overview figure .zoom").first
    assert picture.evaluate("p => p.getBoundingClientRect().top") < 800
    picture.click()
    assert page.locator("dialog").evaluate("d => d.open && d.querySelector('img').naturalWidth > 500")
    page.locator("dialog").click()
    assert not page.locator("dialog").evaluate("d => d.open")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_can_be_read_at_any_width_in_both_schemes(page: Any, width: int, scheme: str):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert text_contrast(page) > 7
