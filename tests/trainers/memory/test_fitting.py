"""What of a method's class and settings decides about memory."""

import pytest

pytest.importorskip("torch")

from trainers import DPO, KTO, SFT, QLoRA, Reward
from trainers.memory.fitting import plan_of


@pytest.mark.parametrize(
    ("settings", "sequences", "reference", "loss"),
    [
        (SFT(), 1, False, "chunked"),
        (QLoRA(), 1, False, "chunked"),
        (DPO(), 2, True, "chunked"),
        (DPO(loss="ipo"), 2, True, "chunked"),
        (KTO(), 1, True, "chunked"),
        (Reward(), 2, False, "none"),
    ],
    ids=["sft", "qlora", "dpo", "ipo", "kto", "reward"],
)
def test_what_a_method_passes_through_the_model(settings, sequences, reference, loss):
    plan = plan_of(settings, 100, "cpu")
    assert (plan.sequences, plan.reference, plan.loss) == (sequences, reference, loss)
    assert plan.max_length == 100


def test_a_new_method_needs_no_row_here():
    class Ranked(Reward):
        method = "ranked"
        wants = "chat"
        task = "CAUSAL_LM"
        passes = DPO.passes

    plan = plan_of(Ranked(), 100, "cpu")
    assert (plan.sequences, plan.reference, plan.loss) == (1, True, "chunked")
