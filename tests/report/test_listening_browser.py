"""The page of a listening test as listeners meet it, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from synthvae.analysis.listening import analyse_answers, read_answers
from synthvae.report.listening import make_listening_test
from tests.report.browser import new_tab
from tests.report.test_listening import write_systems

pytestmark = pytest.mark.browser


@pytest.fixture
def tab() -> Iterator[Any]:
    with new_tab(viewport={"width": 390, "height": 844}) as made:
        yield made


def begin(tab: Any, page: Path, name: str) -> None:
    tab.goto(page.as_uri())
    assert tab.locator("#begin").is_disabled()
    tab.fill("#listener", name)
    tab.click("#begin")


def saved(tab: Any, out: Path) -> Path:
    with tab.expect_download() as download:
        tab.click("#save")
    path = out / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_a_mushra_test_is_filled_in_and_analysed(tab: Any, tmp_path: Path):
    folders = write_systems(tmp_path, {"original": 1.0, "a": 1.0, "b": 1.0})
    page = make_listening_test("mushra", folders, tmp_path / "t").page
    begin(tab, page, "Ann, 1")
    scores = {"reference": 100, "a": 70, "b": 45, "anchor70": 40, "anchor35": 20}
    for number in range(3):  # practice, then both trials
        tab.wait_for_selector(f"body[data-page='{number}']")
        assert "practice" in tab.inner_text("#heading").lower() or number
        count = tab.locator(".row").count()
        assert count == 5
        for key in range(count):
            tab.keyboard.press(str(key + 1))
            tab.wait_for_selector(f"[data-key='{key + 1}'][data-heard]")
            assert tab.locator("#next").is_disabled()
            slider = tab.locator(".row input").nth(key)
            slider.fill(str(scores[slider.get_attribute("data-condition")]))
        if number == 1:  # by the keyboard, a point down and up again
            tab.keyboard.press("ArrowDown")
            tab.keyboard.press("ArrowUp")
        tab.keyboard.press("Enter")
    answers = read_answers([saved(tab, tmp_path)])
    assert len(answers) == 10  # practice is not saved
    assert set(answers["listener"]) == {"Ann, 1"}
    assert set(answers["trial"]) == {"low_tone", "high_tone"}
    found = analyse_answers(answers).ratings.conditions
    assert {name: one.mean for name, one in found.items()} == scores
    overflow = tab.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert overflow <= 0


@pytest.mark.parametrize(("kind", "keys", "expected"), [("ab", ("a", "b", "1"), 2), ("classify", ("p", "2"), 4)])
def test_choices_are_filled_in_by_keyboard(tab: Any, tmp_path: Path, kind: str, keys: tuple, expected: int):
    folders = write_systems(tmp_path, {"a": 1.0, "b": 1.0})
    begin(tab, make_listening_test(kind, folders, tmp_path / "t").page, "Bob")
    for number in range(expected + 1):
        tab.wait_for_selector(f"body[data-page='{number}']")
        for key in keys:
            tab.keyboard.press(key)
            if not key.isdigit():
                tab.wait_for_selector(f"[data-key='{key}'][data-heard]")
        tab.wait_for_selector("#next:not([disabled])")
        tab.keyboard.press("Enter")
    answers = read_answers([saved(tab, tmp_path)])
    assert len(answers) == expected
    results = analyse_answers(answers)
    if kind == "ab":
        assert sum(results.preferences[0].counts[:2]) == expected
        assert set(answers["answer"]) <= {"a", "b"}
    else:
        assert set(answers["answer"]) == {"low"}  # the second label
        assert results.classification.accuracy["a"].mean == 0.5
