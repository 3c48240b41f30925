"""generate.distill: how the answers are asked for and which of them is kept."""

import json
from collections import Counter

import pytest

from datakit import run
from datakit.llm.request import Sample
from datakit.outcome import Drop
from datakit.step import StepError, verb_of
from datakit.steps.generate.distill import Distill
from tests.loopback import Fault, Plan, serve
from tests.steps.generate.teaching import ODD, SCHEMA, asked, content, once, rating, record, shown


def test_the_question_is_sent_as_it_is(tmp_path):
    step = Distill(system="Be brief.", top_p=0.9)
    child, (request,) = asked(step, record(ODD, "{prompt}"), once(f" {ODD}\n"), tmp_path)
    assert request.messages == (
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": f"{ODD}\n{{prompt}}"},
    )
    assert (request.n, request.temperature, request.top_p) == (1, 0.7, 0.9)
    assert (request.max_tokens, request.schema) == (2048, None)
    assert (child.instruction, child.input, child.output) == (ODD, "{prompt}", ODD)
    assert verb_of(Distill) == "revise"


def test_a_record_has_a_system_prompt_and_a_past_of_its_own(tmp_path):
    said = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "What is\n6 * 3?"},
        {"role": "assistant", "content": "19"},
    ]
    extra = {"messages": said, "system": "Own.", "label": False, "chosen": "19", "rejected": "2"}
    old = record(output="19", extra={**extra, "mine": 1})
    child, (request,) = asked(Distill(system="Step's."), old, once("18"), tmp_path)
    assert request.messages == ({"role": "system", "content": "Own."}, *said[:3])
    assert child.extra["messages"] == [*said[:3], {"role": "assistant", "content": "18"}]
    assert list(child.extra) == ["messages", "system", "rejected", "mine"]


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ("text", "messages_malformed"),
        ([{"role": "tool", "content": "x"}], "unknown_role"),
        ([{"role": "user", "content": None}], "empty_turn"),
        ([{"role": "user", "content": "What is 7 * 3?"}], "messages_differ"),
        ([{"role": "assistant", "content": "x"}] * 2, "messages_differ"),
    ],
)
def test_a_chat_that_cannot_be_sent(tmp_path, messages, reason):
    said, sent = asked(Distill(), record(extra={"messages": messages}), once("18"), tmp_path)
    assert (said.reason, sent) == (reason, [])


def test_what_is_kept_of_the_old_record(tmp_path):
    meta = {"license": "MIT", "topic": "t", "operator": "deepen", "source": "s"}
    books = {"step": "x", "model": "x", "cost": "1", "prompt_hash": "x", "lang": "en"}
    old = record(output="old", meta={**meta, **books, "scores": {"q": 1}, "parents": ["p"]})
    child, _ = asked(Distill(), old, once("18"), tmp_path)
    assert child.meta == {**meta, "parents": ["r1"], "samples": 1, "samples_used": 1}
    assert "reference" not in child.extra
    child, _ = asked(Distill(keep_reference=True), old, once("18"), tmp_path)
    assert child.extra == {"reference": "old"}
    child, _ = asked(Distill(keep_reference=True), record(output=" "), once("18"), tmp_path)
    assert child.extra == {}


def test_only_empty(tmp_path):
    step = Distill(only_empty=True)
    assert asked(step, record(output="there"), once("18"), tmp_path) == (None, [])
    assert asked(step, record(output=" \n"), once("18"), tmp_path)[0].output == "18"


def choose(tmp_path, step, answers, old=None):
    return asked(step, old or record(), once(*answers), tmp_path)[0]


def test_first_is_the_first_that_can_be_used(tmp_path):
    answers = [Sample("", "refused"), "good", "longer"]
    child = choose(tmp_path, Distill(samples=3), answers)
    assert child.output == "good"
    assert (child.meta["samples"], child.meta["samples_used"]) == (3, 2)
    assert "scores" not in child.meta


def test_longest(tmp_path):
    answers = ["a", "bbb", "ccc", "dd"]
    assert choose(tmp_path, Distill(samples=4, best="longest"), answers).output == "bbb"


@pytest.mark.parametrize(
    ("answers", "compare", "output", "agreed"),
    [
        (["Rome", " paris.", "*Paris*", "x"], "auto", "paris.", 2),
        (["a #### 17", "b #### 18", "c \\boxed{18.0}", "36/2"], "auto", "b #### 18", 3),
        (["1", "2", "2.0", "1.0"], "auto", "1", 2),
        (["It is 1.", "So 2", "hence 2 boats", "no"], "numeric", "So 2", 2),
        (["18", "18.0", "eighteen", "18."], "exact", "18", 2),
    ],
)
def test_majority(tmp_path, answers, compare, output, agreed):
    child = choose(tmp_path, Distill(samples=4, best="majority", compare=compare), answers)
    assert (child.output, child.scores) == (output, {"agreed": agreed})


