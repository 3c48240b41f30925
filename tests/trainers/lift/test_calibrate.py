"""The pure parts of the calibration, and its records; no model."""

import argparse
import itertools
from contextlib import closing

import numpy as np
import pytest

from datakit.errors import InputError
from tests.benchmarks import calibrate, calibration, recombined
from tests.benchmarks.schemas import QUESTIONS, TEST, TRAIN
from tests.benchmarks.templated import filled, noisy, result, templated
from trainers.lift.budget import Budget
from trainers.lift.estimate import compare
from trainers.lift.leaks import leaks
from trainers.lift.variance import linear
from trainers.lift.variants import Variant
from trainers.stats import Interval

RECORDS = templated(3000, TRAIN)
ITEMS = templated(40, TEST)


@pytest.fixture(scope="module")
def databases():
    made = {each.table: filled(each) for each in (*TRAIN, *TEST)}
    yield made
    for each in made.values():
        each.close()


@pytest.fixture(autouse=True)
def few_choices(monkeypatch):
    monkeypatch.setattr(calibration, "CHOICES", 20_000)
    monkeypatch.setattr(calibration, "CHECKED", 60)


def pool(runs, items, seed=0, replicates=0.02, rest=0.03):
    rng = np.random.default_rng(seed)
    return (
        0.3 * rng.standard_normal((1, items))
        + replicates * rng.standard_normal((runs, 1))
        + rest * rng.standard_normal((runs, items))
    )


# --- records


def test_records_are_many_short_and_all_distinct():
    assert len({(each.instruction, each.input) for each in RECORDS}) == 3000
    assert len({each.id for each in RECORDS}) == 3000
    assert max(len(each.prompt) + len(each.output) for each in RECORDS) < 500
    assert templated(3000, TRAIN) == RECORDS
    assert templated(3000, TRAIN, seed=1) != RECORDS


def test_every_schema_meets_every_question():
    met = {(each.meta["schema"], each.meta["template"]) for each in RECORDS}
    assert len(met) == len(TRAIN) * len(QUESTIONS)
    assert len({each.meta["template"] for each in ITEMS}) == len(QUESTIONS)


def test_schemas_of_test_items_are_others_and_no_item_stands_in_a_record():
    assert not {each.table for each in TRAIN} & {each.table for each in TEST}
    assert leaks([RECORDS], ITEMS) == [[]]


def test_every_query_runs_on_the_tables_of_its_prompt(databases):
    rows = 0
    for each in (*RECORDS, *ITEMS):
        found = result(databases[each.meta["schema"]], each.output)
        assert found is not None, each.output
        rows += bool(found)
        assert all(f"CREATE TABLE {name} " in each.input for name in _tables(each.output))
    assert rows > 0.9 * (len(RECORDS) + len(ITEMS))


def _tables(query):
    known = {name for each in (*TRAIN, *TEST) for name in (each.table, each.parent)}
    words = query.replace(".", " ").split()
    return {b for a, b in itertools.pairwise(words) if a in ("FROM", "JOIN") and b in known}


def test_more_than_there_are_are_not_made(monkeypatch):
    # 4 kinds, asked in 2 ways.
    monkeypatch.setattr("tests.benchmarks.templated.QUESTIONS", QUESTIONS[:1])
    assert len(templated(8, TRAIN[:1])) == 8
    with pytest.raises(ValueError, match="9 records wanted, only 8 found"):
        templated(9, TRAIN[:1])


def test_so_many_answers_are_wrong_and_still_run(databases):
    wrong = noisy(RECORDS[:400], 0.5)
    changed = [(a, b) for a, b in zip(RECORDS, wrong, strict=False) if a.output != b.output]
    assert len(changed) == 200
    assert {b.meta["wrong"] for _, b in changed} == {"column", "operator", "table"}
    for right, other in changed:
        assert right.prompt == other.prompt
        assert result(databases[other.meta["schema"]], other.output) is not None


def test_a_wrong_answer_has_another_result():
    schemas = {each.table: each for each in TEST}
    for right, other in zip(ITEMS, noisy(ITEMS, 1.0), strict=True):
        schema, differs = schemas[right.meta["schema"]], False
        for n in range(3):
            with closing(filled(schema, n)) as database:
                differs |= result(database, right.output) != result(database, other.output)
        assert differs, other.output


def test_what_is_wrong_at_a_smaller_share_is_wrong_at_a_larger_one():
    few, many = (noisy(RECORDS[:200], share) for share in (0.25, 0.5))
    wrong = [{e.id for e in each if "wrong" in e.meta} for each in (few, many)]
    assert len(wrong[0]) == 50
    assert wrong[0] < wrong[1]


# --- recombined runs


