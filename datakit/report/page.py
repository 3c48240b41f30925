"""The whole page: one file without a network, locked by its own security policy."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files

from datakit.report import chapters, provenance, records
from datakit.report.about import About
from datakit.report.collect import collect
from datakit.report.markup import Markup, el
from datakit.report.overview import overview
from datakit.store.version import Version

__all__ = ["render"]

_CHAPTERS = {
    "dropped": "What was dropped",
    "length": "Length",
    "language": "Language",
    "near-duplicates": "Near-duplicates",
    "contamination": "Contamination",
    "records-chapter": "Records",
    "provenance": "Where it came from",
}


def render(version: Version) -> str:
    """Returns the quality report of a version as one HTML file.

    The same version gives the same page. Nothing is loaded from anywhere.
    """
    about, facts = About(version), collect(version)
    style, script = _resource("style.css"), _resource("page.js")
    body = el(
        "body",
        el("a", "Skip to the records", href="#records-chapter", class_="skip"),
        overview(about, facts),
        _contents(),
        el(
            "main",
            chapters.dropped(about, facts),
            chapters.lengths(about, facts),
            chapters.languages(about, facts),
            chapters.near_duplicates(about, facts),
            chapters.contamination(about, facts),
            records.chapter(about, facts),
            provenance.chapter(about),
        ),
        el("footer", el("p", f"Written by datakit from {about.ref}.")),
        el("script", Markup(script)),
    )
    page = el("html", _head(about, style, script), body, lang="en")
    return f"<!doctype html>\n{page.html}\n"


def _contents() -> Markup:
    items = [el("li", el("a", name, href=f"#{id}")) for id, name in _CHAPTERS.items()]
    return el("nav", el("ul", items), aria_label="Chapters")


def _head(about: About, style: str, script: str) -> Markup:
    policy = (
        f"default-src 'none'; style-src {_source(style)}; script-src {_source(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    return el(
        "head",
        el("meta", charset="utf-8"),
        # The policy's quotes must stay quotes: written as entities they are still the same value.
        el("meta", http_equiv="Content-Security-Policy", content=policy),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("meta", name="referrer", content="no-referrer"),
        el("meta", name="generator", content="datakit"),
        el("title", f"{about.ref}: quality report"),
        el("style", Markup(style)),
    )


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _resource(name: str) -> str:
    return files("datakit.report").joinpath(name).read_text("utf-8")
