"""judge check, against judges whose mind is known."""

import json

import pytest

from datakit.judge import read_calibration
from tests.judge.judges import good, longer, pairwise, scoring, shown
from tests.loopback import Fault, Plan, serve

PRICE = "price: {input: 1, output: 1}"

TEACHER = (
    "'{{provider: openai, model: judge-1, base_url: \"{url}\", price: {{input: 1, output: 1}}}}'"
)


def row(at, label="a", **more):
    """A pair whose good answer is the labelled one, and whose longer answer is in turn either."""
    texts = ["good", "poor"] if label != "b" else ["poor", "good"]
    if label == "tie":
        texts = ["poor", "poor"]
    texts[at % 2] += " and long" * (at % 5 + 1)
    pair = {"instruction": f"Question {at}?", "output_a": texts[0], "output_b": texts[1]}
    return {**pair, "label": label, **more}


def write(folder, rows, name="labels.jsonl"):
    (folder / name).write_text("".join(json.dumps(each) + "\n" for each in rows))


@pytest.fixture
def labels(folder):
    write(folder, [row(at, "ab"[at // 2 % 2]) for at in range(40)])
    return folder


def check(cli, server, options="", labels="labels.jsonl"):
    teacher = f"{{provider: openai, model: judge-1, base_url: '{server.url}', {PRICE}}}"
    return cli(f'judge check --labels {labels} --teacher "{teacher}" {options}')


def test_a_judge_that_knows_what_is_good(cli, labels):
    with serve(pairwise(good)) as server:
        ran = check(cli, server)
        assert ran.code == 0, ran.err
        first = ran.out.splitlines()[0]
        assert first == "agrees with people in 100 % (91 to 100) of 40 pairs"
        assert "kappa 1.00" in ran.out
        assert "saved  judge.json" in ran.out
        assert "judge openai/judge-1 · 40 pairs" in ran.err
        assert len(server.answered()) == 80
        found = read_calibration(labels / "judge.json")
        assert found.agrees
        assert found.judge == {**found.judge, "provider": "openai", "model": "judge-1"}
        assert found.longer.low < 0 < found.longer.high
        document = json.loads((labels / "judge.json").read_text())
        assert document["cost"]["requests"] == 80
        assert float(document["cost"]["usd"]) > 0
        assert document["items"][0]["winner"] == document["items"][0]["label"] == "a"
        # Asking again is free, in any order and with other labels.
        write(labels, [row(at, "ab"[at // 2 % 2], model_a="m") for at in reversed(range(40))])
        assert "80 from the log" in check(cli, server, "-o judge.json").out
        assert len(server.answered()) == 80


def test_a_judge_that_likes_length(cli, labels):
    with serve(pairwise(longer)) as server:
        ran = check(cli, server, "--json -o lengthy.json")
    assert ran.code == 1
    assert ran.err == ""
    document = json.loads(ran.out)
    assert not document["agrees"]
    assert document["verdict"].startswith("people do not agree with this judge: no verdict may")
    assert document["agreement"]["value"] == 0.5
    assert document["longer"]["value"] == 1
    assert document["longer"]["low"] > 0.5
    assert document["flips"]["value"] == 0
    assert document["first"]["value"] == 0.5
    assert read_calibration("lengthy.json").verdict == document["verdict"]


def test_a_judge_that_likes_what_comes_first(cli, labels):
    with serve(pairwise(lambda first, second: "first")) as server:
        ran = check(cli, server)
    assert ran.code == 1
    assert "the answer shown first wins 100 % (91 to 100) of 80 decided verdicts" in ran.out
    assert "the order of the answers changes 100 %" in ran.out


def test_a_judge_that_likes_its_own(cli, folder):
    rows = [row(at, "ab"[at // 2 % 2], model_a="judge-1", model_b="other") for at in range(40)]
    write(folder, rows)
    own = {each["output_a"] for each in rows}
    with serve(pairwise(lambda first, _: "first" if first in own else "second")) as server:
        ran = check(cli, server, "--limit 30")
    assert ran.code == 1
    assert "leans to its own answers by +" in ran.out
    assert "of 30 pairs" in ran.out


def test_preferences_are_labels_too_and_the_same_pair_is_asked_about_once(cli, folder):
    row = {"prompt": "Name a river.", "chosen": "A good one.", "rejected": "A tree."}
    rows = [{**row, "prompt": f"Name a river, {at % 20}."} for at in range(40)]
    write(folder, [*rows, {**row, "rejected": row["chosen"]}])
    with serve(pairwise(good)) as server:
        ran = check(cli, server)
        assert len(server.answered()) == 40
    assert ran.code == 0
    assert "not asked about: 1 pair with the same text" in ran.out
    # 40 labels on 20 questions tell no more than 20.
    assert "100 % (84 to 100) of 40 pairs" in ran.out


def test_a_judge_that_cannot_be_read(cli, labels):
    with serve(Plan(reply=lambda body: "I like both.")) as server:
        ran = check(cli, server, "--no-json-schema --temperature none --max-tokens 50")
        sent = server.answered()[0]["sent"]
    assert ran.code == 1
    assert "no verdict on 40 pairs: unparsable 40" in ran.out
    assert sent["max_tokens"] == 50
    assert not {"temperature", "response_format"} & set(sent)


def test_a_prompt_and_a_teacher_in_files(cli, labels):
    (labels / "own.txt").write_text("Q {question}\n1. {first}\n2. {second}\n")

    def reply(body):
        _, first, second, *_ = body["messages"][0]["content"].splitlines()
        return json.dumps({"reason": "", "better": good(first, second)})

    with serve(Plan(reply=reply)) as server:
        text = f"provider: openai\nmodel: m\nbase_url: {server.url}\n"
        (labels / "judge.yaml").write_text(text)
        ran = cli("judge check --labels labels.jsonl --teacher judge.yaml --prompt own.txt")
    assert ran.code == 0, ran.err
    assert "cost   not known (80 requests, 0 from the log)" in ran.out


def test_the_budget_ends_it_and_a_higher_one_goes_on(cli, labels):
    with serve(pairwise(good)) as server:
        ran = check(cli, server, "--budget 0.01")
        assert ran.code == 3
        assert "The budget of $0.01 is reached" in ran.err
        assert not (labels / "judge.json").exists()
        ran = check(cli, server, "--budget 1")
        assert ran.code == 0
        assert len(server.answered()) == 80


def test_a_provider_that_fails_keeps_what_was_answered(cli, labels):
    with serve(pairwise(good, faults=[Fault("unauthorized")])) as server:
        ran = check(cli, server)
    assert ran.code == 4
    assert "What was answered is saved" in ran.err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--labels no.jsonl --teacher '{}'", "no.jsonl: there is no such file"),
        ("--labels bad.jsonl --teacher '{}'", 'bad.jsonl:2: "label" must be a, b or tie, not "c".'),
        ("--labels other.jsonl --teacher '{}'", "other.jsonl:1: there is no pair in it."),
        ("--labels ties.jsonl --teacher '{}'", "ties.jsonl: people prefer neither answer in any"),
        (
            "--labels labels.jsonl --teacher '{provider: opnai}'",
            "--teacher:1:12: provider: unk",
        ),
        ("--labels labels.jsonl --teacher openai", "--teacher:1:1: a teacher is written as"),
        (
            "--labels labels.jsonl --teacher '{modl: m}'",
            "--teacher:1:2: modl: unknown key; did you",
        ),
        ("--labels labels.jsonl --teacher no.yaml", "no.yaml: there is no such file"),
        ("--labels labels.jsonl --teacher '{}' -o no/j.json", "no/j.json: there is no folder no."),
        ("--labels labels.jsonl --teacher '{}' -o .", ".: is a folder"),
        ("--labels labels.jsonl --teacher '{}' --prompt p.txt", "--prompt: p.txt: has no place"),
        ("--labels labels.jsonl --teacher '{}' --prompt no.txt", "--prompt: no.txt: cannot be"),
        ("--labels labels.jsonl --teacher '{}' --temperature 3", "is not a number from 0 to 2"),
        ("--labels labels.jsonl --teacher '{}' --limit 0", "is not a whole number"),
        ("--labels labels.jsonl", "--teacher is missing."),
    ],
)
def test_mistakes(cli, labels, line, message):
    write(labels, [row(0), row(1, "c")], "bad.jsonl")
    write(labels, [{"instruction": "Q", "output": "x"}], "other.jsonl")
    write(labels, [row(at, "tie") for at in range(3)], "ties.jsonl")
    (labels / "p.txt").write_text("{question} {first}")
    ran = cli(f"judge check {line}")
    assert ran.code == 2
    assert message in ran.err
    assert not list(labels.glob("judge*"))


def grades(folder, count=40):
    rows = [
        {"instruction": f"Q{at}", "output": ("good" if at % 2 else "poor") * (at % 3 + 1),
         "label": 8 if at % 2 else 3}
        for at in range(count)
    ]  # fmt: skip
    write(folder, rows)


def test_a_judge_of_single_grades(cli, folder):
    grades(folder)
    knows = scoring(lambda body: 9 if "good" in shown(body)["answer"] else 5)
    with serve(knows) as server:
        ran = check(cli, server, "--form grade")
        assert ran.code == 0, ran.err
        first = ran.out.splitlines()[0]
        assert first == "agrees with people in 100 % (84 to 100) of 400 pairs of graded answers"
        assert "its grades less people's: +1.5" in ran.out
        assert len(server.answered()) == 40
        found = read_calibration(folder / "judge.json")
        assert (found.form, found.judge["server"]) == ("grade", server.url)
        assert json.loads((folder / "judge.json").read_text())["items"][1]["grade"] == 9
        assert "40 from the log" in check(cli, server, "--form grade").out
    with serve(scoring(lambda body: len(shown(body)["answer"]) % 10 + 1)) as server:
        assert check(cli, server, "--form grade -o other.json").code == 1


def test_mistakes_of_grades(cli, folder):
    grades(folder, 1)
    ran = cli("judge check --form grade --labels labels.jsonl --teacher embedded")
    assert ran.code == 2 and "people give all answers the same grade" in ran.err
    write(folder, [row(0)])
    ran = cli("judge check --form grade --labels labels.jsonl --teacher embedded")
    assert ran.code == 2 and 'labels.jsonl:1: "output" is missing' in ran.err
    ran = cli("judge check --form grad --labels labels.jsonl --teacher embedded")
    assert 'there is no "grad"; did you mean "grade"' in ran.err


def test_provider_and_model_will_do_as_a_teacher(cli, labels):
    ran = cli("judge check --labels labels.jsonl --teacher openai:judge-1")
    assert ran.code == 2 and "OPENAI_API_KEY" in ran.err
    ran = cli("judge check --labels labels.jsonl --teacher opnai:judge-1")
    assert ran.code == 2 and 'unknown "opnai"; did you mean "openai"' in ran.err
    text = "{provider: openai, model: m, base_url: 'http://x', mode: batch}"
    ran = cli(f'judge check --labels labels.jsonl --teacher "{text}"')
    assert ran.code == 2 and "The judge has mode: batch" in ran.err
    assert not list(labels.glob("judge*"))
