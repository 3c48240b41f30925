"""Prompts: filled in once, and the user's own with their places checked."""

import pytest

from datakit.fields import FilePath
from datakit.prompts import Prompts, fill, places
from datakit.registry import find, names

TEXTS = Prompts("self_instruct", input_first={"instruction"}, classification={"instruction"})


def own(tmp_path, text):
    path = tmp_path / "my.txt"
    path.write_text(text, "utf-8")
    return {"input_first": FilePath(path)}


def test_places_are_filled_in_once():
    text = 'Say {a} as {"b": {b}} {A} {}'
    assert places(text) == {"a", "b"}
    assert fill(text, {"a": "{b} <i>", "b": "\\1"}) == 'Say {b} <i> as {"b": \\1} {A} {}'
    with pytest.raises(KeyError):
        fill(text, {"a": ""})


def test_ours_and_the_users(tmp_path):
    assert "{instruction}" in TEXTS.text("input_first")
    mine = own(tmp_path, "\ufeffDo {instruction}, {count} times.")
    TEXTS.check(mine)
    assert TEXTS.text("input_first", mine) == "Do {instruction}, {count} times."
    assert TEXTS.text("classification", mine) == TEXTS.ours("classification")
    TEXTS.check(None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Do {instruction}\nand {cuont}.", r"my.txt:2: there is no place \{cuont\}.*count"),
        ("Do it.", r"my.txt: has no place \{instruction\}"),
        (" \n", "my.txt: is empty"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, says):
    with pytest.raises(ValueError, match=says):
        TEXTS.check(own(tmp_path, text))


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(ValueError, match="cannot be read"):
        TEXTS.check({"input_first": FilePath(tmp_path / "none.txt")})
    (tmp_path / "my.txt").write_bytes(b"\xff")
    with pytest.raises(ValueError, match="not UTF-8"):
        TEXTS.check({"input_first": FilePath(tmp_path / "my.txt")})
    with pytest.raises(ValueError, match='no prompt "input"'):
        TEXTS.check({"input": FilePath("x")})


def test_every_prompt_of_every_step_is_there_and_has_its_places():
    for name in names():
        texts = getattr(find(name), "TEXTS", None)
        for each in texts or ():
            assert texts.needed[each] <= places(texts.ours(each)), (name, each)
