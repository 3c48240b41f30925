import json

import pytest

from datakit.errors import InputError
from datakit.judge import (
    Comparison,
    Grade,
    GradedAnswer,
    LabelledPair,
    calibrate,
    calibrate_grades,
    read_calibration,
)
from datakit.outcome import Drop

JUDGE = {
    "provider": "openai",
    "model": "m",
    "server": "openai's own",
    "form": "pair",
    "prompt": "0",
    "settings": {"temperature": 0.0},
}
A, B, TIE = ("a", "a"), ("b", "b"), ("tie", "tie")


def calibrated(*rows, judge=JUDGE):
    """Rows are (label, what the judge says, the two answers, their models)."""
    pairs, said = [], {}
    for at, (label, verdicts, *more) in enumerate(rows):
        (a, b), models = more[0] if more else ("x", "y"), tuple(more[1:]) or ("", "")
        pair = LabelledPair(f"q{at}", a, b, label, models)
        pairs.append(pair)
        said[pair.key] = verdicts if isinstance(verdicts, Drop) else Comparison(verdicts)
    return calibrate(pairs, said, judge=judge, labels="l.jsonl")


def test_a_tie_of_the_judge_is_half_right_where_people_prefer_one():
    found = calibrated(*[("a", A)] * 6, *[("b", TIE)] * 2, ("b", A), ("tie", TIE), ("tie", B))
    assert found.agreement.value == pytest.approx((6 + 1) / 9)
    assert found.agreement.n == 9, "what people see as a tie cannot be right or wrong"
    assert found.ties.value == 0.5
    assert found.kappa.n == found.pairs == found.judged == 11
    assert found.agrees == (found.agreement.low > 0.5)


@pytest.mark.parametrize(
    ("rows", "agrees", "words"),
    [
        ([("a", A), ("b", B)] * 20, True, "agrees with people in 100 % (91 to 100) of 40 pairs"),
        (
            [("a", A), ("b", A)] * 20,
            False,
            "people do not agree with this judge: no verdict may rest on it "
            "(agrees with people in 50 % (35 to 65) of 40 pairs)",
        ),
        ([("a", TIE), ("b", TIE)] * 20, False, "(agrees with people in 50 % (46 to 54) of 40"),
        ([("a", A)], False, "people do not agree"),
        ([("a", Drop("refused"))], False, "no usable verdict on any pair: no verdict may rest"),
        ([("a", Drop("refused")), ("tie", A)], False, "people prefer neither in any pair"),
    ],
)
def test_the_verdict_is_in_words(rows, agrees, words):
    found = calibrated(*rows)
    assert found.agrees is agrees
    assert words in found.verdict
    assert found.sentences()[0] == found.verdict
    assert ("more labelled pairs" in found.sentences()[1]) == (rows == [("a", A)])


def test_position_flips_and_what_has_no_verdict():
    rows = [("a", ("a", "b"))] * 6 + [("a", ("b", "a"))] * 2 + [("a", A)] * 2 + [("a", TIE)] * 2
    found = calibrated(*rows, ("a", Drop("refused")), ("tie", A, ("same", "same")))
    assert found.first.value == pytest.approx((12 + 0 + 2) / 20)
    assert found.first.n == 20
    assert found.flips.value == pytest.approx(8 / 12)
    assert (found.pairs, found.judged, found.same, found.failed) == (14, 12, 1, {"refused": 1})
    told = "\n".join(found.sentences())
    assert "the answer shown first wins 70 %" in told
    assert "no verdict on 1 pair: refused 1" in told
    assert "1 pair with the same text on both sides" in told


def test_the_longer_answer():
    long = ("xxx", "y")
    rows = [("a", A, long)] * 10 + [("b", A, long)] * 10 + [("tie", A, long)] * 5
    found = calibrated(*rows, *[("a", A)] * 5)
    assert found.longer.value == 1
    assert found.longer.n == 25, "pairs of one length are left out"
    assert "leans to the longer answer by +100 points" in "\n".join(found.sentences())
    fair = calibrated(*[("a", A, long), ("b", B, long)] * 20)
    assert fair.longer.value == 0
    assert fair.longer.low < 0 < fair.longer.high


def test_its_own_answers():
    mine = [("x", "y"), "Org/M", "other"]
    rows = [("a", A, *mine)] * 10 + [("b", A, *mine)] * 6 + [("b", B, *mine)] * 4
    found = calibrated(*rows)
    assert found.own.value == pytest.approx(0.6)
    assert found.own.low > 0
    assert calibrated(*rows, judge={**JUDGE, "model": "n"}).own is None
    assert calibrated(("a", A, ("x", "y"), "m", "m"), ("b", B)).own is None


def test_it_is_read_as_it_was_written(tmp_path):
    found = calibrated(("a", A), ("b", Drop("refused")), ("tie", TIE))
    path = tmp_path / "judge.json"
    path.write_text(json.dumps({**found.to_json(), "items": []}))
    assert read_calibration(path) == found
    for text in ("{", "[]", '{"judge": {}}'):
        path.write_text(text)
        with pytest.raises(InputError, match="is not what datakit judge check writes"):
            read_calibration(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_calibration(tmp_path / "no.json")


def test_grades_beside_people_s(tmp_path):
    answers = [GradedAnswer(f"q{at}", "x", at % 8 + 1.0) for at in range(40)]
    said = {each.key: Grade(each.grade + 1, "r", (each.grade + 1,)) for each in answers[1:]}
    said[answers[0].key] = Drop("refused")
    who = {**JUDGE, "form": "grade"}
    found = calibrate_grades(answers, said, judge=who, labels="l.jsonl")
    assert found.agrees and found.agreement.value == 1
    assert (found.pairs, found.judged, found.failed) == (40, 39, {"refused": 1})
    told = "\n".join(found.sentences())
    assert "its grades less people's: +1.0 (+1.0 to +1.0), 39 answers" in told
    assert "no verdict on 1 answer: refused 1" in told
    path = tmp_path / "judge.json"
    path.write_text(json.dumps(found.to_json()))
    assert read_calibration(path) == found
    flat = {each.key: Grade(5, "r", (5,)) for each in answers}
    assert not calibrate_grades(answers, flat, judge=who).agrees
    none = calibrate_grades(answers, dict.fromkeys(said, Drop("refused")), judge=who)
    assert "no usable verdict on any answer" in none.verdict


@pytest.mark.parametrize("key", ["server", "form", "settings"])
def test_an_older_file_is_refused(tmp_path, key):
    judge = {name: each for name, each in JUDGE.items() if name != key}
    path = tmp_path / "judge.json"
    path.write_text(json.dumps(calibrated(("a", A), ("b", B), judge=judge).to_json()))
    with pytest.raises(InputError, match=rf"does not name the judge's {key}.*judge check again"):
        read_calibration(path)
