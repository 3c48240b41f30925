"""A page as one HTML file without a network, locked by its own security policy."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

from datakit.report.markup import Markup, el

__all__ = ["contents", "document", "resource"]


def document(title: str, body: Markup, *, styles: Sequence[str], script: str = "") -> str:
    """Returns a whole page; nothing but what is given runs in it, and nothing is loaded.

    Args:
        title: Of the window.
        body: The `body` element; a script in it must be `script`.
        styles: Style sheets, as `package/file`, in order.
        script: What may run; empty for a page that holds nothing that runs.
    """
    style = "".join(map(resource, styles))
    allowed = f"script-src {_source(script)}; " if script else ""
    policy = (
        f"default-src 'none'; style-src {_source(style)}; {allowed}"
        "base-uri 'none'; form-action 'none'"
    )
    head = el(
        "head",
        el("meta", charset="utf-8"),
        # The policy's quotes must stay quotes: written as entities they are still the same value.
        el("meta", http_equiv="Content-Security-Policy", content=policy),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("meta", name="referrer", content="no-referrer"),
        el("meta", name="generator", content="datakit"),
        el("title", title),
        el("style", Markup(style)),
    )
    return f"<!doctype html>\n{el('html', head, body, lang='en').html}\n"


def contents(chapters: Mapping[str, str]) -> Markup:
    """Returns links to the chapters: their titles by id."""
    items = [el("li", el("a", title, href=f"#{id}")) for id, title in chapters.items()]
    return el("nav", el("ul", items), aria_label="Chapters")


@cache
def resource(name: str) -> str:
    """Returns the text of a file of a package, such as `datakit.report/style.css`."""
    package, _, file = name.partition("/")
    return files(package).joinpath(file).read_text("utf-8")


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
