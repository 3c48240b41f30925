import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datakit.embedding import near
from datakit.embedding.near import near_pairs
from datakit.errors import MissingExtraError
from datakit.pairs import walk


def unit(rng, *shape):
    vectors = rng.normal(size=shape).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def found(blocks):
    return {(int(a), int(b)): s for blk in blocks for a, b, s in zip(*blk, strict=True)}


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 5), st.integers(1, 2))
def test_the_exact_search_finds_all_pairs(n, block, seed, fields):
    rng = np.random.default_rng(seed)
    made = [unit(rng, n, 3) for _ in range(fields)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(near, "_BLOCK", block)
        blocks = list(near_pairs(made, 0.7))
    assert all(a[0].max() < b[0].min() for a, b in pairwise(b for b in blocks if len(b[0])))
    lowest = np.minimum.reduce([vectors @ vectors.T for vectors in made])
    pairs = found(blocks)
    assert set(pairs) == {(a, b) for a in range(n) for b in range(a) if lowest[a, b] >= 0.7}
    assert all(abs(s - lowest[a, b]) < 1e-5 for (a, b), s in pairs.items())


@pytest.mark.parametrize("search", ["exact", "ivf", "clusters"])
@pytest.mark.parametrize("block", [3, 1024])
def test_a_mask_drops_the_same(search, block, monkeypatch):
    if search != "exact":
        pytest.importorskip("faiss")
    vectors = unit(np.random.default_rng(3), 60, 2)
    mask = np.ones(60, bool)
    every = walk(near_pairs([vectors], 0.95, search=search), np.ones(60, bool))
    monkeypatch.setattr(near, "_BLOCK", block)
    assert walk(near_pairs([vectors], 0.95, mask, search=search), mask).keys() == every.keys()


def families(rng, count, size, dimension=32):
    """Vectors in families around a centre each."""
    centres = unit(rng, count // size, dimension)
    made = np.repeat(centres, size, axis=0) + 0.05 * rng.normal(size=(count, dimension))
    made = made.astype(np.float32)[rng.permutation(count)]
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def test_the_index_finds_what_the_exact_search_finds(monkeypatch):
    pytest.importorskip("faiss")
    rng = np.random.default_rng(5)
    fields = [families(rng, 6000, 4), families(rng, 6000, 1500)]
    seen = {}
    exact = found(near_pairs(fields, 0.9, search="exact"))
    assert len(exact) > 1000
    monkeypatch.setattr(near, "EXACT_BELOW", 100)
    by_cells = found(near_pairs(fields, 0.9, found=seen))
    assert set(by_cells) <= set(exact)
    assert len(by_cells) >= 0.995 * len(exact)
    assert seen["recall"] >= 0.999
    assert all(abs(exact[pair] - score) < 1e-5 for pair, score in by_cells.items())
    assert found(near_pairs(fields, 0.9)) == by_cells


def test_clusters_find_pairs_of_one_cluster_alone_and_say_how_many():
    pytest.importorskip("faiss")
    vectors = families(np.random.default_rng(5), 4000, 8, dimension=4)
    seen = {}
    exact = set(found(near_pairs([vectors], 0.97, search="exact")))
    some = set(found(near_pairs([vectors], 0.97, search="clusters", found=seen)))
    assert some < exact
    assert abs(seen["recall"] - len(some) / len(exact)) < 0.05
    assert seen["cells"] == "1 of 102"


def test_a_field_that_is_the_same_everywhere_costs_nothing():
    rng = np.random.default_rng(1)
    one, same = unit(rng, 30, 3), np.repeat(unit(rng, 1, 3), 30, axis=0)
    assert near._telling([one, same])[0] is one
    assert len(near._telling([one, same])) == 1
    assert found(near_pairs([one, same], 0.7)) == found(near_pairs([one], 0.7))
    assert found(near_pairs([same, same], 0.7)).keys() == {
        (a, b) for a in range(30) for b in range(a)
    }


@pytest.mark.parametrize("count", [0, 1, 2, 50])
@pytest.mark.parametrize("search", ["exact", "ivf", "clusters"])
def test_few_vectors(search, count):
    if search != "exact":
        pytest.importorskip("faiss")
    vectors = np.repeat(unit(np.random.default_rng(1), 1, 8), count, axis=0)
    assert len(found(near_pairs([vectors], 0.9, search=search))) == count * (count - 1) // 2


def test_a_missing_faiss_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtraError, match=r"datakit\[embedding\]"):
        list(near_pairs([np.eye(4, dtype=np.float32)], 0.9, search="ivf"))
