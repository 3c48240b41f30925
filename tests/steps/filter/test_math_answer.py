import sys

import pytest

from datakit.errors import MissingExtraError
from datakit.record import Record
from datakit.steps.filter.math_answer import MathAnswer

pytest.importorskip("math_verify")


def reason(output, reference, step=None):
    drop = (step or MathAnswer()).check(
        Record("q", output=output, extra={"reference": reference} if reference else {})
    )
    return drop and drop.reason


@pytest.mark.parametrize(
    ("output", "reference", "found"),
    [
        ("So it is \\boxed{\\frac{1}{2}}.", "0.5", None),
        ("He has 3 * 6 = 18 eggs.\n#### 18", "Some text with 7 in it.\n#### 18", None),
        ("$x + 1$", "$1 + x$", None),
        ("The answer is 1,200.", "1200", None),
        ("It comes to 17.", "18", "wrong_result"),
        ("#### 18\n", 18, None),
        ("I do not know.", "18", "no_result"),
        ("18", "", "no_reference"),
        ("18", "many", "no_reference"),
    ],
)
def test_results_are_compared_as_mathematics_has_them(output, reference, found):
    assert reason(output, reference) == found


def test_where_the_right_answer_is():
    assert MathAnswer(reference="input").check(Record("q", "4", "2 + 2 = 4")) is None
    assert MathAnswer(reference="gold").check(Record("q", output="4", meta={"gold": "4"})) is None


def test_the_evidence():
    drop = MathAnswer().check(Record("q", output="It is 17.", extra={"reference": "#### 18"}))
    assert drop.detail == {"found": "17", "expected": "18"}


def test_it_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "math_verify", None)
    with pytest.raises(MissingExtraError, match=r"datakit\[math\]"):
        reason("18", "18")
