import base64
import hashlib
import itertools
import json
import re
from html.parser import HTMLParser
from importlib.resources import files
from urllib.parse import unquote

import pytest
import yaml

from datakit.report import card, render
from datakit.report.card import hub_license
from tests.report.versions import ATTACKS, TEACHER, drop, grown, hostile, row, seed, write_version

VOID = {"meta", "br", "hr", "input", "col", "wbr"}


class Page(HTMLParser):
    """What a browser would make of it, and whether every element is closed."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.ids, self.links, self.text = [], [], [], []
        self.blocks = {}
        self._open = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.elements.append((tag, attrs))
        if "id" in attrs:
            self.ids.append(attrs["id"])
        if tag == "a":
            self.links.append(attrs["href"])
        if tag not in VOID:
            self._open.append((tag, attrs))

    def handle_endtag(self, tag):
        assert self._open.pop()[0] == tag

    def handle_data(self, data):
        if self._open and self._open[-1][0] in ("script", "style"):
            tag, attrs = self._open[-1]
            key = attrs.get("type", tag)
            self.blocks[key] = self.blocks.get(key, "") + data
        else:
            self.text.append(data)


def test_the_page_has_all_chapters_in_order(tmp_path):
    text = render(grown(tmp_path))
    page = Page(text)
    names = "funnel findings dropped length language near-duplicates contamination"
    order = f"{names} records-chapter provenance"
    assert [id for id in page.ids if id in order.split()] == order.split()
    assert len(page.ids) == len(set(page.ids))
    words = " ".join("".join(page.text).split())
    assert "2 seeds and 2 records grown from them by some-model in 2 rounds." in words
    assert "kept of 5 candidates40 %" in words
    assert "datakit verify sql@v3" in words


def test_the_contamination_chapter_says_what_was_compared(tmp_path):
    funnel = [row("contamination.by_length", 1)]
    inputs = [{"step": "contamination.by_length", "path": "gsm8k.jsonl", "sha256": "ab" * 32}]
    version = write_version(tmp_path / "v3", [seed("s1")], funnel=funnel, inputs=inputs)
    words = " ".join(" ".join(Page(render(version)).text).split())
    assert "contamination.by_length compared 1 record; none held an item." in words
    assert "gsm8k.jsonl abababababababab" in words
    bare = write_version(tmp_path / "v4", [seed("s1")], funnel=[row("filter.length", 1)])
    assert "no step of this pipeline compares records with a benchmark" in render(bare)


def test_headings_never_skip_a_level(tmp_path):
    levels = [int(tag[1]) for tag, _ in Page(render(grown(tmp_path))).elements if tag[1:].isdigit()]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels))


def test_links_lead_somewhere(tmp_path):
    page = Page(render(grown(tmp_path)))
    rows = {each["id"] for each in json.loads(page.blocks["application/json"])}
    for link in page.links:
        if link.startswith("#record-"):
            assert unquote(link.removeprefix("#record-")) in rows
        elif link.startswith("#"):
            assert link[1:] in page.ids


def test_evidence_is_marked(tmp_path):
    text = render(grown(tmp_path))
    assert "<mark>Natalia sold clips</mark>" in text
    assert "<mark>List all the boats that are</mark> green." in text
    assert "Similarity 0.86" in text


def test_the_same_version_gives_the_same_page(tmp_path):
    assert render(grown(tmp_path / "a")) == render(grown(tmp_path / "a"))


def test_the_policy_allows_its_own_blocks_only(tmp_path):
    page = Page(render(grown(tmp_path)))
    policy = next(attrs["content"] for _, attrs in page.elements if "http-equiv" in attrs)
    sources = {}
    for name, tag in (("style-src", "style"), ("script-src", "script")):
        digest = hashlib.sha256(page.blocks[tag].encode()).digest()
        sources[name] = f"'sha256-{base64.b64encode(digest).decode()}'"
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules == {
        "default-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
        **sources,
    }


def test_nothing_comes_from_elsewhere(tmp_path):
    for tag, attrs in Page(render(grown(tmp_path))).elements:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base", "form")
        assert not {"src", "srcset", "style", "action"} & set(attrs)
        assert not any(name.startswith("on") for name in attrs)


@pytest.mark.parametrize("copies", [1, 60])
def test_hostile_data_stays_text(tmp_path, copies):
    text = render(hostile(tmp_path, copies))
    data = text.encode()
    assert len(data) < 2_000_000
    page = Page(text)
    known = {tag for tag, _ in Page(render(grown(tmp_path / "grown"))).elements}
    assert {tag for tag, _ in page.elements} <= known
    assert sum(tag == "script" for tag, _ in page.elements) == 2
    outside = text.replace(files("datakit.report").joinpath("page.js").read_text(), "")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", outside)
    for _, attrs in page.elements:
        assert not any(name.startswith("on") or name in ("style", "src") for name in attrs)
    assert all(link.startswith(("#", "https://")) for link in page.links)
    rows = json.loads(page.blocks["application/json"])
    assert any(ATTACKS[0] in each["texts"][0] for each in rows)


def test_a_clean_up_without_teachers(tmp_path):
    kept = [seed(f"s{n}", f"Instruction {n}") for n in range(30)]
    lost = [(seed("d"), drop("filter.length", "too_long", chars=200, max_chars=100))]
    funnel = [row("filter.length", 31, too_long=1)]
    sources = [{"path": "old.jsonl", "sha256": "2" * 64, "records": 31}]
    version = write_version(
        tmp_path, kept, lost, funnel=funnel, seeds=None, sources=sources, ended=None
    )
    words = " ".join("".join(Page(render(version)).text).split())
    assert "30 records, kept of 31 by 1 step. No model made any of them." in words
    assert "No model was asked." in words and "old.jsonl" in words
    assert "Not measured: contamination (no such step ran), near-duplicates" in words


def test_an_empty_version_renders(tmp_path):
    version = write_version(tmp_path, funnel=[], seeds=None, packages={})
    assert "Nothing was." in render(version)
    assert card(version).startswith("---\n")


def test_a_recipe_that_is_no_yaml_renders(tmp_path):
    for recipe in ("{", "- 1", "steps: 3", "steps: [filter.length: 7]", "a: &a [*a]", ""):
        Page(render(write_version(tmp_path / str(len(recipe)), [seed("s")], recipe=recipe)))


def colours(text, scheme):
    start = text.index("@media (prefers-color-scheme: dark)") if scheme == "dark" else 0
    block = text[start : text.index("}", start)]
    return dict(re.findall(r"--(\w+): (#\w{6});", block))


def contrast(one, other):
    def light(colour):
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(scheme):
    """WCAG 2.2: 4.5 for text, 3 for the shapes that carry meaning."""
    names = colours(files("datakit.report").joinpath("style.css").read_text(), scheme)
    for text in ("ink", "soft", "accent"):
        for ground in ("paper", "rail"):
            assert contrast(names[text], names[ground]) >= 4.5, (text, ground)
    assert contrast(names["ink"], names["mark"]) >= 4.5
    assert contrast(names["accent"], names["rail"]) >= 3
    assert contrast(names["accent"], names["lost"]) >= 3
    assert contrast(names["field"], names["paper"]) >= 3


def front(version):
    text = card(version)
    return yaml.safe_load(text.split("---\n")[1]), text


def test_card(tmp_path):
    meta, text = front(grown(tmp_path))
    assert meta["license"] == "cc0-1.0"
    assert meta["size_categories"] == ["n<1K"]
    assert meta["annotations_creators"] == ["machine-generated"]
    assert meta["tags"] == ["synthetic", "datakit"]
    assert meta["configs"] == [{"config_name": "default", "data_files": "data.jsonl"}]
    assert "| dedup.minhash | 6 | 0 | 5 | 1 |" in text
    assert "https://example.org/terms" in text


@pytest.mark.parametrize(
    ("licenses", "told"),
    [
        ({}, {"license": "unknown"}),
        ({"MIT": 3, "CC-BY-4.0": 2}, {"license": ["mit", "cc-by-4.0"]}),
        ({"GPL-3.0-only": 1, "GPL-3.0-or-later": 1}, {"license": "gpl-3.0"}),
        ({"NOASSERTION": 1}, {"license": "unknown"}),
        ({"LicenseRef-Own terms": 1}, {"license": "other", "license_name": "licenseref-own-terms"}),
        ({"MIT": 1, "My": 1}, {"license": "other", "license_name": "several-licenses"}),
    ],
)
def test_card_licences(tmp_path, licenses, told):
    meta, _ = front(write_version(tmp_path, [seed("s")], licenses=licenses))
    assert told.items() <= meta.items()


def test_card_of_a_clean_up_does_not_call_it_synthetic(tmp_path):
    meta, _ = front(write_version(tmp_path, [seed("s")]))
    assert meta["tags"] == ["datakit"] and "annotations_creators" not in meta


def test_card_languages_are_those_that_were_found(tmp_path):
    kept = [seed(f"s{n}", lang="de" if n < 3 else "en") for n in range(5)]
    assert front(write_version(tmp_path, kept))[0]["language"] == ["de", "en"]


def test_hostile_card(tmp_path):
    meta, text = front(hostile(tmp_path))
    text.encode()
    known = set(front(grown(tmp_path / "grown"))[0])
    assert set(meta) <= known | {"license_name", "license_link", "language"}
    body = text.split("---\n", 2)[2]
    assert not re.search(r"(?<!\\)<", body)


def test_card_terms_are_one_row_for_one_teacher(tmp_path):
    teachers = [TEACHER, {**TEACHER, "step": "score.judge"}]
    assert front(grown(tmp_path, teachers=teachers))[1].count("some-model |") == 2  # two tables


def test_hub_licences():
    assert hub_license("Apache-2.0") == "apache-2.0"
    assert hub_license("ODC-By-1.0") == "odc-by"
    assert hub_license("Something") is None
