"""Pictures of differences: where marks are, and what is said beside them."""

import itertools
import re

import pytest

from tests.trainers.page.test_page import Page
from trainers.lift.page.axes import clipped, measure_of
from trainers.lift.page.charts import Point, Stage, band_chart, waterfall
from trainers.lift.page.forest import Row, forest
from trainers.lift.page.pairing import joined
from trainers.lift.words import Unit

NATS = measure_of(Unit("nll", share=False), "nats per token over a; left of 0 is better")
POINTS = measure_of(Unit("right", share=True), "points over a")
CLEAR = Row("b", -0.05, -0.08, -0.02, (-0.06, -0.04))
OPEN = Row("c", 0.01, -0.02, 0.04, (0.0, 0.02))
SIZES = [
    Point(50, -0.01, -0.03, 0.01),
    Point(100, -0.022, -0.04, -0.004),
    Point(200, -0.04, -0.055, -0.025),
    Point(400, -0.046, -0.06, -0.03),
]
STEPS = [
    Stage("bare", 0.15, total=True),
    Stage("filter.length", 0.02),
    Stage("dedup.minhash", -0.03),
    Stage("all", 0.14, total=True),
]


def marks(page, tag, start):
    return [a for t, a in page.elements if t == tag and a.get("class", "").startswith(start)]


def spots(each):
    return [tuple(map(float, spot.split(","))) for spot in each["points"].split()]


def drawn(picture):
    return Page(picture.html)


def test_a_forest_tells_clear_from_unclear_without_colour():
    page = drawn(forest("Lift", [CLEAR, OPEN], NATS))
    assert "b b -0.050 clear" in page.words
    assert "c c +0.010 unclear" in page.words
    assert [each["class"] for each in marks(page, "circle", "point")] == [
        "point clear",
        "point open",
    ]
    assert "A filled mark is clear" in page.words


def test_a_forest_has_its_figures_as_a_table():
    page = drawn(forest("Lift", [CLEAR, OPEN], NATS))
    table = page.words[page.words.index("As a table") :]
    assert "b -0.050 [-0.080, -0.020] clear c +0.010 [-0.020, +0.040] unclear" in table


def test_marks_lie_where_their_values_are():
    page = drawn(forest("Lift", [CLEAR, OPEN], POINTS))
    nought = float(marks(page, "line", "nought")[0]["x1"])
    left, right = (float(each["cx"]) for each in marks(page, "circle", "point"))
    assert left < nought < right
    assert (nought - left) / (right - nought) == pytest.approx(5, rel=0.02)
    ends = [(float(a["x1"]), float(a["x2"])) for a in marks(page, "line", "interval clear")]
    assert ends[0][0] < left < ends[0][1] < nought
    # The axis has points of a hundred.
    assert "-8 " in page.words and "points over a" in page.words


@pytest.mark.parametrize("values", [(-0.0016, 0.0052), (-1.2e-5, 3e-6), (-1234.5, 9876.5)])
def test_the_marks_of_an_axis_have_room_at_its_ends(values):
    low, high = values
    page = drawn(forest("Lift", [Row("b", 0.0, low, high)], NATS))
    ticks = [a for t, a in page.elements if t == "text" and a["class"] == "tick mid"]
    # Half of eight characters.
    assert all(24 <= float(each["x"]) <= 440 - 24 for each in ticks)


def test_nought_is_shown_also_where_all_are_far_from_it():
    page = drawn(forest("Lift", [Row("b", 5.0, 4.9, 5.1)], NATS))
    nought = float(marks(page, "line", "nought")[0]["x1"])
    assert 0 < nought < float(marks(page, "circle", "point")[0]["cx"])


def test_a_control_has_another_shape():
    page = drawn(forest("Lift", [Row("d", 0.1, 0.0, 0.2, control=True)], NATS))
    assert marks(page, "polygon", "point") and not marks(page, "circle", "point")
    assert "A diamond is a control." in page.words


def test_without_a_verdict_there_are_dots_and_no_intervals():
    page = drawn(forest("Lift", [CLEAR, OPEN], NATS, without="not enough"))
    assert not marks(page, "line", "interval")
    assert {a["class"] for a in marks(page, "circle", "point")} == {"point open"}
    assert len(marks(page, "circle", "single")) == 4
    assert page.words.count("not enough") >= 4
    assert "[-0.080" not in page.words and " clear" not in page.words.replace("is clear", "")


def test_single_replicates_are_drawn_only_where_wanted():
    assert not marks(drawn(forest("Lift", [CLEAR], NATS)), "circle", "single")
    assert len(marks(drawn(forest("Lift", [CLEAR], NATS, dots=True)), "circle", "single")) == 2


