import itertools
import random
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datakit.errors import MissingExtraError
from datakit.minhash import bands_for, minhash_pairs
from datakit.pairs import walk
from datakit.shingling import shingled
from datakit.sketching import Datasketch
from datakit.text import shingles

pytest.importorskip("rensa")
datasketch = pytest.importorskip("datasketch")


def corpus(seed, families=60, size=5):
    """Families of texts, from near copies to loose relatives."""
    rng = random.Random(seed)
    words = [f"w{i}" for i in range(2000)]
    texts = []
    for _ in range(families):
        first = rng.choices(words, k=rng.randint(10, 80))
        for _ in range(size):
            edits = rng.random() * 0.1
            texts.append(" ".join(rng.choice(words) if rng.random() < edits else w for w in first))
    return texts


def jaccard(a, b, size=3):
    one, two = set(shingles(a, size).tolist()), set(shingles(b, size).tolist())
    return len(one & two) / len(one | two)


def found(blocks):
    return {(int(a), int(b)): float(s) for block in blocks for a, b, s in zip(*block, strict=True)}


def true_pairs(texts, threshold):
    rows = [(a, b, jaccard(texts[a], texts[b])) for a in range(len(texts)) for b in range(a)]
    return {(a, b): s for a, b, s in rows if s >= threshold}


def test_every_pair_is_true_and_few_are_missed():
    texts = corpus(0)
    expected = true_pairs(texts, 0.7)
    pairs = found(minhash_pairs([texts], 0.7, size=3))
    assert all(abs(expected[pair] - score) < 1e-12 for pair, score in pairs.items())
    bands, rows = bands_for(0.7, 128)
    miss = np.array([(1 - s**rows) ** bands for s in expected.values()])
    # Three standard deviations of the sum of independent misses.
    allowed = miss.sum() + 3 * np.sqrt((miss * (1 - miss)).sum()) + 1
    assert len(expected) > 100
    assert len(expected) - len(pairs) <= allowed


@pytest.mark.parametrize("backend", ["rensa", "datasketch"])
def test_recall_is_that_of_datasketch_itself(backend):
    texts = corpus(1)
    shape = bands_for(0.7, 128)
    index = datasketch.MinHashLSH(num_perm=128, params=shape)
    candidates = set()
    for at, text in enumerate(texts):
        sketch = datasketch.MinHash(num_perm=128)
        sketch.update_batch(h.to_bytes(8, "little") for h in shingles(text, 3).tolist())
        candidates |= {(at, other) for other in index.query(sketch)}
        index.insert(at, sketch)
    expected = true_pairs(texts, 0.7)
    theirs = len(candidates & expected.keys())
    ours = len(found(minhash_pairs([texts], 0.7, size=3, backend=backend)))
    miss = np.array([(1 - s ** shape[1]) ** shape[0] for s in expected.values()])
    assert abs(ours - theirs) <= 3 * np.sqrt(2 * (miss * (1 - miss)).sum()) + 1


def test_a_signature_is_that_of_its_hashes_one_by_one():
    sets = shingled(corpus(2, families=3), 3)
    rows = Datasketch(16, 4).signatures(sets)
    ends = itertools.pairwise(sets.offsets)
    for (start, end), row in zip(ends, rows, strict=True):
        hashes = sets.hashes[start:end]
        sketch = datasketch.MinHash(num_perm=64, hashfunc=lambda value: value)
        sketch.update_batch([h & 0xFFFFFFFF for h in hashes.tolist()])
        assert np.array_equal(sketch.hashvalues, row)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 0.9, 1.0])
def test_bands_find_a_pair_at_the_threshold(threshold):
    bands, rows = bands_for(threshold, 128)
    assert bands * rows <= 128
    assert 1 - (1 - threshold**rows) ** bands >= 0.95


def test_bands_of_a_threshold_out_of_reach_are_the_shortest():
    assert bands_for(0.01, 16) == (16, 1)


def test_a_shared_field_makes_no_duplicates():
    schema = " ".join(f"column{i}" for i in range(200))
    questions = ["how many rows are there in it", "which row is the oldest one of all"]
    assert found(minhash_pairs([questions, [schema] * 2], 0.7)) == {}
    assert len(found(minhash_pairs([[f"{q} {schema}" for q in questions]], 0.7))) == 1


@pytest.mark.parametrize("seed", [0, 1])
def test_two_fields_must_both_be_similar(seed):
    rng = random.Random(seed)
    one, two = corpus(seed, 60), corpus(seed + 10, 60)
    # Some families share a first text, many records share a second one, letter by letter.
    one = [one[at % 150] if rng.random() < 0.3 else text for at, text in enumerate(one)]
    two = [two[at % 2] if rng.random() < 0.3 else text for at, text in enumerate(two)]
    first, second = true_pairs(one, 0.6), true_pairs(two, 0.6)
    expected = {pair: min(s, second[pair]) for pair, s in first.items() if pair in second}
    pairs = found(minhash_pairs([one, two], 0.6, size=3))
    assert pairs.keys() <= expected.keys()
    assert all(abs(expected[pair] - score) < 1e-12 for pair, score in pairs.items())
    assert len(pairs) >= 0.95 * len(expected) > 20


def test_equal_short_texts_are_pairs_and_others_are_not():
    assert found(minhash_pairs([["yes", "no", "Yes.", "", "maybe", "no"]], 0.7)) == {
        (2, 0): 1.0,
        (5, 1): 1.0,
    }


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_the_mask_changes_no_result(seed):
    texts = corpus(seed, families=6, size=6)
    mask = np.ones(len(texts), bool)
    masked = walk(minhash_pairs([texts], 0.5, mask, size=2), mask)
    whole = walk(minhash_pairs([texts], 0.5, size=2), np.ones(len(texts), bool))
    assert masked == whole


def test_small_blocks_change_no_result(monkeypatch):
    texts = corpus(4)
    whole = found(minhash_pairs([texts], 0.6, size=3))
    monkeypatch.setattr("datakit.minhash._CANDIDATES", 10)
    monkeypatch.setattr("datakit.minhash._VERIFIED", 3)
    blocks = list(minhash_pairs([texts], 0.6, size=3))
    assert len(blocks) > 10
    assert found(blocks) == whole


@pytest.mark.parametrize("backend", ["rensa", "datasketch"])
def test_a_missing_package_names_its_extra(monkeypatch, backend):
    monkeypatch.setitem(sys.modules, backend, None)
    with pytest.raises(MissingExtraError, match=r"datakit\[minhash\]"):
        list(minhash_pairs([["a", "b"]], 0.7, backend=backend))
