import pytest

from datakit.outcome import Drop
from datakit.record import Record
from datakit.step import StepError
from datakit.steps.filter.length import Length


@pytest.mark.parametrize(
    ("step", "output", "drop"),
    [
        (Length(), "a", None),
        (Length(), " \n", Drop("too_short", field="output", chars=0, min_chars=1)),
        (Length(min_chars=3), " abc ", None),
        (Length(max_chars=2), "abc", Drop("too_long", field="output", chars=3, max_chars=2)),
        (
            Length(min_chars=3, fields=("instruction",)),
            "abc",
            Drop("too_short", field="instruction", chars=1, min_chars=3),
        ),
    ],
)
def test_length(step, output, drop):
    assert step.check(Record("q", "", output)) == drop


def test_a_range_that_holds_nothing():
    with pytest.raises(StepError, match=r"min_chars \(5\) is over max_chars \(4\)"):
        Length(min_chars=5, max_chars=4)
    with pytest.raises(StepError, match="min_chars"):
        Length(min_chars=-1)
    with pytest.raises(StepError, match="fields"):
        Length(fields=("meta",))
