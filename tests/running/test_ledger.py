import copy
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datakit.running.ledger import Clock, LedgerError, Row, balance

counts = st.integers(0, 50)


@st.composite
def books(draw):
    """Rows that balance, and what went in at the beginning and came out at the end."""
    rows, arriving = [], draw(counts)
    first = arriving
    for at in range(draw(st.integers(0, 6))):
        row = Row(f"step.{at}", taken=arriving, made=draw(counts))
        reasons = draw(st.dictionaries(st.sampled_from("abc"), counts))
        left = row.taken + row.made
        for reason, count in reasons.items():
            row.dropped[reason] = min(count, left)
            left -= row.dropped[reason]
        row.kept = arriving = left
        rows.append(row)
    return rows, first, arriving


@given(books())
def test_balanced_books_pass(given_books):
    rows, first, last = given_books
    before = copy.deepcopy(rows)
    balance(rows, first, last)
    assert rows == before
    for row in rows:
        shown = row.to_json()
        assert shown["in"] + shown["made"] == shown["kept"] + sum(shown["dropped"].values())


@given(books(), st.data())
def test_any_single_wrong_figure_is_found(given_books, data):
    rows, first, last = given_books
    wrong = data.draw(st.integers(-3, 3).filter(bool))
    place = data.draw(st.integers(-2, len(rows) - 1))
    if place == -2:
        first += wrong
    elif place == -1:
        last += wrong
    else:
        field = data.draw(st.sampled_from(["taken", "made", "kept", "dropped"]))
        if field == "dropped":
            rows[place].dropped["lost"] += wrong
        else:
            setattr(rows[place], field, getattr(rows[place], field) + wrong)
    with pytest.raises(LedgerError):
        balance(rows, first, last)


def test_reasons_are_shown_in_one_order():
    row = Row("a.b")
    row.dropped.update({"z": 1, "a": 1, "m": 5})
    assert list(row.to_json()["dropped"]) == ["m", "a", "z"]


class _Time:
    now = 0.0

    def __call__(self):
        return self.now

    def passes(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    ticking = _Time()
    monkeypatch.setattr(time, "perf_counter", ticking)
    return ticking, Clock()


def test_each_step_is_charged_for_its_own_time(clock):
    ticking, watch = clock

    def source():
        for each in range(3):
            ticking.passes(1)
            yield each

    def slow(stream):
        for each in stream:
            ticking.passes(10)
            yield each

    stream = watch.charge(0, source())
    stream = watch.charge(1, slow(stream))
    for _ in stream:
        ticking.passes(100)  # whoever reads is charged to nobody
    assert watch.seconds == {0: 3.0, 1: 30.0}


def test_a_step_that_fails_is_charged_and_leaves_the_clock_right(clock):
    ticking, watch = clock

    def failing():
        ticking.passes(2)
        yield 1
        raise RuntimeError

    with pytest.raises(RuntimeError):
        list(watch.charge(0, failing()))
    ticking.passes(50)
    watch.start(1)
    ticking.passes(3)
    watch.stop()
    assert watch.seconds == {0: 2.0, 1: 3.0}
