"""`datakit eval` with judged tasks: a real tiny model, a judge over HTTP whose mind is known."""

import argparse
import json
from dataclasses import dataclass

import pytest

from datakit.cli.main import common, main
from datakit.errors import DatakitError
from tests.judge.judges import longer, shown, teacher
from tests.loopback import Fault, Plan, serve
from trainers.commands.evaluate import evaluate

PRICE = {"input": "1", "output": "1"}
TWO_TURNS = [
    {
        "question_id": 81 + at,
        "category": ("writing", "math")[at % 2],
        "turns": [f"How many boats are there, {at}?", "And how many ferries?"],
        **({"reference": [f"{at} boats", "3 ferries"]} if at % 2 else {}),
    }
    for at in range(20)
]


@dataclass
class Ran:
    code: int
    out: str
    err: str = ""
    problems: tuple[str, ...] = ()

    @property
    def json(self):
        return json.loads(self.out)


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def cli(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    rows = [
        {"id": f"r{at}", "instruction": f"How many boats, {at}?", "output": "good " * (at % 4 + 1)}
        for at in range(12)
    ]
    write(tmp_path / "held.jsonl", rows)
    write(tmp_path / "bare.jsonl", [{"instruction": row["instruction"]} for row in rows])
    write(tmp_path / "mt.jsonl", TWO_TURNS)

    def run(*words):
        parser = argparse.ArgumentParser()
        evaluate.configure(parser)
        common(parser)
        capsys.readouterr()
        words = [str(word) for word in (*words, "--dtype", "float32", "--max-new-tokens", "6")]
        try:
            code = evaluate.run(parser.parse_args(words))
        except DatakitError as error:
            told = capsys.readouterr()
            return Ran(error.exit_code, told.out, told.err, error.problems)
        return Ran(code, *capsys.readouterr())

    return run


def judge(verdict=longer, grade=lambda asked: 7, **plan):
    """A judge that compares and grades as it is asked."""

    def reply(body):
        asked = shown(body)
        if "first" in asked:
            return json.dumps({"reason": "r", "better": verdict(asked["first"], asked["second"])})
        return json.dumps({"reason": "r", "score": grade(asked)})

    return Plan(reply=reply, **plan)


def at(server, **fields):
    return ["--judge", json.dumps(teacher(server, **fields))]


def calibrated(server, folder, form="pair", **fields):
    """Runs `judge check` on labels that the judge agrees with."""
    rows = []
    for n in range(40):
        texts = ["short", "very much longer"][:: 1 if n % 2 else -1]
        if form == "pair":
            label = "ab"[texts.index("very much longer")]
            both = {"output_a": texts[0], "output_b": texts[1]}
            rows.append({"instruction": f"Q{n}", **both, "label": label})
        else:
            rows.append({"instruction": f"Q{n}", "output": texts[0], "label": 8 - 6 * (n % 2)})
    write(folder / "labels.jsonl", rows)
    words = ["judge", "check", "--form", form, "--labels", "labels.jsonl"]
    return main([*words, "--teacher", json.dumps(teacher(server, **fields)), "-o", f"{form}.json"])


def test_pairwise_against_the_file_s_outputs(cli, tiny_model_dir, tmp_path):
    words = [tiny_model_dir, "--task", "pairwise:held.jsonl", "--json", "--items", "i.jsonl"]
    with serve(judge(lambda first, _: "second" if "good" in first else "first")) as server:
        ran = cli(*words, *at(server))
        assert ran.code == 0, ran.problems
        assert len(server.answered()) == 24
        (task,) = ran.json["tasks"]
        (found,) = task["judged"]
        assert (found["wins"], found["losses"], found["ties"], found["judged"]) == (12, 0, 0, 12)
        assert found["figures"]["win_rate"]["value"] == 1
        assert found["figures"]["win_rate"]["low"] > 0.7
        assert found["verdict"] == found["calibration"] == "not calibrated: no verdict"
        assert found["cost"]["requests"] == 24 and found["cost"]["usd"] is None
        rows = [json.loads(line) for line in (tmp_path / "i.jsonl").read_text().splitlines()]
        assert rows[1]["judged"]["pair"]["verdicts"] == ["a", "a"]
        assert rows[1]["judged"]["pair"]["other"] == "good good "
        again = cli(*words, *at(server))
        assert len(server.answered()) == 24, "nothing is asked twice"
        assert again.json["tasks"][0]["judged"][0]["cost"]["cached"] == 24


def test_a_judge_that_likes_what_comes_first_sees_ties_alone(cli, tiny_model_dir):
    with serve(judge(lambda first, second: "first")) as server:
        ran = cli(tiny_model_dir, "--task", "pairwise:held.jsonl", "--json", *at(server))
    (found,) = ran.json["tasks"][0]["judged"]
    assert (found["ties"], found["flips"]) == (12, 12)
    assert found["figures"]["win_rate"]["value"] == 0.5
    assert found["figures"]["length_controlled"]["value"] == pytest.approx(0.5)


def test_a_verdict_needs_a_calibration_of_this_judge(cli, tiny_model_dir, tmp_path):
    words = [tiny_model_dir, "--task", "pairwise:held.jsonl", "--calibration", "pair.json"]
    with serve(judge()) as server:
        assert calibrated(server, tmp_path) == 0
        ran = cli(*words, *at(server))
        told = "calibrated: agrees with people in 100 % (91 to 100) of 40 pairs"
        assert ran.out.count(told) == 2, "beside both figures"
        assert "cannot be told apart" in ran.out or "beats" in ran.out
        other = cli(*words, *at(server, model="other"))
        assert "not calibrated: no verdict (pair.json is of another judge: its model is m, not" in (
            other.out
        )
        warm = cli(*words, *at(server), "--judge-temperature", "1")
        assert "its temperature is 0.0, not 1.0" in warm.out
        assert "beats" not in warm.out + other.out
    with serve(judge()) as elsewhere:
        assert "its server is " in cli(*words, *at(elsewhere)).out
    old = json.loads((tmp_path / "pair.json").read_text())
    del old["judge"]["settings"]
    (tmp_path / "pair.json").write_text(json.dumps(old))
    ran = cli(*words, *at(server))
    assert ran.code == 2
    assert "does not name the judge's settings: an older datakit wrote it. Run" in ran.problems[0]


def test_a_judge_that_people_do_not_agree_with_gets_no_verdict(cli, tiny_model_dir, tmp_path):
    with serve(judge(lambda first, second: "first")) as server:
        assert calibrated(server, tmp_path) == 1
        words = ["--task", "pairwise:held.jsonl", "--calibration", "pair.json", "--json"]
        ran = cli(tiny_model_dir, *words, *at(server))
    (found,) = ran.json["tasks"][0]["judged"]
    assert found["calibrated"] is False
    assert found["verdict"].startswith("people do not agree with this judge: no verdict may rest")


def test_mt_bench_grades_two_turns_beside_references(cli, tiny_model_dir, tmp_path):
    def grade(asked):
        return 8 if "User: And how many" in asked["question"] else 4

    with serve(judge(grade=grade)) as server:
        ran = cli(
            tiny_model_dir, "--task", "mt-bench-lite:mt.jsonl", "--json", "--page", "p.html",
            *at(server),
        )  # fmt: skip
        sent = [row["sent"]["messages"][0]["content"] for row in server.answered()]
    assert ran.code == 0, ran.problems
    (found,) = ran.json["tasks"][0]["judged"]
    figures = {name: each["value"] for name, each in found["figures"].items()}
    assert figures == {"grade": 6, "grade_turn_1": 4, "grade_turn_2": 8}
    assert found["categories"].keys() == {"writing", "math"}
    assert len(sent) == 40
    guided = [text for text in sent if "<reference>" in text]
    assert len(guided) == 20
    assert all("ferries" in text.partition("<reference>")[2] or "User:" not in text
               for text in guided)  # fmt: skip
    assert (tmp_path / "p.html").read_text().startswith("<!doctype html>")


def test_mt_bench_against_another_model(cli, tiny_model_dir, tiny_adapter_dir, tmp_path):
    with serve(judge(grade=lambda asked: 3 if len(asked["answer"]) < 12 else 8)) as server:
        assert calibrated(server, tmp_path, "grade") == 0
        assert calibrated(server, tmp_path) == 0
        before = len(server.answered())
        ran = cli(
            tiny_adapter_dir, "--task", "mt-bench-lite:mt.jsonl", "--against", tiny_model_dir,
            "--no-general", "--json", *at(server),
            "--calibration", "grade.json", "--calibration", "pair.json",
        )  # fmt: skip
        assert ran.code == 0, ran.problems
        graded, compared = ran.json["tasks"][0]["judged"]
        asked = server.answered()[before:]
    assert graded["calibrated"] and compared["calibrated"]
    assert graded["against"] == compared["against"] == str(tiny_model_dir)
    assert graded["figures"]["gain"]["value"] == pytest.approx(
        graded["figures"]["grade"]["value"] - graded["figures"]["other_grade"]["value"]
    )
    assert compared["judged"] == 40
    # Grades of both models' turns, and both orders of each comparison.
    assert len(asked) == 80 + 2 * (40 - compared["same"])
    assert compared["wins"] + compared["losses"] + compared["ties"] == 40


def test_several_models_are_judged_when_the_last_is_closed(
    cli, tiny_model_dir, tiny_adapter_dir, monkeypatch
):
    from trainers.evaluate.local import LocalSubject

    events = []
    close = LocalSubject.close
    monkeypatch.setattr(LocalSubject, "close", lambda self: (events.append("closed"), close(self)))

    def verdict(first, second):
        events.append("judged")
        return longer(first, second)

    with serve(judge(verdict)) as server:
        words = ["--task", "pairwise:bare.jsonl", "--against", tiny_model_dir, "--json"]
        ran = cli(tiny_adapter_dir, tiny_model_dir, *words, "--no-general", *at(server))
    first, second = ran.json["models"]
    assert events[:3] == ["closed"] * 3 and "closed" not in events[3:]
    assert first["tasks"][0]["judged"][0]["against"] == str(tiny_model_dir)
    # A model against itself says the same; there is nothing to ask.
    (same,) = second["tasks"][0]["judged"]
    assert (same["ties"], same["same"], same["cost"]["requests"]) == (12, 12, 0)


def test_the_budget_ends_it_and_nothing_is_lost(cli, tiny_model_dir, tmp_path):
    words = [tiny_model_dir, "--task", "perplexity:held.jsonl", "--task", "pairwise:held.jsonl"]
    words += ["--items", "i.jsonl", "--json"]
    with serve(judge()) as server:
        priced = at(server, price=PRICE)
        ran = cli(*words, *priced, "--budget", "0.003")
        assert ran.code == 3 and "The budget of $0.003 is reached" in ran.problems[0]
        assert ran.json["tasks"][0]["scores"]["nll"]["value"] > 0
        assert ran.json["unfinished"] == ["pairwise:held.jsonl is answered, but not judged"]
        assert "judged" not in ran.json["tasks"][1]
        asked = len(server.answered())
        assert 0 < asked < 24
        rows = [json.loads(line) for line in (tmp_path / "i.jsonl").read_text().splitlines()]
        assert len(rows) == 24
        ran = cli(*words, *priced, "--budget", "1")
        assert ran.code == 0
        assert len(server.answered()) == 24
        assert 0 < ran.json["tasks"][1]["judged"][0]["cost"]["usd"] < 1


def test_a_judge_that_fails_leaves_what_was_measured(cli, tiny_model_dir):
    words = [tiny_model_dir, "--task", "perplexity:held.jsonl", "--task", "pairwise:held.jsonl"]
    with serve(judge(faults=[Fault("unauthorized")])) as server:
        ran = cli(*words, *at(server))
    assert ran.code == 4
    assert "perplexity:held.jsonl  nll" in ran.out
    assert "Not finished: pairwise:held.jsonl is answered, but not judged." in ran.out
    assert "saved in eval.responses.jsonl" in ran.problems[-1]


def test_another_model_that_fails_leaves_what_was_measured(cli, tiny_model_dir, monkeypatch):
    monkeypatch.setattr("trainers.evaluate.served._RETRIES", 0)
    held = ["--task", "perplexity:held.jsonl", "--task", "pairwise:held.jsonl"]

    def reply(body):
        return "ok" if body["max_tokens"] == 1 else None

    faults = [Fault("server_error")]
    with serve(judge()) as server, serve(Plan(reply=reply)) as other:
        check = other.plan.faults
        monkeypatch.setattr("trainers.evaluate.run._evaluated", after(lambda: check.extend(faults)))
        ran = cli(tiny_model_dir, *held, *at(server), "--against", f"{other.url}#m", "--json")
        assert server.answered() == []
    assert ran.code == 4
    assert ran.json["unfinished"] == ["pairwise:held.jsonl is answered, but not judged"]
    assert ran.json["tasks"][0]["scores"]["nll"]["value"] > 0


def after(act):
    from trainers.evaluate.run import _evaluated

    def run(*words):
        found = _evaluated(*words)
        act()
        return found

    return run


def test_a_later_model_that_fails_leaves_the_earlier_one(cli, tiny_model_dir, monkeypatch):
    monkeypatch.setattr("trainers.evaluate.served._RETRIES", 0)
    with serve() as other:
        monkeypatch.setattr(
            "trainers.evaluate.run._evaluated",
            after(lambda: other.plan.faults.append(Fault("server_error"))),
        )
        words = ["--task", "match:held.jsonl", "--json", "--no-base"]
        ran = cli(tiny_model_dir, f"{other.url}#m", *words)
    assert ran.code == 4
    (first,) = ran.json["models"]
    assert first["tasks"][0]["scores"]
    assert first["unfinished"] == [f"{other.url}#m is not measured"]


def test_ctrl_c_while_it_is_judged(cli, tiny_model_dir, monkeypatch, tmp_path):
    from datakit.judge import Session

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(Session, "map", stop)
    held = ["--task", "perplexity:held.jsonl", "--task", "pairwise:held.jsonl", "--items", "i"]
    with serve(judge()) as server, pytest.raises(KeyboardInterrupt) as stopped:
        cli(tiny_model_dir, *held, *at(server))
    assert stopped.value.found.unfinished == ("pairwise:held.jsonl is answered, but not judged",)
    assert stopped.value.found.outcomes[0].scores["nll"].value > 0
    assert (tmp_path / "i").read_text().count('"interrupted": true') == 24


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--task", "pairwise:held.jsonl"], "is judged; name the judge: --judge PROVIDER:MODEL."),
        (["--task", "pairwise:bare.jsonl", "--judge", "openai:m"], "12 of 12 items have no output"),
        (["--task", "perplexity:held.jsonl", "--judge", "openai:m"], "--judge: no task is judged"),
        (["--task", "perplexity:held.jsonl", "--against", "embedded"], "--against: no task is"),
        (["--task", "perplexity:held.jsonl", "--budget", "1"], "--budget: belongs to a judge"),
        (["--task", "perplexity:held.jsonl", "--calibration", "x"], "--calibration: belongs to"),
        (["--task", "pairwise:held.jsonl", "--judge", "openai:m"], "OPENAI_API_KEY"),
        (["--task", "pairwise:held.jsonl", "--judge", "opnai:m"], 'unknown "opnai"; did you mean'),
        (["--task", "mt-bench-lite:mt.jsonl", "--judge", "openai:m", "--limit", "5"],
         "has 5 questions with --limit 5; mt-bench-lite needs 20 or more"),
        (["--task", "pairwise:held.jsonl", "--judge",
          "{provider: openai, model: m, base_url: 'http://127.0.0.1:9', mode: batch}"],
         "The judge has mode: batch"),
        (["--task", "pairwise:held.jsonl", "--judge",
          "{provider: openai, model: m, base_url: 'http://127.0.0.1:9'}", "--budget", "1"],
         "A budget needs the price of m"),
        (["--task", "pairwise:held.jsonl", "--judge", "embedded", "--calibration", "no.json"],
         "no.json: cannot be read"),
        (["--task", "pairwise:held.jsonl", "--judge", "embedded", "--judge-prompt", "x"],
         "--judge-prompt x: write pair=FILE or grade=FILE."),
        (["--task", "pairwise:held.jsonl", "--judge", "embedded", "--judge-log", "no/x"],
         "--judge-log no/x: there is no folder no."),
        (["--task", "pairwise:held.jsonl", "--judge", "embedded", "--page", "no/x"],
         "--page no/x: there is no folder no."),
        (["--task", "pairwise:held.jsonl", "--judge", "embedded", "--against", "nosuch"],
         "nosuch: there is no such model"),
    ],
)  # fmt: skip
def test_mistakes_are_told_before_a_model_is_opened(
    cli, tiny_model_dir, tmp_path, monkeypatch, words, says
):
    monkeypatch.setattr("trainers.evaluate.run.open_subject", None)
    ran = cli(tiny_model_dir, *words)
    assert ran.code == 2 and any(says in text for text in ran.problems), ran.problems
    assert not list(tmp_path.glob("*.responses.jsonl"))


def test_a_study_takes_no_judged_task():
    from datakit.errors import InputError
    from trainers.lift.terms import Terms

    with pytest.raises(InputError, match="--task pairwise:x: is finished by a judge"):
        Terms(task="pairwise:x")
