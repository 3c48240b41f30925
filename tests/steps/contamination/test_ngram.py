import json

import pytest

from datakit.record import Record
from datakit.step import Resources, StepError
from datakit.steps.contamination.ngram import Ngram

QUESTION = "A farmer sells sixteen eggs a day at the market for two dollars each and eats three"


@pytest.mark.parametrize(("rule", "words"), [("gpt3", 13), ("any_8", 8), ("tulu3", 9)])
def test_each_rule_has_its_measure(rule, words, tmp_path):
    (tmp_path / "b.jsonl").write_text(json.dumps({"question": QUESTION}))
    step = Ngram(against=(str(tmp_path / "b.jsonl"),), rule=rule)
    there = " ".join(QUESTION.split()[:words])
    drop = step.check(Record(f"So {there}."), Resources())
    assert (drop.reason, drop.of, drop.detail["rule"]) == ("contaminated", "b/1", rule)
    assert drop.detail["text"] == there
    assert step.check(Record(" ".join(QUESTION.split()[: words - 1])), Resources()) is None


def test_what_there_is_not():
    with pytest.raises(StepError, match="there is no benchmark"):
        Ngram(against=("nothing",))
