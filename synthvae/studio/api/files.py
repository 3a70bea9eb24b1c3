"""Answers that the browser saves as files."""

from __future__ import annotations

from fastapi import Response

from synthvae.studio.archives import Download

__all__ = ["as_file"]


def as_file(download: Download) -> Response:
    """A file with its name; the name holds nothing that a header cannot."""
    disposition = f'attachment; filename="{download.name}"'
    return Response(download.content, media_type=download.kind, headers={"Content-Disposition": disposition})
