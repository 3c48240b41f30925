import itertools
import xml.etree.ElementTree as ET
from collections import Counter

import pytest

from datakit.report.charts import Bar, Bin, bar_line, bars, bins, histogram, nice, table


def parsed(markup):
    return ET.fromstring(markup.html)


@pytest.mark.parametrize(
    ("value", "least"), [(0, 1), (0.2, 1), (1, 1), (3, 5), (5, 5), (11, 20), (501, 1000)]
)
def test_nice(value, least):
    assert nice(value) == least


def test_bins_hold_every_value():
    counts = Counter({3: 5, 17: 2, 40: 1, 1_000_000: 1})
    made = bins(counts)
    assert sum(each.count for each in made) == counts.total()
    assert all(a.high == b.low for a, b in itertools.pairwise(made))


def test_a_giant_does_not_flatten_the_rest():
    counts = Counter(dict.fromkeys(range(100), 10)) + Counter({10_000_000: 1})
    made = bins(counts)
    assert made[-1].open and made[-1].count == 1
    assert made[-1].label == "100 and more"
    assert len(made) > 10


def test_bins_of_one_value():
    assert [(each.low, each.count) for each in bins(Counter({7: 3}))] == [(7, 3)]
    assert bins(Counter({7: 3}))[0].label == "7"


def test_bins_of_nothing():
    assert bins(Counter()) == []


@pytest.mark.parametrize("counts", [{1: 1}, {0: 10**7}, {n: n for n in range(1, 3_000)}])
def test_histogram_is_well_formed_and_labelled(counts):
    root = parsed(histogram("Length <b>", bins(Counter(counts)), "characters"))
    picture = root.find("svg")
    assert picture.get("role") == "img"
    assert picture.get("aria-label").startswith("Length <b>")
    texts = {each.text for each in picture.iter("text")}
    assert {"characters", "records", "0"} <= texts
    assert root.find("figcaption").text == "Length <b>"
    assert root.find("details") is not None
    width = float(picture.get("viewBox").split()[2])
    for bar in picture.iter("rect"):
        assert float(bar.get("x")) + float(bar.get("width")) <= width
        assert float(bar.get("height")) >= 0


def test_histogram_of_nothing_says_so():
    assert "No record has any." in histogram("x", [], "characters").html


def test_histogram_table_has_every_range():
    root = parsed(histogram("x", [Bin(0, 5, 3), Bin(5, 10, 4)], "words"))
    rows = [[cell.text for cell in row] for row in root.find("details").iter("tr")]
    assert rows == [["words", "records"], ["0-4", "3"], ["5-9", "4"]]


def test_bars_are_labelled():
    root = parsed(bars("Reasons", [Bar("a<b", 3, " step")], 10, "records"))
    assert "a<b" in "".join(root.itertext())
    assert "30.0 %" in "".join(root.itertext())


@pytest.mark.parametrize(("value", "of", "also"), [(0, 0, 0), (1, 10**6, 1), (5, 4, 9), (2, 4, 2)])
def test_bar_line_stays_in_its_frame(value, of, also):
    made = parsed(bar_line(value, of, also)).findall("rect")
    assert made[0].get("class") == "rail"
    assert all(0 < float(each.get("width")) <= 1000 for each in made)
    assert len(made) == 1 + bool(value) + bool(also)


def test_table_heads_are_heads():
    root = parsed(table(("a", "b"), [("x", 1)], "Title"))
    assert [each.get("scope") for each in root.iter("th")] == ["col", "col", "row"]
    assert root.find("table/caption").text == "Title"
