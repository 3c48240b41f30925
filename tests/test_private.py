import itertools
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datakit.errors import MissingExtraError
from datakit.private import keys_in, personal_in
from datakit.record import Record
from datakit.steps.filter.secrets import Secrets
from datakit.steps.revise.redact import Redact

# In two pieces, so that nobody takes them for real ones.
AWS = "AKIA" + "IOSFODNN7ABCDEFG"
GITHUB = "ghp_" + "aB3dE5fG7h" * 3 + "aB3dE5"
PRIVATE = "-----BEGIN RSA " + "PRIVATE KEY-----"


def told(text):
    return [(each.kind, text[each.start : each.end]) for each in personal_in(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Write to ada.l+x@math.ox.ac.uk, please.", [("email", "ada.l+x@math.ox.ac.uk")]),
        ("Write to you@example.com or me@mail.example.org.", []),
        ("Call +49 (30) 901820 or +1-202-555-0143.", [
            ("phone", "+49 (30) 901820"), ("phone", "+1-202-555-0143")
        ]),
        ("Call (202) 555-0143 or 202-555-0143.", [
            ("phone", "(202) 555-0143"), ("phone", "202-555-0143")
        ]),
        ("In 2020-2021 it was 1,234,567 or 123 456 789.", []),
        ("Card 4111 1111 1111 1111, not 4111 1111 1111 1112.", [("card", "4111 1111 1111 1111")]),
        ("0000 0000 0000 0000", []),
        ("Pay to DE89 3704 0044 0532 0130 00.", [("iban", "DE89 3704 0044 0532 0130 00")]),
        ("Not DE88 3704 0044 0532 0130 00.", []),
        ("Ping 8.8.8.8, not 10.0.0.1, 127.0.0.1, 999.1.1.1 nor version 1.2.3.4.5.", [
            ("ip", "8.8.8.8")
        ]),
        ("x = a @ b; @decorator; user@host", []),
    ],
)  # fmt: skip
def test_personal_data(text, found):
    assert told(text) == found


def test_keys_are_told_by_their_form_and_never_shown():
    pytest.importorskip("detect_secrets")
    text = f"first line\nkey = {AWS} # {GITHUB}\n"
    assert [(each.kind, text[each.start : each.end]) for each in keys_in(text)] == [
        ("aws_access_key", AWS),
        ("github_token", GITHUB),
    ]
    drop = Secrets().check(Record("q", output=text))
    assert (drop.reason, drop.detail["kind"], drop.detail["field"]) == (
        "secret",
        "aws_access_key",
        "output",
    )
    assert AWS not in str(drop.detail)
    assert Secrets().check(Record("q", output=f"see {PRIVATE}")).detail["kind"] == "private_key"


@pytest.mark.parametrize("text", ["password = 'hunter2'", "api_key: YOUR_API_KEY", "deadbeef" * 8])
def test_placeholders_are_no_keys(text):
    pytest.importorskip("detect_secrets")
    assert Secrets().check(Record("q", output=text)) is None


def test_redaction_leaves_the_rest_and_names_its_parent():
    pytest.importorskip("detect_secrets")
    record = Record("Ask ada@math.ox.ac.uk.", output=f"It is {AWS}.", id="r")
    made = Redact().revise(record)
    assert (made.instruction, made.output) == ("Ask [EMAIL].", f"It is {AWS}.")
    assert made.parents == ("r",)
    assert Redact(keys=True).revise(record).output == "It is [KEY]."
    assert Redact(kinds=["ip"]).revise(record) is None
    assert Redact().revise(Record("Nothing of it.", id="r")) is None


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("anthropic_key", "sk-" + "ant-api03-" + "aB3dE5fG7h" * 9),
        ("openai_key", "sk-" + "proj-" + "aB3dE5fG7h" * 5),
        ("hugging_face_token", "hf" + "_" + "aB3dE5fG7h" * 3 + "abcd"),
        ("google_api_key", "AI" + "za" + "aB3dE5fG7h" * 3 + "aB3-_"),
    ],
)
def test_keys_of_those_who_serve_models(kind, key):
    text = f"export KEY={key}\nno-key: sk-ant- hf_short AIza sk-learn-is-a-package-for-python"
    ((found),) = keys_in(text)
    assert (found.kind, text[found.start : found.end]) == (kind, key)


def test_it_is_not_installed(monkeypatch):
    from datakit import private

    private._detectors.cache_clear()
    for name in [each for each in sys.modules if each.startswith("detect_secrets")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "detect_secrets", None)
    with pytest.raises(MissingExtraError, match=r"datakit\[secrets\]"):
        keys_in("x\n")


@given(st.text(max_size=200))
def test_places_are_apart_and_in_order(text):
    found = personal_in(text)
    assert all(a.end <= b.start for a, b in itertools.pairwise(found))
