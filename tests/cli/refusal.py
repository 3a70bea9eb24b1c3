"""What a refusal looks like."""

from __future__ import annotations


def refused(result: tuple[int, str, str], *parts: str) -> None:
    """A one-line error that has the parts, exit code 2, nothing on standard output."""
    code, out, err = result
    assert code == 2, err
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    for part in parts:
        assert part in err, err
