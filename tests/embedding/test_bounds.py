"""Bounds are never below a cosine, and are shorter than the vectors where that is enough."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datakit.embedding.bounds import Bounds, side_by_side
from datakit.embedding.near import near_pairs


def unit(rng, count, size, *, spread=1.0, family=1):
    """Rows of length 1 along falling axes, each `family` of them alike."""
    scale = np.arange(1, size + 1) ** -spread
    made = rng.normal(size=(-(-count // family), size)) * scale
    made = np.repeat(made, family, axis=0)[:count] + 0.05 * scale * rng.normal(size=(count, size))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def brute(fields, threshold):
    least = np.minimum.reduce([each.astype(np.float64) @ each.T for each in fields])
    later, earlier = np.nonzero(np.tril(least >= threshold, -1))
    return set(zip(later.tolist(), earlier.tolist(), strict=True))


def pairs(fields, threshold):
    return {
        (int(a), int(b))
        for later, earlier, _ in near_pairs(fields, threshold, search="exact")
        for a, b in zip(later, earlier, strict=True)
    }


@given(st.integers(0, 10_000), st.sampled_from([0.3, 0.7, 0.9, 0.99]), st.integers(1, 2))
@settings(max_examples=5)
def test_exact_finds_all_pairs_also_with_short_heads(seed, threshold, count):
    rng = np.random.default_rng(seed)
    fields = [unit(rng, 4_200, 96, family=3) for _ in range(count)]
    found, wanted = pairs(fields, threshold), brute(fields, threshold)
    # Single precision may fall to either side of the threshold itself.
    edge = found ^ wanted
    least = [min(float(each[a] @ each[b]) for each in fields) for a, b in edge]
    assert all(abs(value - threshold) < 1e-5 for value in least)


def test_heads_are_short_where_that_leaves_little():
    rng = np.random.default_rng(0)
    assert Bounds([unit(rng, 5_000, 256)], 0.9).size < 128
    assert Bounds([unit(rng, 5_000, 256, spread=0)], 0.5).size == 256
    assert Bounds([unit(rng, 500, 256)], 0.9).size == 256


def test_equal_and_empty_vectors_are_no_trouble():
    same = np.tile(unit(np.random.default_rng(1), 1, 96), (4_200, 1))
    same[10] = 0
    found = list(near_pairs([same[:2_000]], 0.9, search="exact"))
    assert sum(len(later) for later, _, _ in found) == 1_999 * 1_998 // 2
    assert Bounds([same], 0.9).size in (33, 96)


def test_side_by_side_is_the_mean():
    rng = np.random.default_rng(2)
    a, b = unit(rng, 20, 8), unit(rng, 20, 8)
    joined = side_by_side([a, b])
    assert joined @ joined.T == pytest.approx((a @ a.T + b @ b.T) / 2, abs=1e-6)
