"""The next command fits the method and what was held out."""

from pathlib import Path

import pytest

from datakit.record import Record
from trainers.running.following import following, task_for

PAIR = Record("1 + 1?", output="2", extra={"rejected": "3"}, id="a")
LABELLED = Record("1 + 1?", output="2", extra={"label": True}, id="b")
OUT = Path("runs/my run")


@pytest.mark.parametrize(
    ("method", "records", "given", "plainly", "says"),
    [
        ("sft", [PAIR], None, True, "--task 'perplexity:runs/my run/held_out.jsonl'"),
        ("sft", [PAIR], "test.jsonl", True, "--task perplexity:test.jsonl"),
        ("sft", [PAIR], "gsm8k:test", True, "--task perplexity:gsm8k:test"),
        # Fields that eval cannot be told, standard input, records of a notebook.
        ("sft", [PAIR], "test.jsonl", False, "--task perplexity:FILE"),
        ("sft", [PAIR], "-", True, "--task perplexity:FILE"),
        ("sft", [PAIR], [PAIR], True, "--task perplexity:FILE"),
        ("sft", None, None, True, "--task perplexity:FILE"),
        ("dpo", [PAIR], None, True, "--task 'preference:runs/my run/held_out.jsonl'"),
        ("kto", [PAIR], "pairs.jsonl", True, "--task preference:pairs.jsonl"),
    ],
)
def test_what_can_be_measured_is_named(method, records, given, plainly, says):
    task = task_for(method, records, given, plainly=plainly)
    line = following(OUT, {"method": method, "eval_by": task})
    assert line == f"datakit eval 'runs/my run' {says}"


def test_what_eval_cannot_measure_is_not_sent_there():
    assert task_for("kto", [PAIR, LABELLED], None, plainly=True) is None
    assert following(OUT, {"method": "kto", "eval_by": None}) == "datakit chat 'runs/my run'"
    assert task_for("reward", [PAIR], None, plainly=True) is None
    line = following(OUT, {"method": "reward", "eval_by": None})
    assert "score.reward: {model: runs/my run}" in line


def test_a_model_that_is_not_fit_is_not_recommended():
    task = task_for("sft", [PAIR], None, plainly=True)
    line = following(OUT, {"method": "sft", "eval_by": task, "warnings": ["It came apart."]})
    assert "datakit" not in line and "lower --learning-rate" in line
