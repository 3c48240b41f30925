"""A training that came apart is told from one that went well, and from a noisy one."""

import math
import random

import pytest

from trainers.running.health import warnings

TOKENS = 49_152
BLIND = math.log(TOKENS)


def curves(losses, norms=None, held_out=()):
    norms = norms or [1.0] * len(losses)
    train = [
        {"step": at, "loss": loss, "grad_norm": norm}
        for at, (loss, norm) in enumerate(zip(losses, norms, strict=True), 1)
    ]
    return {"train": train, "eval": [{"loss": each} for each in held_out]}


def said(losses, norms=None, held_out=(), tokens=TOKENS, **more):
    found = warnings(curves(losses, norms, held_out), tokens=tokens, rate=0.5, **more)
    assert len(found) <= 1
    return found[0] if found else ""


@pytest.mark.parametrize(
    ("losses", "norms", "sign"),
    [
        # Measured: SmolLM2-135M at a learning rate of 1e9 and of 1e-2.
        (
            [1.211] + [10.803] * 5,
            [2.3] + [0.0] * 5,
            "blind guessing among 49,152 tokens has 10.803",
        ),
        ([1.211] + [10.803] * 5, [2.3] + [0.0] * 5, "exactly 0 in the last 5 logged steps"),
        ([1.211, 1.771, 3.964, 8.363, 9.138, 8.665], None, "went from 1.211 to 8.90"),
        ([2.0, 7.5], None, "went from 2.000 to 7.500"),
        # A model with random weights that comes to rest where all tokens are alike.
        ([12.5, 11.0] + [BLIND] * 4, None, "blind guessing"),
        ([3.0] * 8, [1.0] * 4 + [5e4] * 4, "norm of the gradient went from 1 to 5e+04"),
        ([3.0, 3.0], [0.0, 0.0], "exactly 0 in the last 2 logged steps"),
    ],
)
def test_what_came_apart_is_told_by_its_sign(losses, norms, sign):
    text = said(losses, norms)
    assert text.startswith("The training came apart: ") and sign in text
    assert "lower --learning-rate (it was 0.5)" in text


def noisy(start, end, steps, spread, seed):
    chance = random.Random(seed)
    return [
        max(0.01, start + (end - start) * at / steps + chance.gauss(0, spread))
        for at in range(steps)
    ]


@pytest.mark.parametrize("seed", range(40))
def test_noise_is_no_alarm(seed):
    for steps in (2, 3, 6, 40):
        assert not said(noisy(2.2, 1.6, steps, 0.5, seed))
        assert not said(noisy(0.69, 0.3, steps, 0.3, seed), tokens=None)


@pytest.mark.parametrize(
    ("losses", "norms", "tokens"),
    [
        ([], None, TOKENS),
        ([2.0], [0.0], TOKENS),
        # Learnt by heart, or all margins reached: no loss is left, and no gradient.
        ([1.0, 0.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0, 0.0], TOKENS),
        ([1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0], None),
        # Random weights at the start, on their way down, or not yet.
        ([BLIND + 0.01, BLIND, BLIND, BLIND, BLIND - 0.02], None, TOKENS),
        ([12.4, 12.1, 11.9, 12.0], None, TOKENS),
        # One batch is harder than the others.
        ([0.4, 1.9, 0.5, 1.2, 2.2, 1.4], None, TOKENS),
        # IPO: a square.
        ([25.0, 36.0, 20.0, 33.0], None, None),
        # A peak of the gradient that the clip took, and a loss that fell.
        ([3.0, 2.5, 2.0, 1.8, 1.7, 1.6], [1.0, 1.0, 1.0, 900.0, 900.0, 900.0], TOKENS),
        ([float("nan"), 2.0, 1.9], None, TOKENS),
    ],
)
def test_what_went_well_is_not_blamed(losses, norms, tokens):
    assert said(losses, norms, tokens=tokens) == ""


def test_held_out_data_tell_a_model_that_is_worse():
    falling = [2.0, 1.5, 1.0, 0.5, 0.2, 0.1]
    assert said(falling, held_out=(2.0, 1.9)) == ""
    assert said(falling, held_out=(2.0, 2.01)) == ""
    assert "The held-out loss rose from 2.000 to 2.100" in said(falling, held_out=(2.0, 2.1))
    # The best weights are kept, and not the last ones.
    assert said([2.0, 7.0, 7.0], held_out=(2.0, 1.8, 7.0), best=1.8) == ""
    assert "rose from 2.000 to 3.000" in said([2.0, 7.0], held_out=(2.0, 3.0, 7.0), best=3.0)
