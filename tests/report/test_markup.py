import html
import json
import re
import xml.etree.ElementTree as ET
from importlib import import_module
from importlib.resources import files

import pytest

from datakit.errors import HIDDEN
from datakit.report.markup import Markup, el, join, plain, quote, script_json


def parsed(markup):
    return ET.fromstring(f"<x>{markup.html}</x>")


def test_text_is_escaped_by_default():
    assert el("p", "<b>&\"'").html == "<p>&lt;b&gt;&amp;&quot;&#39;</p>"


def test_only_markup_is_raw():
    assert el("p", Markup("<hr>"), el("b", 1), [None, ["x"]]).html == "<p><hr><b>1</b>x</p>"


def test_attributes_are_escaped_and_named():
    made = el("a", "x", class_="c", data_step='"><script>', hidden=True, id=None, open=False)
    assert made.html == '<a class="c" data-step="&quot;&gt;&lt;script&gt;" hidden>x</a>'


@pytest.mark.parametrize("name", ["onclick", "style", "src", "srcdoc", 'a"b', "on_x"])
def test_attributes_that_could_run_code_are_refused(name):
    with pytest.raises(ValueError):
        el("p", **{name: "x"})


@pytest.mark.parametrize("href", ["javascript:alert(1)", "data:text/html,x", "//x", "http://x"])
def test_links_lead_into_the_page_or_to_https(href):
    with pytest.raises(ValueError):
        el("a", href=href)


@pytest.mark.parametrize("tag", ["p onclick=x", "", "<"])
def test_elements_have_names(tag):
    with pytest.raises(ValueError):
        el(tag)


@pytest.mark.parametrize("char", ["\x00", "\x1b", "\u202e", "\u2066", "\ufeff", "\ud800", "\x85"])
def test_hidden_characters_are_shown(char):
    name = f"U+{ord(char):04X}"
    assert plain(f"a{char}b") == f"a[{name}]b"
    assert name in quote(f"a{char}b").html
    assert char not in quote(f"a{char}b").html
    assert char not in el("p", char, title=char).html


def test_the_page_hides_the_same_characters():
    script = files("datakit.report").joinpath("page.js").read_text("utf-8")
    pieces = re.search(r"hidden = new RegExp\((.*?), \"gu\"\)", script, re.DOTALL)[1]
    shown = json.loads('"' + "".join(re.findall(r'"(.*?)"', pieces, re.DOTALL)) + '"')
    ranges = re.sub(r"\\u\{(\w+)\}", lambda found: f"\\U{int(found[1], 16):08x}", shown)
    page = re.compile(ranges.removesuffix("\\1*"))
    every = map(chr, range(0x110000))
    assert [char for char in every if bool(page.match(char)) is not bool(HIDDEN.match(char))] == []


def test_python_has_one_table_of_hidden_characters():
    for name in ("cli.console", "report.markup"):
        assert import_module(f"datakit.{name}").HIDDEN is HIDDEN


def test_spelling_is_left_alone():
    text = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \u4f60\u597d caf\u00e9\tx\ny"
    assert plain(text) == text
    assert not HIDDEN.search(text)


def test_runs_of_one_hidden_character_are_one_box():
    assert quote("\x00" * 500).html.count("hidden-char") == 1
    assert "500" in quote("\x00" * 500).html


def test_boxes_cannot_blow_up_a_page():
    assert len(quote("\x00\x01" * 5_000, 10_000).html) < 40_000


def test_quote_clips_and_says_so():
    text = "".join(parsed(quote("x" * 1_000, 10)).itertext())
    assert text == "x" * 10 + "… 990 more characters"


def test_quote_marks_ranges():
    assert "a<mark>b&lt;</mark>c" in quote("ab<c", marks=[(1, 3)]).html
    assert "<mark>" not in quote("abc", marks=[(5, 9), (2, 2)]).html


def test_quote_isolates_direction():
    assert quote("x").html == '<bdi dir="auto">x</bdi>'


def test_script_json_cannot_end_its_script():
    value = {"x": "</script><!--\u2028\u2029&\ud800\ufffe\x7f"}
    text = script_json(json.dumps(value, ensure_ascii=False)).html
    assert not set(text) & set("<>&\u2028\u2029\ud800\ufffe\x7f")
    assert json.loads(text) == value
    assert html.unescape(text) == text
    text.encode()


def test_join_of_nothing_is_nothing():
    assert join([None, [], ""]).html == ""