def test_replicates_are_joined_across_variants():
    scores = measure_of(Unit("nll", share=False), "nll", signed=False)
    rows = {"a": [1.0, 1.2, 1.1], "b": [0.9, 1.1, 1.0]}
    page = drawn(joined("Scores", rows, scores, controls=frozenset({"b"})))
    lines = [each["points"].split() for each in marks(page, "polyline", "pairing")]
    assert [len(each) for each in lines] == [2, 2, 2]
    moved = {round(float(b.split(",")[0]) - float(a.split(",")[0]), 0) for a, b in lines}
    assert len(moved) == 1
    assert "replicate 1 replicate 2 replicate 3 mean a 1.000 1.200 1.100 1.100" in page.words
    assert "1.000 control" in page.words


def test_a_band_has_an_edge_on_either_side_of_its_curve():
    page = drawn(band_chart("Lift against size", SIZES, "records", NATS, log=True))
    band = spots(marks(page, "polygon", "band")[0])
    curve = spots(marks(page, "polyline", "curve")[0])
    assert len(band) == 8 and len(curve) == 4
    for (x, y), (up_x, up), (down_x, down) in zip(curve, band[:4], band[:3:-1], strict=True):
        assert x == up_x == down_x
        assert up < y < down
    # Each size is twice the one before.
    steps = [b[0] - a[0] for a, b in itertools.pairwise(curve)]
    assert max(steps) - min(steps) < 0.5
    looks = [a["class"] for a in marks(page, "circle", "point")]
    assert looks == ["point open", *["point clear"] * 3]
    assert "50 -0.010 [-0.030, +0.010] unclear 100 -0.022 [-0.040, -0.004] clear" in page.words


def test_without_the_logarithm_sizes_are_as_far_apart_as_they_differ():
    page = drawn(band_chart("Lift against size", SIZES, "records", NATS))
    curve = marks(page, "polyline", "curve")[0]["points"].split()
    x = [float(each.split(",")[0]) for each in curve]
    assert (x[3] - x[2]) / (x[1] - x[0]) == pytest.approx(4, rel=0.02)


@pytest.mark.parametrize("points", [SIZES[:1], [Point(1, 0.2)], [Point(1, 0.2), Point(2, 0.2)]])
def test_a_curve_needs_no_interval_and_no_second_point(points):
    page = drawn(band_chart("Lift", points, "records", NATS))
    assert not marks(page, "polygon", "band")
    assert len(marks(page, "circle", "point")) == len(points)


def test_sizes_that_would_touch_are_not_all_named():
    points = [Point(1000 + at, 0.1, 0.0, 0.2) for at in range(60)]
    page = drawn(band_chart("Lift", points, "records", NATS))
    texts = page.words[: page.words.index("As a table")]
    assert 3 < len(re.findall(r"\b1,0\d\d\b(?! records)", texts)) < 20


def test_a_bar_begins_where_the_one_before_it_ended():
    page = drawn(waterfall("Steps", STEPS, POINTS))
    bars = [a for t, a in page.elements if t == "rect"]
    assert [a["class"] for a in bars] == ["bar", "added", "added", "bar"]
    left = [float(a["x"]) for a in bars]
    right = [float(a["x"]) + float(a["width"]) for a in bars]
    assert left[0] == left[3] == float(marks(page, "line", "nought")[0]["x1"])
    assert left[1] == pytest.approx(right[0], abs=0.2)
    # It takes away.
    assert right[2] == pytest.approx(right[1], abs=0.2)
    assert right[3] == pytest.approx(left[2], abs=0.2)
    assert "dedup.minhash -3.0 14.0 all 14.0" in page.words


def test_every_picture_says_what_it_shows_and_has_a_table():
    pictures = (
        forest("Lift", [CLEAR], NATS),
        joined("Scores", {"a": [1.0]}, NATS),
        band_chart("Lift", SIZES, "records", NATS),
        waterfall("Steps", STEPS, POINTS),
    )
    for each in pictures:
        page = drawn(each)
        svg = next(a for t, a in page.elements if t == "svg")
        assert svg["role"] == "img" and svg["aria-label"].endswith(
            "the table below has the figures"
        )
        assert any(t == "table" for t, _ in page.elements)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("short", "short"),
        ("a" * 60, "a" * 35 + "\u2026"),
        ("\u6f22" * 30, "\u6f22" * 17 + "\u2026"),
        ("a\nb\u202ec", "a b[U+202E]c"),
    ],
)
def test_names_are_cut_to_the_room_they_have(name, shown):
    assert clipped(name) == shown
