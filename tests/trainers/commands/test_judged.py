"""Judged tasks of `datakit eval`: served models, and a judge whose mind is known."""

import json
from html.parser import HTMLParser

import pytest

from datakit.cli.main import main
from tests.judge.judges import shown
from tests.loopback import Plan, serve

PRICE = "price: {input: 1, output: 1}"
NUMBER = 24


class Mind:
    """A judge and two models: `strong` says good things, at any length that is asked for."""

    def __init__(self, verdict=None, grade=None):
        self.verdict = verdict or (lambda first, second: better(first, second))
        self.grade = grade or (lambda answer: 9 if "good" in answer else 4)
        self.judged = 0

    def __call__(self, body):
        asked = shown(body)
        if "first" in asked:
            self.judged += 1
            said = self.verdict(asked["first"], asked["second"])
            return json.dumps({"reason": "so it is", "better": said})
        if "answer" in asked:
            self.judged += 1
            return json.dumps({"reason": "so it is", "score": self.grade(asked["answer"])})
        at = len(body["messages"][-1]["content"])
        return f"A {'good' if body['model'] == 'strong' else 'poor'} answer." + " Yes." * (at % 3)


def better(first, second):
    if ("good" in first) == ("good" in second):
        return "tie"
    return "first" if "good" in first else "second"


@pytest.fixture
def mind():
    return Mind()


@pytest.fixture
def cli(tmp_path, monkeypatch, capsys, mind):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    rows = [
        {"instruction": f"Question {at}" + "?" * (at % 4 + 1), "output": "It is a boat."}
        for at in range(NUMBER)
    ]
    questions = [
        {
            "question_id": at,
            "category": ["math", "writing"][at % 2],
            "turns": [f"First {at}?", f"Second {at}?!"],
            **({"reference": ["one", "two"]} if at % 4 == 0 else {}),
        }
        for at in range(NUMBER)
    ]
    labels = [
        {
            "instruction": f"Q {at}?",
            "output_a": ["A good one.", "A poor one."][at % 2],
            "output_b": ["A poor one.", "A good one."][at % 2],
            "label": "ab"[at % 2],
        }
        for at in range(40)
    ]
    grades = [
        {
            "instruction": f"Q {at}?",
            "output": ["A good one.", "A poor one."][at % 2],
            "label": [9, 4][at % 2],
        }
        for at in range(40)
    ]
    for name, listed in (
        ("rows", rows), ("questions", questions), ("labels", labels), ("grades", grades),
    ):  # fmt: skip
        text = "".join(json.dumps(row) + "\n" for row in listed)
        (tmp_path / f"{name}.jsonl").write_text(text)

    with serve(Plan(reply=mind)) as server:
        judge = f"{{provider: openai, model: j, base_url: '{server.url}', {PRICE}}}"

        def run(*words, judged=True):
            capsys.readouterr()
            given = [word.replace("URL", server.url) for word in words]
            code = main([*given, *(["--judge", judge] if judged else [])])
            out, err = capsys.readouterr()
            return code, out, err

        run.check = lambda *words: main(["judge", "check", "--teacher", judge, *words])
        yield run


PAIRWISE = ("eval", "URL#strong", "--task", "pairwise:rows.jsonl", "--no-general")


def test_without_a_calibration_there_are_figures_and_no_verdict(cli, mind):
    code, out, err = cli(*PAIRWISE)
    assert code == 0, err
    assert "not calibrated: no verdict" in out
    assert "win rate 100.0 % [" in out
    assert "length controlled" in out
    assert f"of {NUMBER} against the file's outputs" in out
    assert "beats" not in out
    # Both orders are asked about, whoever wins; and never again.
    assert mind.judged == 2 * NUMBER
    again = cli(*PAIRWISE)[1]
    assert f"{2 * NUMBER} from the log" in again
    assert mind.judged == 2 * NUMBER


def test_a_judge_that_people_agree_with_gives_a_verdict(cli):
    assert cli.check("--labels", "labels.jsonl", "-o", "pair.json") == 0
    code, out, err = cli(*PAIRWISE, "--against", "URL#weak", "--calibration", "pair.json")
    assert code == 0, err
    assert "#strong beats " in out
    assert "agrees with people in 100 %" in out
    # The same judge asked otherwise is another one.
    other = cli(*PAIRWISE, "--calibration", "pair.json", "--judge-max-tokens", "99")[1]
    assert "is of another judge" in other
    assert "beats" not in other


