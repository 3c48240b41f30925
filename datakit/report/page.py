"""The whole page: one file without a network, locked by its own security policy."""

from __future__ import annotations

from datakit.report import chapters, duplicates, growth, provenance, records
from datakit.report.about import About
from datakit.report.collect import collect
from datakit.report.document import contents, document, resource
from datakit.report.markup import Markup, el
from datakit.report.overview import overview
from datakit.store.version import Version

__all__ = ["render"]

_CHAPTERS = {
    "growth": "Growth",
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
    grew = growth.chapter(about)
    script = resource("datakit.report/page.js")
    body = el(
        "body",
        el("a", "Skip to the records", href="#records-chapter", class_="skip"),
        overview(about, facts),
        contents({id: name for id, name in _CHAPTERS.items() if id != "growth" or grew}),
        el(
            "main",
            grew,
            chapters.dropped(about, facts),
            chapters.lengths(about, facts),
            chapters.languages(about, facts),
            duplicates.near_duplicates(about, facts),
            chapters.contamination(about, facts),
            records.chapter(about, facts),
            provenance.chapter(about),
        ),
        el("footer", el("p", f"Written by datakit from {about.ref}.")),
        el("script", Markup(script)),
    )
    title = f"{about.ref}: quality report"
    return document(title, body, styles=["datakit.report/style.css"], script=script)