def test_choices_take_no_run_twice():
    choices = recombined.chosen(12, 3, 500)
    assert choices.shape == (500, 6)
    assert all(len(set(each)) == 6 for each in choices.tolist())
    assert len({tuple(each) for each in choices.tolist()}) > 490
    with pytest.raises(ValueError, match="5 runs: 6 are needed"):
        recombined.chosen(5, 3, 1)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_fast_way_is_that_of_compare(weighted):
    table = pool(16, 12, replicates=0.05)
    weights = np.random.default_rng(1).integers(5, 60, 12).astype(float) if weighted else None
    choices = recombined.chosen(16, 5, 100)
    theirs, critical = recombined.compared(table, weights, choices)
    ours = recombined.told_apart(linear(table, weights), choices, critical)["ours"]
    assert (ours == theirs).all()
    assert 0 < theirs.sum() < 30


def test_items_alone_tell_one_version_apart_and_ours_does_not():
    found = calibration.judged(pool(40, 40), None, 5)
    assert found.rates["ours"].value <= 0.06
    assert found.rates["ours"].low <= 0.05
    assert found.rates["items"].low > 0.3
    # Two runs differ by twice the variance of one; what an item is worth is common to both.
    assert found.difference.replicates == pytest.approx(2 * 0.02**2, rel=0.7)
    assert found.run.items == pytest.approx(0.3**2, rel=0.6)
    assert found.difference.items < 0.01**2


def test_runs_that_come_in_two_kinds_are_told_apart_by_the_rate():
    # Were replicates not exchangeable, as with half of the runs on other data, it would be seen.
    table = pool(40, 40)
    choices = recombined.chosen(40, 5, 4000)
    kinds = np.sort(choices.reshape(-1, 2, 5) % 2, axis=2)
    apart = choices[(kinds[:, 0] == 0).all(axis=1) & (kinds[:, 1] == 1).all(axis=1)]
    table[1::2] += 0.2
    told = recombined.told_apart(table, apart, 2.78)["ours"]
    assert len(apart) > 3
    assert told.all()


def test_the_interval_of_a_share_knows_that_choices_share_runs():
    table = pool(40, 30, seed=3)
    choices = recombined.chosen(40, 5, 20_000)
    told = recombined.told_apart(table, choices, 2.776)["ours"]
    found = recombined.share(told, choices, 40)
    naive = 1.96 * np.sqrt(found.value * (1 - found.value) / len(told))
    assert found.low < found.value < found.high
    assert found.high - found.value > 2 * naive
    # No more than that of 40 / 10 studies that share nothing.
    assert found.high - found.value < 1.96 * np.sqrt(0.05 * 0.95 / 4)


def test_a_share_needs_choices_without_each_run():
    choices = recombined.chosen(6, 3, 50)
    with pytest.raises(ValueError, match="every choice has run 0"):
        recombined.share(np.zeros(50, bool), choices, 6)


# --- the plan of the runs


def test_no_two_runs_share_a_record():
    study = _study(len(RECORDS))
    own = calibrate.disjoint(study, "gold", 40).plans["gold"]
    drawn = [set(each.indices) for each in own]
    assert all(len(each) == 32 for each in drawn)
    assert len(set.union(*drawn)) == 40 * 32
    assert [each.steps for each in own] == [8] * 40


def test_too_few_records_are_told():
    with pytest.raises(InputError, match=r"1,280 are needed, and there are 100.*--records"):
        calibrate.disjoint(_study(100), "gold", 40)


def _study(count):
    from trainers.lift.draws import places
    from trainers.lift.study import Study

    rows = argparse.Namespace(lengths=[(10, 5)] * count)
    empty = dict.fromkeys(Study.__dataclass_fields__)
    return Study(
        **empty
        | {
            "variants": {"gold": rows},
            "places": {"gold": places(RECORDS[:count], 0)},
            "budget": Budget("steps", 8, 4),
        }
    )


def test_planted_variants():
    gold = Variant("gold", tuple(RECORDS[:400]))
    made = calibrate.planted(gold, Variant("generic", gold.records[:9]), 0, fast=False)
    assert [each.name for each in made] == [
        "gold", "25 % shuffled", "50 % shuffled", "100 % shuffled", "noisy 50 %",
        "duplicates 2x", "duplicates 4x", "generic",
    ]  # fmt: skip
    by_name = {each.name: each for each in made}
    wrong = {
        name: sum(a.output != b.output for a, b in zip(gold.records, each.records, strict=True))
        for name, each in by_name.items()
        if name != "generic"
    }
    assert wrong["gold"] == 0
    assert wrong["noisy 50 %"] == 200
    assert 90 <= wrong["25 % shuffled"] <= 100 < wrong["50 % shuffled"] <= 200
    assert wrong["100 % shuffled"] > 380
    assert len({each.prompt for each in by_name["duplicates 4x"].records}) == 100
    few = calibrate.planted(gold, gold, 0, fast=True)
    assert [each.name for each in few] == ["gold", "50 % shuffled", "100 % shuffled"]


# --- what it says


def tables(steps, spread=0.005, names=calibration.ORDER):
    rng = np.random.default_rng(0)
    base = pool(5, 40)
    return {
        name: base + step + spread * rng.standard_normal((5, 40))
        for name, step in zip(names, steps, strict=True)
    }


