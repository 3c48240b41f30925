import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datakit.outcome import Drop
from datakit.record import Record
from datakit.step import StepError
from datakit.steps.filter.where import Where

RECORD = Record(
    "Name a river.",
    "",
    "Rhine",
    meta={"scores": {"ifd": 0.5, "judge": 4, "ok": True}, "lang": "en", "source": None},
)


@pytest.mark.parametrize(
    ("expression", "kept"),
    [
        ("ifd < 1", True),
        ("ifd >= 1", False),
        ("0 < ifd < 0.4", False),
        ("-1 < ifd", True),
        ("judge == 4 and ifd != 1", True),
        ("ifd > 1 or judge > 3", True),
        ("judge * ifd >= 2", True),
        ("2 * judge * ifd < 4", False),
        ("not ok", False),
        ("ok", True),
        ("lang in ['en', 'de']", True),
        ("lang not in ('en', 'de')", False),
        ("'Rh' in output", True),
        ("len(output) > 4 and len(instruction) < 100", True),
        ("ifd > 1 and missing > 1", False),
    ],
)
def test_where(expression, kept):
    assert (Where(expression).check(RECORD) is None) == kept


def test_the_evidence_is_what_was_looked_at():
    drop = Where("ifd < 0.4 or len(output) > 10").check(RECORD)
    assert drop == Drop(
        "where",
        expression="ifd < 0.4 or len(output) > 10",
        values={"ifd": 0.5, "output": "Rhine", "len(output)": 5},
    )


def test_a_record_without_the_score():
    drop = Where("reward > 1").check(RECORD)
    assert drop == Drop("no_score", expression="reward > 1", missing="reward")


@pytest.mark.parametrize(
    "expression",
    [
        "lang < 1",
        "len(ifd) > 1",
        "1 in ifd",
        "source > 1",
        "lang * 3 > 1",
        f"{'9' * 400} * ifd > 1",
    ],
)
def test_values_that_do_not_compare(expression):
    assert Where(expression).check(RECORD).reason == "not_comparable"


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "ifd <",
        "ifd = 1",
        "1; 2",
        "output.upper() == 'A'",
        "__import__('os')",
        "open('x')",
        "len(output, 1) > 1",
        "len(*output)",
        "ifd + 1 > 2",
        "10 ** 10 ** 10 > ifd",
        "[x for x in output]",
        "lambda: 1",
        "output[0] == 'R'",
        "f'{ifd}' == ''",
        "(a := 1)",
        "None == 1",
        "b'x' == 1",
        "ifd is 1",
        "-ifd < 1",
        "(" * 500,
        "a" * 2000,
    ],
)
def test_what_is_no_expression(expression):
    with pytest.raises(StepError) as caught:
        Where(expression)
    assert caught.value.fields[""]


@given(st.text(alphabet="abifd<>=!()[]., '\"0123456789-+*andornotlen", max_size=40))
def test_nothing_but_a_plain_mistake_comes_out(expression):
    with contextlib.suppress(StepError):
        Where(expression).check(RECORD)