@pytest.mark.parametrize(
    ("answers", "agree", "agreed"),
    [(["a", "b", "c"], 2, 1), (["a", "a", "b"], 3, 2)],
)
def test_no_majority(tmp_path, answers, agree, agreed):
    said = choose(tmp_path, Distill(samples=3, best="majority", agree=agree), answers)
    wanted = Drop("no_majority", agreed=agreed, wanted=agree, samples=3, samples_used=3)
    assert said == wanted
    none = Distill(samples=3, best="majority", compare="numeric")
    assert choose(tmp_path / "n", none, ["a", "a", "a"]).reason == "no_majority"


@pytest.mark.parametrize(
    ("gold", "answers", "compare", "output"),
    [
        ("6*3\n#### 18", ["17", "So it is 18.00 dollars.", "18"], "auto", 1),
        ("Paris", ["It is Paris", "PARIS!", "x"], "auto", 1),
        ("18", ["18.0", "It is 18", "18."], "exact", 2),
        ("It was 18 then", ["x 17", "y 18", "z"], "numeric", 1),
    ],
)
def test_match_keeps_the_first_right_one(tmp_path, gold, answers, compare, output):
    step = Distill(samples=3, best="match", compare=compare, keep_reference=True)
    child = choose(tmp_path, step, answers, record(output=gold))
    assert (child.output, child.extra["reference"]) == (answers[output], gold)
    assert child.scores["right"] >= 1


def test_no_right_answer_and_no_reference(tmp_path):
    said = choose(tmp_path, Distill(samples=2, best="match"), ["17", ODD], record(output="18"))
    assert said.reason == "no_right_answer"
    assert said.detail == {"reference": "18", "ends": ["17", ODD], "samples": 2, "samples_used": 2}
    for at, (output, compare) in enumerate([("", "auto"), ("**", "exact"), ("Paris", "numeric")]):
        step = Distill(best="match", compare=compare)
        said, sent = asked(step, record(output=output), once("18"), tmp_path / str(at))
        assert (said.reason, sent) == ("no_reference", [])


def test_sql_that_runs(tmp_path):
    step = Distill(samples=3, best="sql_executes")
    old = record("Long rivers?", SCHEMA)
    answers = [
        "SELECT length FROM river",
        "Here:\n```sql\nSELECT name FROM river;\n```",
        "SELECT 1",
    ]
    child = choose(tmp_path, step, answers, old)
    assert child.output == "SELECT name FROM river"
    said = choose(tmp_path / "none", step, ["SELECT x FROM river", "DROP TABLE river", "no"], old)
    assert (said.reason, said.detail["why"]) == ("does_not_run", "no_such_column")


def test_the_judge_sees_each_answer_once_in_an_order_of_chance(tmp_path):
    step = Distill(samples=4, best="judge")
    worth = {ODD: 9, "poor": 1, "fair": 5}
    rate, seen = rating(lambda text, _: worth[text]), []

    def reply(request):
        if request.n == 4:
            return ["poor", ODD, "fair", "poor"]
        assert (request.temperature, request.max_tokens) == (0.0, 2048)
        seen.append(tuple(shown(content(request))))
        return rate(content(request))

    for seed in range(8):
        child, sent = asked(step, record(), reply, tmp_path / str(seed), seed)
        assert (child.output, child.scores) == (ODD, {"rating": 9})
    assert {*map(frozenset, seen)} == {frozenset(worth)}
    assert len({*seen}) > 2
    assert "<question>\nWhat is 6 * 3?\n</question>" in content(sent[1])
    assert "from 1 to 10;" in content(sent[1])
    item = sent[1].schema["properties"]["ratings"]["items"]
    assert item["properties"]["rating"]["enum"] == list(range(1, 11))
    assert item["additionalProperties"] is False and set(item["required"]) == set(
        item["properties"]
    )


def test_equal_answers_need_no_judge(tmp_path):
    child, sent = asked(Distill(samples=2, best="judge"), record(), once("a", "a"), tmp_path)
    assert (child.output, len(sent)) == ("a", 1)


