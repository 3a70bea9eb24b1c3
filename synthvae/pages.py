"""HTML pages from templates, and what they hold inside themselves."""

from __future__ import annotations

import base64
from collections.abc import Callable

from jinja2 import Environment, PackageLoader, StrictUndefined

__all__ = ["data_uri", "render_template"]


def render_template(package: str, name: str, filters: dict[str, Callable[..., object]], **values: object) -> str:
    """A page; all text is escaped, and a name that the template uses and is not given is an error.

    Args:
        package: whose folder ``templates`` holds the template.
        name: of the template.
        filters: by name, beside Jinja's own and `data_uri`.
        values: by name.

    Returns:
        The HTML.
    """
    environment = Environment(
        loader=PackageLoader(package, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters, data_uri=data_uri)
    return environment.get_template(name).render(values)


def data_uri(content: bytes, kind: str) -> str:
    """A file inside a page, `kind` being its media type."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
