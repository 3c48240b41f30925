"""The page of a lift study: one file without a network, locked by its own security policy.

It has the look of the reports, and holds nothing that runs.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

from datakit.report.markup import Markup, el
from trainers.lift.page import chapters, method
from trainers.lift.page.facts import Told
from trainers.lift.page.overview import overview
from trainers.lift.result import Lift

__all__ = ["render"]

_CHAPTERS = {
    "replicates": "Replicates",
    "pairs": "Every pair",
    "curves": "Learning curves",
    "items": "Items",
    "forgetting": "Forgetting",
    "checks": "Checks",
    "cost": "What it cost",
    "method": "How it was done",
}
_STYLES = (
    ("datakit.report", "style.css"),
    ("trainers.page", "page.css"),
    ("trainers.lift.page", "page.css"),
)


def render(lift: Lift) -> str:
    """Returns the page of a study as one HTML file.

    The same study gives the same page. Nothing is loaded from anywhere.
    """
    told = Told(lift)
    body = el(
        "body",
        overview(told),
        el(
            "nav",
            el("ul", [el("li", el("a", name, href=f"#{id}")) for id, name in _CHAPTERS.items()]),
            aria_label="Chapters",
        ),
        el(
            "main",
            chapters.replicates(told),
            chapters.pairs(told),
            chapters.curves(told),
            chapters.items(told),
            chapters.forgetting(told),
            method.checks(told),
            method.cost(told),
            method.method(told),
        ),
        el("footer", el("p", "Written by datakit. The JSON file beside it has the figures.")),
    )
    page = el("html", _head(told, _style()), body, lang="en")
    return f"<!doctype html>\n{page.html}\n"


def _head(told: Told, style: str) -> Markup:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=policy),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("meta", name="referrer", content="no-referrer"),
        el("meta", name="generator", content="datakit"),
        el("title", f"{told.task[:80]}, {told.model[:80]}: lift"),
        el("style", Markup(style)),
    )


@cache
def _style() -> str:
    return "".join(files(package).joinpath(name).read_text("utf-8") for package, name in _STYLES)
