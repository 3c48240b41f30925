import json
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datakit.embedding import near_pairs
from datakit.fields import DataRef
from datakit.minhash import minhash_pairs
from datakit.outcome import Drop
from datakit.record import Record
from datakit.steps.dedup.exact import Exact
from datakit.steps.dedup.minhash import MinHash
from datakit.text import shingles
from datakit.thinning import thin, thinned


def edges(rows):
    later, earlier, score = zip(*rows, strict=True) if rows else ((), (), ())
    return np.array(later, int), np.array(earlier, int), np.array(score, float)


def by_first_letter(columns, kept, start):
    """Finds all pairs of texts with the same first letter, in one block."""
    rows = columns[0]
    pairs = [(a, b) for a in range(start, len(rows)) for b in range(a)]
    return [edges([(a, b, 0.9) for a, b in pairs if rows[a][0] == rows[b][0]])]


def test_thin_compares_equal_rows_once():
    seen = []

    def find(columns, kept, start):
        seen.append(columns)
        return by_first_letter(columns, kept, start)

    rows = [("a1",), ("b1",), ("a1",), ("a2",), ("b1",), ("a2",)]
    assert thin(rows, find) == {2: (0, 1.0), 3: (0, 0.9), 4: (1, 1.0), 5: (0, 0.9)}
    assert seen == [[("a1", "b1", "a2")]]
    assert thin([], find) == {}


def test_what_is_there_already_is_never_dropped():
    rows = [("a1",), ("a2",), ("a1",), ("b",), ("a3",), ("b",)]
    assert thin(rows, by_first_letter, 3) == {4: (0, 0.9), 5: (3, 1.0)}
    assert thin(rows[:3], by_first_letter, 3) == {}


def records(*texts):
    return [Record(text, id=str(at)) for at, text in enumerate(texts)]


def told(drops):
    return {key: (drop.reason, drop.of) for key, drop in drops.items()}


def test_the_walk_ends_when_enough_are_kept():
    found = thinned(
        records("a", "aa", "b", "bb", "c"), by_first_letter, "same", view="prompt", detail={}
    )
    assert told(found) == {"1": ("same", "0"), "3": ("same", "2")}
    few = thinned(
        records("a", "aa", "b", "bb", "c"),
        by_first_letter,
        "same",
        view="prompt",
        max_kept=2,
        detail={},
    )
    assert few["4"] == Drop("enough", max_kept=2)
    assert told(few) == {"1": ("same", "0"), "3": ("enough", None), "4": ("enough", None)}


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "sql" / "v3" / "data.jsonl"
    path.parent.mkdir(parents=True)
    rows = [{"instruction": "List all rivers in Europe.", "output": "o", "id": "r1"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return DataRef(path)


def test_what_another_dataset_has_is_dropped(old):
    found = Exact(against=[old], normalize="words").select(
        records("list all rivers in europe", "List all lakes.", "List all lakes.")
    )
    assert found == {
        "0": Drop(
            "exact_duplicate",
            of="sql@v3/r1",
            score=1.0,
            view="prompt",
            normalize="words",
            rival="List all rivers in Europe.",
        ),
        "2": Drop("exact_duplicate", of="1", score=1.0, view="prompt", normalize="words"),
    }


def test_short_texts_are_no_digests_of_others():
    spaced = " What    is    this    in    all    of    it "
    assert Exact().select(records(spaced, " ".join(spaced.split()))).keys() == {"1"}


WORDS = "list name show count every all river city order total of in the and by".split()  # noqa: SIM905


@st.composite
def corpora(draw):
    rng = random.Random(draw(st.integers(0, 10_000)))
    bases = [[rng.choice(WORDS) for _ in range(rng.randint(1, 14))] for _ in range(6)]
    rows = []
    for at in range(draw(st.integers(2, 30))):
        base = [w if rng.random() > 0.1 else rng.choice(WORDS) for w in rng.choice(bases)]
        score = {"scores": {"quality": rng.randint(0, 3)}}
        rows.append(Record(" ".join(base), output="x" * rng.randint(0, 3), id=str(at), meta=score))
    return rows


def similar(a, b, size=3):
    one, two = (set(shingles(each.instruction, size).tolist()) for each in (a, b))
    return len(one & two) / len(one | two) >= 0.5


def true_pairs(columns, kept, start):
    """Finds all similar pairs by the definition of similarity."""
    sets = [set(shingles(text, 3).tolist()) for text in columns[0]]
    rows = [
        (a, b, len(sets[a] & sets[b]) / len(sets[a] | sets[b]))
        for a in range(start, len(sets))
        for b in range(a)
    ]
    return [edges([row for row in rows if row[2] >= 0.5])]


def by_definition(rows):
    return thinned(rows, true_pairs, "same", view="instruction", keep="best:quality", detail={})


def by_minhash(rows):
    step = MinHash(threshold=0.5, size=3, view="instruction", keep="best:quality")
    return step.select(rows)


@given(corpora())
def test_no_two_kept_are_similar_and_dedup_is_idempotent(rows):
    drops = by_definition(rows)
    kept = [row for row in rows if row.id not in drops]
    assert not any(similar(a, b) for at, a in enumerate(kept) for b in kept[:at])
    assert by_definition(kept) == {}


@pytest.mark.parametrize("dedup", [by_definition, by_minhash])
@given(rows=corpora())
def test_each_dropped_record_is_similar_to_a_kept_one(dedup, rows):
    drops = dedup(rows)
    by_id = {row.id: row for row in rows}
    for key, drop in drops.items():
        assert drop.of not in drops
        assert similar(by_id[key], by_id[drop.of])


@pytest.mark.parametrize("dedup", [by_definition, by_minhash])
@given(rows=corpora(), rng=st.randoms())
def test_with_best_kept_the_order_makes_no_difference(dedup, rows, rng):
    def kept(some):
        drops = dedup(some)
        return sorted(row.content_hash for row in some if row.id not in drops)

    mixed = list(rows)
    rng.shuffle(mixed)
    assert kept(mixed) == kept(rows)


@given(corpora(), st.integers(0, 20))
def test_pairs_from_a_start_are_those_of_all_pairs(rows, start):
    texts = [row.instruction for row in rows]
    vectors = np.random.default_rng(start).normal(size=(len(texts), 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for find, columns in (
        (lambda c, s: minhash_pairs([c], 0.5, None, s, size=3), texts),
        (lambda c, s: near_pairs([c], 0.7, None, s), vectors),
    ):
        every, some = (
            {(int(a), int(b)) for blk in find(columns, s) for a, b in zip(*blk[:2], strict=True)}
            for s in (0, start)
        )
        assert some == {pair for pair in every if pair[0] >= start}
