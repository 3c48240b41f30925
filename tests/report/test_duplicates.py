"""Pairs side by side, also with what is in no file of the version, and the bands' curve."""

import re

import pytest

from datakit.minhash import bands_for, chance
from datakit.report.page import render
from tests.report.versions import drop, row, seed, write_version

OUTSIDE = {
    "near_duplicate": (
        "dedup.minhash",
        {"rival": "Count the red boats in the harbour.", "view": "prompt", "threshold": 0.7},
        "There already",
    ),
    "contaminated": (
        "contamination.paraphrase",
        {"item": "How many red boats are there?", "rule": "paraphrase", "why": "Both count boats."},
        "Benchmark item",
    ),
}


@pytest.mark.parametrize("reason", OUTSIDE)
def test_a_rival_from_elsewhere_stands_beside_what_was_dropped(tmp_path, reason):
    step, detail, title = OUTSIDE[reason]
    version = write_version(
        tmp_path / "v1",
        kept=[seed("s1", "Name a colour.")],
        dropped=[(seed("d1"), drop(step, reason, "other@v3/x9", 0.83, **detail))],
        funnel=[row("source", 0, 2), row(step, 2, **{reason: 1})],
    )
    html = render(version)
    (article,) = re.findall(r'<article class="example pair">.*?</article>', html, re.DOTALL)[:1]
    assert f"<h4>{title} " in article and "other@v3/x9" in article
    assert re.search(r"<mark>[^<]*red boats</mark>", article) and "Similarity 0.83" in article
    # The text stands beside the record, and not among the figures as well.
    figures = article.partition('class="values"')[2].partition("</p>")[0]
    assert "boats" not in figures.replace("Both count boats.", "")


def test_the_curve_is_that_of_the_step_s_bands(tmp_path):
    recipe = "name: sql\nsteps:\n  - dedup.minhash: {threshold: 0.8, num_perm: 64}\n"
    version = write_version(
        tmp_path / "v1",
        kept=[seed("s1")],
        funnel=[row("source", 0, 1), row("dedup.minhash", 1)],
        recipe=recipe,
    )
    html = render(version)
    bands, rows = bands_for(0.8, 64)
    assert f"{bands} bands of {rows} values" in html
    assert f"{100 * chance(0.8, bands, rows):.1f} %" in html
    assert "none was too similar" in html


@pytest.mark.parametrize("settings", ["{threshold: much}", "{num_perm: many}", "[1]"])
def test_a_recipe_that_is_no_recipe_has_no_curve(tmp_path, settings):
    version = write_version(
        tmp_path / "v1",
        kept=[seed("s1")],
        funnel=[row("source", 0, 1), row("dedup.minhash", 1)],
        recipe=f"name: sql\nsteps:\n  - dedup.minhash: {settings}\n",
    )
    assert "bands of" not in render(version)