def lifted(steps, **more):
    made = tables(steps, **more)
    trials = [
        argparse.Namespace(
            variant=name, replicate=at, items=argparse.Namespace(scores={"nll": list(row)})
        )
        for name, table in made.items()
        for at, row in enumerate(table)
    ]
    return argparse.Namespace(
        comparison=compare(made, lower_is_better=True, draws=500),
        untrained_score=2.0,
        guards=(),
        trials=trials,
        metric="nll",
        untrained=argparse.Namespace(weights={}),
    )


@pytest.mark.parametrize(
    ("high", "shift", "passes", "words"),
    [
        (0.04, 0.3, True, "Passes: false verdicts in 2.0 % [1.0, 4.0]"),
        (0.05, 0.3, True, "Passes"),
        (0.051, 0.3, False, "Fails: "),
        (0.04, 0.0, False, "shuffled answers do not lose to gold"),
        (0.04, -0.3, False, "shuffled answers do not lose to gold"),
    ],
)
def test_it_passes_or_fails_in_a_line(high, shift, passes, words):
    control = calibration.alone(lifted([0, 0, 0, shift]), calibration.CONTROL, "gold")
    rate = Interval(0.02, 0.01, high, 40)
    found, line = calibration.verdict(rate, control, claims=True)
    assert found is passes
    assert words in line
    assert "\n" not in line
    tried, text = calibration.verdict(rate, control, claims=False)
    assert tried is True
    assert text.startswith("No verdict, a try: ")


@pytest.mark.parametrize(
    ("steps", "spread", "words"),
    [
        ([0, 0.1, 0.2, 0.4], 0.005, "The order came out, each step of it clear."),
        ([0, 0.1, 0.2, 0.2002], 0.002, "The means are in this order, but only 2 of 3 steps are"),
        ([0, 0.2, 0.1, 0.4], 0.005, "The means are not in this order; 2 of 3 steps are clear."),
    ],
)
def test_an_order_that_is_not_clear_is_told_as_such(steps, spread, words):
    assert words in "\n".join(calibration.ordered(lifted(steps, spread=spread)))


def test_the_table_of_planted_differences():
    lines = list(calibration.planted_lines(lifted([0, 0.1, 0.2, 0.0])))
    rows = {line.split("|")[1].strip(): line for line in lines if line.startswith("|")}
    assert "+0.1" in rows["25 % shuffled"]
    assert rows["25 % shuffled"].count("| worse |") == 2
    assert rows["100 % shuffled"].count("| not told apart |") == 2
    assert rows["untrained"].startswith("| untrained | 2.000 |")
    assert len({line.count("|") for line in rows.values()}) == 1


def test_the_report_of_one_version(monkeypatch):
    monkeypatch.setattr(calibration.coverage, "coverage", _covered)
    lines = list(calibration.aa_lines(calibration.judged(pool(20, 40), None, 5), lifted([0] * 4)))
    text = "\n".join(lines)
    assert "20 runs, no two with a record in common" in text
    assert "| **ours**: two-way, t(K-1) | " in text
    assert "| 100 % shuffled over gold, same prompts | " in text
    assert "| percentile bootstrap over replicates | 95.0 %, ± 0.0100 |" in text


def _covered(spread, k, n, count):
    assert (k, n) == (5, 40)
    assert spread.shared > 0.1
    return dict.fromkeys(calibration.coverage.WAYS, (0.95, 0.01))


def test_a_judgement_other_than_the_lift_labs_is_an_error(monkeypatch):
    right = recombined.told_apart

    def turned(flat, choices, critical):
        return {name: ~each for name, each in right(flat, choices, critical).items()}

    monkeypatch.setattr(calibration, "told_apart", turned)
    with pytest.raises(ArithmeticError, match="otherwise than by the lift lab"):
        calibration.judged(pool(12, 20), None, 3)


def test_too_few_runs_are_told(capsys, tmp_path):
    assert calibrate.main(["--runs", "10", "--folder", str(tmp_path)]) == 2
    assert "--runs 10: 5 replicates need 11 or more." in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_whole_calibration_says_pass_or_fail_by_its_exit_code(capsys, monkeypatch, tmp_path):
    for passes in (True, False):
        monkeypatch.setattr(calibrate, "calibrate", lambda args, p=passes: (p, ["# Title"]))
        report = tmp_path / "new" / "report.md"
        assert calibrate.main(["--report", str(report)]) == (0 if passes else 1)
        assert report.read_text() == capsys.readouterr().out == "# Title\n"
    seen = []
    monkeypatch.setattr(calibrate, "calibrate", lambda args: (seen.append(args) or True, []))
    calibrate.main(["--fast", "--runs", "14"])
    calibrate.main([])
    assert [(a.runs, a.replicates, a.steps, a.items) for a in seen] == [
        (14, 3, 4, 20),
        (40, 5, 8, 40),
    ]


def test_test_items_are_always_in_the_same_file(tmp_path):
    args = argparse.Namespace(folder=tmp_path, items=7, seed=0)
    one = calibrate._items(args)
    text = one.read_bytes()
    assert calibrate._items(args) == one
    assert one.read_bytes() == text
    assert text.count(b"\n") == 7
    other = argparse.Namespace(folder=tmp_path, items=7, seed=1)
    assert calibrate._items(other).read_bytes() != text
