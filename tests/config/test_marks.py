"""Places in YAML: line, column, the line itself and a caret under what is wrong."""

import pytest

from datakit.config.marks import Document
from datakit.errors import PipelineError


def shown(text, path=("a",), *, key=False):
    document = Document.parse("f.yaml", text)
    document.wrong(path, "wrong", key=key)
    with pytest.raises(PipelineError) as caught:
        document.raise_if_wrong()
    return str(caught.value).splitlines()


def refused(text):
    with pytest.raises(PipelineError) as caught:
        Document.parse("f.yaml", text)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("text", "path", "key", "head", "line", "carets"),
    [
        ("a: 1", ("a",), False, "f.yaml:1:4: a: wrong", "a: 1", "   ^"),
        ("a: 1", ("a",), True, "f.yaml:1:1: a: wrong", "a: 1", "^"),
        ("x: 1\na: word # c", ("a",), False, "f.yaml:2:4: a: wrong", "a: word # c", "   ^^^^"),
        (
            "a:\n- b: {c: xyz}",
            ("a", 0, "b", "c"),
            False,
            "f.yaml:2:10: a.0.b.c: wrong",
            "- b: {c: xyz}",
            " " * 9 + "^^^",
        ),
        ("a: 'q u'\r\nb: 2\r\n", ("a",), False, "f.yaml:1:4: a: wrong", "a: 'q u'", "   ^^^^^"),
        ("a: |\n  b\n  c\n", ("a",), False, "f.yaml:1:4: a: wrong", "a: |", "   ^"),
        # A tab is shown as one space, so that the caret stands under the value.
        (
            'x: "p\tq"\n"k\tl": "\t"',
            ("k\tl",),
            False,
            "f.yaml:2:8: k\tl: wrong",
            '"k l": " "',
            " " * 7 + "^^^",
        ),
        # The column counts characters, the caret counts what a terminal shows.
        (
            "日本: 1\na: {語: 漢字}",
            ("a", "語"),
            False,
            "f.yaml:2:8: a.語: wrong",
            "a: {語: 漢字}",
            " " * 8 + "^^^^",
        ),
        (
            "a: {e\u0301: x}",
            ("a", "e\u0301"),
            False,
            "f.yaml:1:9: a.e\u0301: wrong",
            "a: {e\u0301: x}",
            " " * 7 + "^",
        ),
        ("a: {😀: x}", ("a", "😀"), False, "f.yaml:1:8: a.😀: wrong", "a: {😀: x}", " " * 8 + "^"),
        # A path that is not there is shown at what is around it.
        ("a: {b: 1}", ("a", "c"), True, "f.yaml:1:4: a.c: wrong", "a: {b: 1}", "   ^^^^^^"),
        ("a: 1", ("c",), True, "f.yaml:1:1: c: wrong", "a: 1", "^^^^"),
    ],
)
def test_place(text, path, key, head, line, carets):
    gutter = head.split(":")[1]
    assert shown(text, path, key=key) == [head, f"  {gutter} | {line}", f"    | {carets}"]


@pytest.mark.parametrize("before", [0, 10, 59, 60, 61, 110, 111, 5_000])
@pytest.mark.parametrize("after", [0, 200])
def test_long_lines_are_cut_around_the_caret(before, after):
    text = "a: [" + "x" * before + "x, NEEDLE" + " " * after + "]"
    _, line, carets = shown(text, ("a", 1))
    assert len(line) <= 6 + 110
    assert [line[at] for at, sign in enumerate(carets) if sign == "^"] == list("NEEDLE")


@pytest.mark.parametrize(
    "hidden",
    ["\u202e", "\u2066", "\u200f", "\u061c", "\u2028", "\u200b", "\ufeff", "\x85", "\U000e0041"],
    ids=lambda each: f"U+{ord(each):04X}",
)
def test_nothing_acts_on_the_terminal(hidden):
    told = "\n".join(shown(f'a: "x{hidden}y"'))
    assert hidden not in told
    # YAML folds line separators; as an escape any character can be in a key.
    told = "\n".join(shown(f'"k\\U{ord(hidden):08X}": 1', (f"k{hidden}",), key=True))
    assert hidden not in told
    assert f"k<U+{ord(hidden):04X}>: wrong" in told


def test_escape_sequences_are_shown():
    told = "\n".join(shown('"\\e[31mred\\r": 1', ("\x1b[31mred\r",), key=True))
    assert "\x1b" not in told
    assert "<U+001B>[31mred<U+000D>: wrong" in told


@pytest.mark.parametrize(
    ("text", "head"),
    [
        ("a: [1", "f.yaml:1:4: not YAML: what begins here is never closed."),
        ("a: {b: 1", "f.yaml:1:4: not YAML: what begins here is never closed."),
        ('a: 1\nb: "c', "f.yaml:2:4: not YAML: what begins here is never closed."),
        ("a: 1\nb\nc: 1", "f.yaml:2:1: not YAML: a colon is missing after this key."),
        ("a:\n\tb: 1", "f.yaml:2:1: not YAML: a tab cannot stand here. Use spaces."),
        (
            "a: 1\n---\nb: 1",
            "f.yaml:2:1: a second document begins here (---); a pipeline is one document.",
        ),
        ("a: 1\n b: 2", "f.yaml:2:3: not YAML: mapping values are not allowed here."),
        ("a: *x", "f.yaml:1:4: not YAML: found undefined alias 'x'."),
        ("a: 1\nb: \x07", "f.yaml:2:4: not YAML: the character U+0007 is not allowed."),
        ("? [a]\n: 1", "f.yaml:1:3: a key must be a plain word."),
        ("a: 1\na: 2", 'f.yaml:2:1: the key "a" is there twice (first in line 1).'),
        ("a: !!python/object:os.system x", "f.yaml:1:4: a: the tag "),
        ("a: !x y", "f.yaml:1:4: a: the tag !x is not read; write a plain value."),
        ("a: 2020-13-41", "f.yaml:1:4: a: 2020-13-41 cannot be read as timestamp."),
        ("a: &a [*a]", "f.yaml:1:1: not YAML: nested too deeply."),
        ("a: " + "[" * 9_999, "f.yaml:1:1: not YAML: nested too deeply."),
    ],
)
def test_not_yaml(text, head):
    assert refused(text)[0].startswith(head)


def test_alias_bomb():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    assert "the file has too many values." in refused("\n".join(lines))[0]


def test_aliases_and_anchors_are_values():
    document = Document.parse("f.yaml", "a: &x {b: 1}\nc: *x\n")
    assert document.value == {"a": {"b": 1}, "c": {"b": 1}}


def test_all_mistakes_at_once_in_the_order_of_the_file():
    document = Document.parse("f.yaml", "a: 1\nb: 2\n")
    document.wrong(("b",), "second")
    document.wrong(("a",), "first")
    with pytest.raises(PipelineError) as caught:
        document.raise_if_wrong(["third"])
    assert [each.partition("\n")[0] for each in caught.value.problems] == [
        "f.yaml:1:4: a: first",
        "f.yaml:2:4: b: second",
        "third",
    ]


def test_not_hundreds_of_mistakes():
    told = refused("a: {" + "b: 1, " * 99 + "}")
    assert told[-1] == "f.yaml: and 78 more mistakes."
    assert len(told) == 20 * 3 + 1
