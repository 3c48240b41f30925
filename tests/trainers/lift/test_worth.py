from decimal import Decimal

import pytest

from datakit.ablation import StepCost
from tests.trainers.lift.made import BASE, NEW, OLD, made
from trainers.lift.worth import unknown, verdict_of


def cost(step, usd):
    return StepCost(
        step=step,
        requests=0,
        input_tokens=0,
        output_tokens=0,
        usd=None if usd is None else Decimal(usd),
        thrown=0,
        thrown_usd=None,
        seconds=0.0,
    )


FILTER, JUDGE = cost("filter.where", "0"), cost("score.judge", "1.20")


def said(found, one, other, *costs):
    return verdict_of(found.comparison.difference(one, other), None, found, costs)


def test_a_point_is_paid_for_with_what_the_step_needs():
    found = made()
    text = said(found, NEW, BASE, FILTER, JUDGE)
    assert text.startswith("Paid: ")
    assert "It cost $1.20 with score.judge, which it needs: $" in text
    assert text.endswith("for each nat per token.")
    alone = said(found, NEW, BASE, JUDGE)
    assert "It cost $1.20: $" in alone


def test_a_step_that_did_not_pay_has_no_price_for_a_point():
    text = said(made(), BASE, NEW, FILTER, JUDGE)
    assert text.startswith("Hurt: ")
    assert text.endswith("It cost $1.20 with score.judge, which it needs.")


@pytest.mark.parametrize("costs", [(FILTER,), (FILTER, cost("score.judge", None))])
def test_nothing_is_said_of_a_price_that_is_nought_or_not_known(costs):
    assert "cost" not in said(made(), NEW, OLD, *costs)


def test_what_nobody_was_asked_is_not_known():
    assert unknown(1, rerun=True).endswith(
        "of 1 record nobody was asked what a later step asks; --rerun asks."
    )
    assert unknown(2, rerun=False).endswith("asks.")
