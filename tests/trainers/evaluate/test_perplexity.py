"""Likelihood of a file's answers."""

import math

import pytest

from tests.trainers.evaluate.fakes import Fake
from trainers.evaluate.outcome import scores_of
from trainers.evaluate.perplexity import Perplexity
from trainers.examples import Chat


def chat(answer):
    return Chat(
        answer, ({"role": "user", "content": "?"}, {"role": "assistant", "content": answer})
    )


def test_scores_by_hand():
    subject = Fake(nats={"yes": (6.0, 2), "größer": (8.0, 4), "no": (1.0, 1)})
    task = Perplexity("perplexity:x", (chat("yes"), chat("größer"), chat("no")))
    items = task.run(subject, lambda text: None)
    assert items.scores["nll"] == (3.0, 2.0, 1.0)
    found = scores_of(items)
    assert list(found) == ["perplexity", "nll", "bits_per_byte"]
    assert found["nll"].value == pytest.approx(15 / 7)
    assert found["perplexity"].value == pytest.approx(math.exp(15 / 7))
    assert found["perplexity"].low == pytest.approx(math.exp(found["nll"].low))
    # 3 + 8 + 2 bytes.
    assert found["bits_per_byte"].value == pytest.approx(15 / math.log(2) / 13)
