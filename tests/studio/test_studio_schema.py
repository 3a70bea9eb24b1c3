"""Requests that the API's own document allows, and many that it does not: whatever comes, no 5xx."""

from __future__ import annotations

import contextlib

import pytest

schemathesis = pytest.importorskip("schemathesis")

from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis.errors import Unsatisfiable  # noqa: E402
from schemathesis import GenerationMode  # noqa: E402

from synthvae.studio.app import API, create_app  # noqa: E402
from synthvae.studio.security import Access  # noqa: E402
from synthvae.studio.session import Session  # noqa: E402

EXAMPLES = settings(
    max_examples=5, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


def statuses(operation, mode: GenerationMode) -> set[int]:
    """What an operation answers to examples; none may be a failure, and every refusal is told in one way."""
    seen = set()

    @EXAMPLES
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case):
        answer = case.call()
        seen.add(answer.status_code)
        assert answer.status_code < 500, answer.text
        if answer.status_code >= 400:
            assert set(answer.json()) - {"argument"} == {"error"}

    with contextlib.suppress(Unsatisfiable):  # nothing can be wrong with a request that says nothing
        check()
    return seen


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_no_request_makes_the_server_fail(session: Session, mode: GenerationMode):
    schema = schemathesis.openapi.from_asgi(f"{API}/openapi.json", create_app(session, Access(local=False)))
    seen = {}
    for found in schema.get_all_operations():
        operation = found.ok()
        seen[operation.label] = statuses(operation, mode)
    assert len(seen) > 20
    codes = set().union(*seen.values())
    assert codes & {200, 201} if mode is GenerationMode.POSITIVE else codes & {404, 422}
