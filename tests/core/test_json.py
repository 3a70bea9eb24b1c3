"""Reading of JSON documents from anywhere."""

from __future__ import annotations

import pytest

from synthvae.core.errors import UserError, shown
from synthvae.core.json import DEEPEST, load_json


def nested(levels: int) -> str:
    """Arrays and objects in turn."""
    pairs = [("[", "]") if level % 2 else ('{"a": ', "}") for level in range(levels)]
    return "".join(begin for begin, _ in pairs) + "[]" + "".join(end for _, end in reversed(pairs))


def test_documents_are_read_down_to_a_depth():
    found = load_json(nested(DEEPEST - 1), "a.json", "write it again")
    for level in range(DEEPEST - 1):
        (found,) = found if level % 2 else found.values()
    assert found == []
    for levels in (DEEPEST, 1000):  # orjson reads 1024, of which Python can neither print nor write all
        with pytest.raises(UserError, match=rf"^a\.json: nested more than {DEEPEST} levels deep; write it again$"):
            load_json(nested(levels), "a.json", "write it again")


def test_a_value_nested_beyond_the_recursion_limit_is_shown():
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    assert shown(value) == "a deeply nested list"
