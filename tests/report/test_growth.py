import xml.etree.ElementTree as ET

from datakit.report import render
from datakit.report.about import About
from datakit.report.growth import chapter
from tests.report.versions import grown


def curve(*rows):
    names = ("requests", "made", "kept", "pool", "unlike", "distinct", "seeds")
    return [dict(zip(names, row, strict=True)) for row in rows]


FIVE = curve(
    (0, 0, 0, 2, 2.0, 1.0, 0),
    (4, 10, 8, 10, 8.1, 0.9, 1),
    (8, 20, 12, 14, 9.0, 0.85, 2),
    (12, 30, 13, 15, 9.1, 0.8, 2),
    (16, 40, 14, 16, 9.2, 0.75, 2),
)


def texts(version):
    return "".join(ET.fromstring(chapter(About(version)).html).itertext())


def test_the_curve_is_told_and_shown(tmp_path):
    version = grown(tmp_path, curve=FIVE)
    assert (
        "Of the candidates of the first half of the rounds 60 % were kept, of the second half "
        "10 %. Something came of 2 of 2 seeds." in texts(version)
    )
    root = ET.fromstring(chapter(About(version)).html)
    lines = [each.get("points").split() for each in root.iter("polyline")]
    assert [len(each) for each in lines] == [5, 5]
    # Both begin at the same place, and the dashed one stays below.
    assert lines[0][0] == lines[1][0]
    heights = [[float(spot.split(",")[1]) for spot in line] for line in lines]
    assert all(below > above for above, below in zip(*heights, strict=True) if below != above)
    assert heights[0][-1] < heights[1][-1]
    rows = [["".join(cell.itertext()) for cell in row] for row in root.iter("tr")]
    assert rows[-1] == ["16", "40", "14", "16", "9.2", "0.750", "2"]
    page = render(version)
    assert 'href="#growth"' in page and 'id="growth"' in page


def test_one_round_has_no_halves(tmp_path):
    assert "Of 10 candidates 80 % were kept. Something came of 1 of 2" in texts(
        grown(tmp_path, curve=FIVE[:2])
    )


def test_a_long_curve_has_a_short_table_with_its_end(tmp_path):
    rows = curve(*((n, 4 * n, n, n + 2, n / 2 + 2, 0.5, 2) for n in range(500)))
    root = ET.fromstring(chapter(About(grown(tmp_path, curve=rows))).html)
    listed = list(root.iter("tr"))
    assert len(listed) < 30
    assert "1,996" in "".join(listed[-1].itertext())


def test_a_version_without_rounds_has_no_chapter(tmp_path):
    for number, found in enumerate(([], FIVE[:1], None)):
        version = grown(tmp_path / str(number), curve=found)
        assert chapter(About(version)) is None
        assert "growth" not in render(version)
