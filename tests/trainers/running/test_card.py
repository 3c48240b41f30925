"""The README of a trained folder holds no markup but its own."""

import pytest

from trainers.running.card import card


def facts(**model):
    return {
        "method": "sft",
        "model": {"given": "m", "kind": "folder", "base": "m", "sha256": "0" * 64, **model},
        "data": {"train": {"ref": "data.jsonl", "content": "1" * 64}},
        "gate": {"used": 3},
        "settings": {"lora": "all"},
        "packages": {"datakit": "1"},
    }


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (r"\<img src=x onerror=alert(1)>", r"\\&lt;img src=x onerror=alert(1)&gt;"),
        ("<b>", "&lt;b&gt;"),
        ("a&lt;b", "a&amp;lt;b"),
        (r"a\|b", r"a\\\|b"),
        ("[a](b) `c` *d* _e_", r"\[a\](b) \`c\` \*d\* \_e\_"),
        ("a\n---\nb", "a --- b"),
    ],
)
def test_what_a_name_holds_is_text(given, shown):
    lines = card(facts(given=given, base=given)).splitlines()
    assert f"# SFT of {shown}" in lines
    assert f"| base | {shown} |" in lines
    assert "<" not in "".join(lines)


@pytest.mark.parametrize("base", ["owner/name", "owner/name@refs/pr/1"])
def test_the_base_is_named_as_hubs_know_it(base):
    text = card(facts(given=base, base=base, kind="hub"))
    assert 'base_model: "owner/name"\n' in text
    assert f"| base | {base} |" in text
    assert "base_model" not in card(facts())
