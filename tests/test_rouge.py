"""ROUGE-L: by hand, against a plain implementation."""

import random
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datakit.record import Record
from datakit.rouge import Pool, rouge_l, tokens
from datakit.steps.dedup.rouge import Rouge


def plain(one, other):
    """As `rouge_score.rouge_scorer` counts, without stemming: a table of common lengths."""
    a, b = (re.sub(r"[^a-z0-9]+", " ", each.lower()).split() for each in (one, other))
    if not a or not b:
        return 0.0
    row = [0] * (len(b) + 1)
    for word in a:
        last = 0
        for at, other_word in enumerate(b, 1):
            last, row[at] = row[at], last + 1 if word == other_word else max(row[at], row[at - 1])
    precision, recall = row[-1] / len(b), row[-1] / len(a)
    return 2 * precision * recall / (precision + recall) if row[-1] else 0.0


def test_by_hand():
    # Common: police the gunman is 3 of 4 and of 4 words.
    assert rouge_l("police killed the gunman", "police kill the gunman") == pytest.approx(0.75)
    assert rouge_l("The cat's TOY!", "the cat s toy") == 1.0
    assert rouge_l("", "a") == rouge_l("été", "!?") == 0.0
    assert tokens("Größe 3.5") == ["gr", "e", "3", "5"]


@given(st.text("ab c1,", max_size=40), st.text("ab c1,", max_size=40))
def test_equal_to_a_plain_one(one, other):
    assert rouge_l(one, other) == pytest.approx(plain(one, other), abs=1e-6)


def test_more_words_than_code_points_before_the_half_characters():
    pool = Pool()
    pool.add([" ".join(f"w{at}" for at in range(60_000))])
    assert pool.to([" ".join(f"w{at}" for at in range(59_990, 60_000))])[0, 0] == pytest.approx(
        2 * 10 / 60_010, rel=1e-4
    )


def words(rng, count):
    return " ".join(rng.choice("abcdefgh") * rng.randint(1, 3) for _ in range(count))


def test_a_matrix_of_many():
    rng = random.Random(0)
    texts = [words(rng, rng.randint(0, 30)) for _ in range(60)]
    pool = Pool()
    pool.add(texts[:20])
    pool.add(texts[20:])
    assert len(pool) == 60
    found = pool.to(texts)
    expected = np.array([[plain(one, other) for other in texts] for one in texts])
    assert found == pytest.approx(expected, abs=1e-6)


def test_the_step_keeps_the_first_and_names_the_rival():
    texts = ["Count the boats in the harbour", "Count all boats in the harbour", "Name a river",
             "Name a river today", "Count the boats in the old harbour"]  # fmt: skip
    records = [Record(text, id=f"r{at}") for at, text in enumerate(texts)]
    drops = Rouge(threshold=0.7).select(records)
    assert {id: (drop.reason, drop.of) for id, drop in drops.items()} == {
        "r1": ("too_similar", "r0"), "r3": ("too_similar", "r2"), "r4": ("too_similar", "r0"),
    }  # fmt: skip
    assert drops["r4"].score == pytest.approx(plain(texts[0], texts[4]), abs=1e-4)
    assert drops["r4"].detail["nearest"][1][0] == "r2"


def test_blocks_change_nothing(monkeypatch):
    rng = random.Random(2)
    records = [Record(words(rng, 6), id=f"r{at}") for at in range(300)]
    whole = Rouge(threshold=0.6).select(records)
    monkeypatch.setattr("datakit.steps.dedup.rouge._BLOCK", 7)
    assert Rouge(threshold=0.6).select(records) == whole
    assert 0 < len(whole) < 300
