import numpy as np
import pytest

from datakit.embedding import embedder as module
from datakit.embedding.embedder import Embedder


class FakeModel:
    """A vector of letter counts."""

    dimension = 26
    identity = "letters"

    def __init__(self):
        self.read = []

    def encode(self, texts):
        self.read += texts
        rows = [[t.lower().count(c) for c in map(chr, range(97, 123))] for t in texts]
        made = np.array(rows, dtype=np.float32) + 1e-3
        return made / np.linalg.norm(made, axis=1, keepdims=True)


@pytest.fixture
def fake(monkeypatch, tmp_path):
    monkeypatch.setenv("DATAKIT_CACHE", str(tmp_path))
    model = FakeModel()
    monkeypatch.setattr(module, "model_of", lambda name, threads: model)
    return model


def test_embed_gives_one_unit_vector_per_text(fake):
    rows = Embedder().embed(["abc", "cab", "xyz"])
    assert rows.shape == (3, 26)
    assert rows.dtype == np.float32
    assert np.allclose(rows @ rows.T, [[1, 1, 0], [1, 1, 0], [0, 0, 1]], atol=1e-2)


def test_a_text_is_read_once_in_this_run_and_the_next(fake):
    first = Embedder().embed(["abc", "abc", "wxyz"])
    again = Embedder().embed(["wxyz", "abc", "b"])
    assert fake.read == ["abc", "wxyz", "b"]
    assert np.array_equal(again[:2], first[[2, 0]])


def test_no_texts_are_no_rows(fake):
    assert Embedder().embed([]).shape == (0, 26)


def test_a_lone_surrogate_is_no_error(fake):
    Embedder().embed(["a\ud800b"])
    assert fake.read == ["a?b"]


def test_a_killed_run_keeps_what_it_computed(fake, monkeypatch):
    monkeypatch.setattr(module, "_AT_ONCE", 2)
    texts = ["a", "bb", "ccc", "dddd"]
    encode = fake.encode
    monkeypatch.setattr(fake, "encode", lambda t: encode(t) if len(fake.read) < 2 else 1 / 0)
    with pytest.raises(ZeroDivisionError):
        Embedder().embed(texts)
    monkeypatch.setattr(fake, "encode", encode)
    Embedder().embed(texts)
    assert fake.read == texts
