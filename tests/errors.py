"""What a test of bad input asserts: the argument at fault and its value, not the sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from synthvae.core.errors import UserError

#: Where any value will do.
ANY = object()


@contextmanager
def user_error(argument: object, value: object = ANY, match: str | None = None) -> Iterator[None]:
    """Expect a `UserError` that names an argument (or file and field), a value, and what `match` finds in its text."""
    with pytest.raises(UserError, match=match) as caught:
        yield
    error = caught.value
    assert (error.argument, error.value) == (str(argument), error.value if value is ANY else value)
