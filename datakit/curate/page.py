"""The page's frame: one document without a network but its own server, locked by its policy.

It has the report's look. It holds no text of any item: the script fetches those as JSON, one by
one, and sets them as text.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import cache
from importlib.resources import files

from datakit.curate.sheet import Sheet
from datakit.errors import HIDDEN
from datakit.report.markup import Markup, el, script_json

__all__ = ["policy", "render"]


def render(sheet: Sheet) -> bytes:
    """Returns the page for a sheet."""
    body = el(
        "body",
        el(
            "header",
            el("h1", sheet.title),
            el("p", id="place", role="status"),
            el("p", sheet.note, id="beforehand") if sheet.note else None,
            el("progress", id="progress", max=1, value=0, aria_label="rated"),
            id="top",
        ),
        el("main", el("p", "Loading …", class_="wait"), id="item", aria_live="off"),
        el("p", id="trouble", role="alert", hidden=True),
        el(
            "footer",
            el("div", id="choices"),
            el(
                "div",
                el("label", "Note ", el("kbd", "n"), for_="note"),
                el("input", id="note", maxlength=2000, autocomplete="off", spellcheck="false"),
                id="noted",
            ),
            id="panel",
            hidden=True,
        ),
        el("noscript", el("p", "Rating needs the page's own script, which is blocked here.")),
        el("script", script_json(_config(sheet)), type="application/json", id="config"),
        el("script", Markup(_script())),
    )
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("title", sheet.title),
        el("style", Markup(_style())),
    )
    return f"<!doctype html>\n{el('html', head, body, lang='en').html}\n".encode()


@cache
def policy() -> str:
    """Returns the Content-Security-Policy: the page's own style, script and server, no more."""
    return (
        f"default-src 'none'; style-src {_source(_style())}; script-src {_source(_script())}; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _config(sheet: Sheet) -> str:
    # The one list of hidden characters, in the spelling of JavaScript.
    hidden = re.sub(r"\\U000([0-9a-f]{5})", r"\\u{\1}", HIDDEN.pattern)
    return json.dumps({"kind": sheet.kind, "hidden": hidden})


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def _style() -> str:
    return _resource("datakit.report", "style.css") + _resource("datakit.curate", "page.css")


@cache
def _script() -> str:
    return _resource("datakit.curate", "rate.js")


def _resource(package: str, name: str) -> str:
    return files(package).joinpath(name).read_text("utf-8")