@pytest.mark.parametrize(
    "said",
    [
        "no JSON",
        '{"ratings": [{"answer": 1, "rating": 5}]}',
        '{"ratings": [{"answer": 1, "rating": 5}, {"answer": 1, "rating": 5}]}',
        '{"ratings": [{"answer": 1, "rating": 5}, {"answer": 2, "rating": 11}]}',
        '{"ratings": [{"answer": 1, "rating": 5}, {"answer": 2, "rating": true}]}',
        '{"ratings": [{"answer": 1, "rating": 5}, {"answer": [], "rating": 4}]}',
        '{"ratings": [1, 2]}',
        '{"ratings": null}',
    ],
)
def test_what_is_no_rating(tmp_path, said):
    step = Distill(samples=2, best="judge", json_schema=False)
    drop, sent = asked(step, record(), lambda r: ["a", "b"] if r.temperature else said, tmp_path)
    assert (drop.reason, drop.detail["why"], len(sent)) == ("not_rated", "unparsable", 3)
    assert sent[1].schema is None


@pytest.mark.parametrize(
    ("sample", "reason"),
    [
        (Sample("", "refused"), "refused"),
        (Sample("It", "length"), "cut_short"),
        (" \n", "unparsable"),
    ],
)
def test_an_answer_of_no_use(tmp_path, sample, reason):
    said, sent = asked(Distill(samples=2), record(), lambda r: [sample] * r.n, tmp_path)
    assert (said.reason, said.detail["samples"]) == (reason, 2)
    assert len(sent) == (1 if reason == "refused" else 3)


def test_nothing_is_asked(tmp_path):
    said, sent = asked(Distill(), record(" "), once("x"), tmp_path)
    assert (said.reason, sent) == ("empty_prompt", [])


def test_texts_of_ones_own(tmp_path):
    own = tmp_path / "own.txt"
    own.write_text("Think. {prompt}\nThen {answer")
    _, (request,) = asked(
        Distill(prompts={"answer": own.as_posix()}), record(), once("x"), tmp_path
    )
    assert content(request) == "Think. What is 6 * 3?\nThen {answer"
    own.write_text("{promt}")
    with pytest.raises(
        StepError, match=r"distill\.prompts: .*own\.txt:1: there is no place {promt}"
    ):
        Distill(prompts={"answer": own.as_posix()})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"best": "judge"}, r"samples: judge chooses one of several"),
        ({"best": "majority"}, r"samples: majority"),
        ({"samples": 2, "temperature": 0.0}, r"samples: at temperature 0"),
        ({"best": "majority", "samples": 2, "agree": 3}, r"agree: cannot be more than samples, 2"),
        ({"best": "match", "only_empty": True}, r"only_empty: match needs an output"),
    ],
)
def test_fields_that_contradict_each_other(fields, words):
    with pytest.raises(StepError, match=words):
        Distill(**fields)


PIPELINE = """
name: taught
source: asked.jsonl
teacher: {{provider: openai, model: m, base_url: "{url}"}}
steps:
  - generate.distill: {{samples: 3, best: judge, keep_reference: true}}
"""


def _rated(body):
    return rating(lambda text, _: 1 + len(text) % 10)(body["messages"][-1]["content"])


def _files(version):
    return version.data_path.read_bytes(), (version.path / "dropped.jsonl").read_bytes()


def test_a_pipeline_gives_the_same_again_and_asks_nothing_twice(tmp_path):
    rows = [{"instruction": f"Say {at}: {ODD}", "output": "x" * (at % 2)} for at in range(12)]
    (tmp_path / "asked.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    faults = [Fault("refusal", 0.1), Fault("length", 0.1), Fault("bad_request", 0.1)]
    plan = Plan(faults, reply=lambda body: _rated(body) if "response_format" in body else None)
    with serve(plan) as server:
        (tmp_path / "p.yaml").write_text(PIPELINE.format(url=server.url))
        found = [_files(run(tmp_path / "p.yaml", store=tmp_path / name)) for name in "ab"]
        before = server.bodies()
        # A run that was killed has the first part of the log.
        lines = (tmp_path / "a/taught/responses.jsonl").read_bytes().splitlines(keepends=True)
        (tmp_path / "c/taught").mkdir(parents=True)
        (tmp_path / "c/taught/responses.jsonl").write_bytes(b"".join(lines[: len(lines) // 2]))
        found.append(_files(run(tmp_path / "p.yaml", store=tmp_path / "c")))
        again = sum((server.bodies() - before).values())
    assert found[0] == found[1] == found[2]
    assert again == len(lines) - len(lines) // 2
    reasons = Counter(json.loads(each)["dropped"]["reason"] for each in found[0][1].splitlines())
    taught = [json.loads(each) for each in found[0][0].splitlines()]
    assert reasons["revised"] == len(taught) > 4
    assert sum(reasons.values()) == 12 and len(reasons) > 1
    for row in taught:
        assert (row["meta"]["step"], row["meta"]["model"]) == ("generate.distill", "m")
        assert row["meta"]["samples"] == 3
        assert row.get("reference", "x") == "x"
