from __future__ import annotations

import pytest

from synthvae.core.errors import UserError
from synthvae.models import parse_architecture


@pytest.mark.parametrize(
    ("text", "widths"),
    [("exp1", (256, 64, 16)), ("exp3", (128, 16)), ("63-32-7", (32, 7)), ("32-7", (32, 7)), ("5", (5,))],
)
def test_architectures(text: str, widths: tuple[int, ...]):
    assert parse_architecture(text, 63) == widths


@pytest.mark.parametrize("text", ["exp9", "78-32-4", "1_0", "²", "", "63-0-4", "a-b", "63--4"])
def test_impossible_architectures(text: str):
    with pytest.raises(UserError, match="--architecture"):
        parse_architecture(text, 63)


@pytest.mark.parametrize(("text", "widths"), [("exp1", (256, 64, 5)), ("63-32-7", (32, 5)), ("7", (5,))])
def test_the_latent_size_is_exactly_as_asked_for(text: str, widths: tuple[int, ...]):
    assert parse_architecture(text, 63, 5) == widths