def test_one_that_they_do_not_agree_with_gives_none(cli, mind):
    mind.verdict = lambda first, second: "first"
    assert cli.check("--labels", "labels.jsonl", "-o", "pair.json") == 1
    code, out, _ = cli(*PAIRWISE, "--calibration", "pair.json", "--json")
    assert code == 0
    (judged,) = json.loads(out)["tasks"][0]["judged"]
    assert judged["calibrated"] is False
    assert (judged["ties"], judged["flips"], judged["wins"]) == (NUMBER, NUMBER, 0)
    assert judged["figures"]["win_rate"]["value"] == 0.5
    assert "people do not agree" in judged["verdict"]


def test_two_turns_are_graded_and_compared(cli, mind):
    words = ("eval", "URL#strong", "--task", "mt-bench-lite:questions.jsonl", "--no-general")
    assert cli.check("--form", "grade", "--labels", "grades.jsonl", "-o", "grade.json") == 0
    code, out, err = cli(*words, "--calibration", "grade.json", "--against", "URL#weak")
    assert code == 0, err
    assert "grade 9.00" in out
    assert "other grade 4.00" in out
    assert "gain +5.00" in out
    assert "#strong beats " in out
    assert "in grade" in out
    # Comparisons have no calibration of their own form here.
    assert "datakit judge check --form pair calibrates it" in out
    assert "questions of math, reasoning, coding lack a reference" in out


def test_a_few_questions_are_too_few(cli):
    code, _, err = cli("eval", "URL#m", "--task", "mt-bench-lite:questions.jsonl", "--limit", "19")
    assert code == 2
    assert "has 19 questions with --limit 19; mt-bench-lite needs 20 or more" in err


def test_the_budget_ends_it_with_all_that_was_found(cli, mind):
    words = (*PAIRWISE, "--task", "match:rows.jsonl", "--json")
    code, out, err = cli(*words, "--budget", "0.004")
    assert code == 3
    assert "--budget" in err
    told = json.loads(out)
    tasks = {each["task"]: each for each in told["tasks"]}
    assert "judged" not in tasks["pairwise:rows.jsonl"]
    assert tasks["match:rows.jsonl"]["scores"]
    assert "pairwise:rows.jsonl is answered, but not judged" in told["unfinished"]
    before = mind.judged
    assert before < 2 * NUMBER
    assert cli(*words, "--budget", "5")[0] == 0
    assert mind.judged == 2 * NUMBER


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (PAIRWISE, "name the judge: --judge PROVIDER:MODEL"),
        ((*PAIRWISE, "--judge", "{provider: openai, model: j, mode: batch}"), "batch"),
        ((*PAIRWISE, "--judge", "nobody:m"), "nobody"),
        ((*PAIRWISE, "--calibration", "x.json"), "--calibration: belongs to a judge"),
        (
            ("eval", "URL#m", "--task", "match:rows.jsonl", "--against", "URL#w"),
            "no task is judged",
        ),
        (
            ("lift", "rows.jsonl", "--baseline", "grades.jsonl", "--task", "pairwise:rows.jsonl"),
            "is finished by a judge",
        ),
    ],
)
def test_mistakes_are_told_before_anything_is_asked(cli, mind, words, says):
    code, _, err = cli(*words, judged=False)
    assert code == 2
    assert says in err
    assert mind.judged == 0


def test_an_older_calibration_is_refused(cli, tmp_path):
    cli.check("--labels", "labels.jsonl", "-o", "pair.json")
    old = json.loads((tmp_path / "pair.json").read_text())
    old["judge"] = {"provider": "openai", "model": "j"}
    (tmp_path / "old.json").write_text(json.dumps(old))
    code, _, err = cli(*PAIRWISE, "--calibration", "old.json")
    assert code == 2
    assert "old.json" in err
    assert "judge check" in err


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_has_all_of_it_and_runs_nothing(cli, mind, tmp_path):
    hostile = "<script>alert(1)</script><img src=x onerror=alert(1)> good \u202e"
    mind.verdict = lambda first, second: "second" if "boat" in first else "first"
    model = mind.__class__.__call__
    mind_call = lambda body: hostile if body["model"] == "strong" else model(mind, body)  # noqa: E731
    with serve(Plan(reply=mind_call)) as server:
        code = main([
            "eval", f"{server.url}#strong", "--task", "pairwise:rows.jsonl", "--no-general",
            "--judge", f"{{provider: openai, model: j, base_url: '{server.url}', {PRICE}}}",
            "--page", "eval.html",
        ])  # fmt: skip
    assert code == 0
    page = Page((tmp_path / "eval.html").read_text())
    assert not {"script", "img", "iframe", "form", "link"} & set(page.tags)
    text = " ".join(page.text)
    assert "<script>alert(1)</script>" in text
    assert "\u202e" not in text
    assert "win rate" in text
    assert "no verdict" in text
    assert page.tags.count("details") == 20
