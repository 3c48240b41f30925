import json
import re
import shutil

import pytest

import datakit
from datakit.config import parse_pipeline
from datakit.errors import PipelineError
from datakit.llm.request import Sample
from datakit.outcome import Rejected
from datakit.record import Record
from datakit.step import StepError
from datakit.steps.generate.topic_grid import TopicGrid
from tests.loopback import serve
from tests.steps.generate.asked import SEEDS, make

TOPICS = {"boats": ["sails", "hulls"], "ports": None}
PERSONAS = ["A sailor.", "A {clerk}."]


def tasks(*items):
    return json.dumps({"tasks": list(items)})


def task(probability=0.05, **changes):
    return {"instruction": "Do {it}.", "input": "", "output": "<b>Done</b>"} | changes | (
        {} if probability is ... else {"probability": probability}
    )  # fmt: skip


def place(message):
    return tuple(re.findall(r"(?:Topic|Who asks): (.*)", message))


def test_the_originals_constants():
    step = TopicGrid()
    assert (step.candidates, step.tail, step.verbalized) == (5, 0.10, True)


def test_how_many_records_a_request_gives():
    assert TopicGrid(topics=["a"]).per_request == 5
    assert TopicGrid().per_request == 2.5
    assert TopicGrid(topics=["a"], verbalized=False).per_request == 1


def test_what_is_sent(tmp_path):
    step = TopicGrid(topics=["boats"], personas=["A sailor."], temperature=None)
    ((record,),), provider = make(tmp_path, step, lambda _: tasks(task()))
    (request,) = provider.sent
    (message,) = provider.messages
    assert place(message) == ("boats", "A sailor.")
    assert "5 from the tail" in message
    assert "probability below 0.10" in message
    (seed,) = (seed for seed in SEEDS if record.parents == (seed.id,))
    shown = {"instruction": seed.instruction, "input": "", "output": seed.output}
    assert json.dumps(shown) in message
    assert request.messages[0]["role"] == "system"
    assert (request.temperature, request.max_tokens) == (None, 5 * 768)
    item = request.schema["properties"]["tasks"]["items"]
    assert item["required"] == ["instruction", "input", "output", "probability"]
    assert item["additionalProperties"] is False


def test_all_tasks_become_records_with_their_facts(tmp_path):
    said = tasks(task(0.02), task(1), task(0, input=" some "))
    step = TopicGrid(topics=TOPICS, personas=PERSONAS)
    (made,), _ = make(tmp_path, step, lambda _: said)
    assert [record.meta["probability"] for record in made] == [0.02, 1.0, 0.0]
    assert [record.input for record in made] == ["", "", "some"]
    for record in made:
        assert (record.instruction, record.output) == ("Do {it}.", "<b>Done</b>")
        assert record.meta["topic"] in ("boats > sails", "boats > hulls", "ports")
        assert record.meta["persona"] in PERSONAS
        assert len(record.parents) == 1


@pytest.mark.parametrize("value", [None, "0.05", "5%", 1.5, -0.1, True, [0.1], ..., 10**400])
def test_a_probability_that_is_none_is_null(tmp_path, value):
    (made,), _ = make(tmp_path, TopicGrid(topics=["a"]), lambda _: tasks(task(value)))
    assert made[0].meta["probability"] is None


def test_every_cell_has_its_turn(tmp_path):
    step = TopicGrid(topics=TOPICS, personas=PERSONAS)
    calls, provider = make(tmp_path, step, lambda _: tasks(task()), range(24))
    cells = {
        (record.meta["topic"], record.meta["persona"], record.parents[0]) for (record,) in calls
    }
    assert len(cells) == 3 * 2 * 4
    assert [place(message) for message in provider.messages] == [
        (record.meta["topic"], record.meta["persona"]) for (record,) in calls
    ]


def test_only_the_users_own_seeds_are_in_the_grid(tmp_path):
    pool = [*SEEDS[:2], Record("made", output="made", id="x")]
    step = TopicGrid(topics=["a"])
    calls, _ = make(tmp_path, step, lambda _: tasks(task()), range(6), pool, {"s0", "s1"})
    assert {record.parents for (record,) in calls} == {("s0",), ("s1",)}
    # Where none of them passes the pipeline's own steps, what there is is shown.
    calls, _ = make(tmp_path, step, lambda _: tasks(task()), range(9, 12), pool, set())
    assert {record.parents for (record,) in calls} == {("s0",), ("s1",), ("x",)}


def test_what_is_not_whole_is_rejected_alone(tmp_path):
    broken = [task(instruction=" "), task(output=""), "a text", task(input=3), {}]
    said = tasks(*broken, task())
    (made,), provider = make(tmp_path, TopicGrid(topics=["a"]), lambda _: said)
    assert len(provider.sent) == 1
    assert [each.drop.reason if isinstance(each, Rejected) else "" for each in made] == [
        *("incomplete", "incomplete", "unparsable", "unparsable", "incomplete", ""),
    ]
    assert [each.drop.detail.get("missing") for each in made[:2]] == ["instruction", "output"]
    assert all(isinstance(each, Record) or each.record.meta["topic"] == "a" for each in made)
    assert all(isinstance(each, Record) or each.record.parents for each in made)


@pytest.mark.parametrize(
    ("said", "reason", "requests"),
    [
        (Sample("I cannot.", "refused"), "refused", 1),
        (Sample('{"tasks": [{"inst', "length"), "cut_short", 2),
        ("no JSON", "unparsable", 2),
        ('{"tasks": []}', "unparsable", 2),
        ('{"tasks": {}}', "unparsable", 2),
        ('"tasks"', "unparsable", 2),
    ],
)
def test_an_answer_that_cannot_be_used(tmp_path, said, reason, requests):
    step = TopicGrid(topics=["a"], personas=["P"])
    ((each,),), provider = make(tmp_path, step, lambda _: said)
    assert each.drop.reason == reason
    assert len(provider.sent) == requests
    assert (each.record.meta["topic"], each.record.meta["persona"]) == ("a", "P")
    assert each.record.parents


def test_a_bare_list_is_read_too(tmp_path):
    (made,), _ = make(tmp_path, TopicGrid(topics=["a"]), lambda _: json.dumps([task(), task()]))
    assert len(made) == 2


def test_one_task_where_it_is_not_verbalized(tmp_path):
    step = TopicGrid(topics=["a"], verbalized=False, json_schema=False)
    ((record,),), provider = make(tmp_path, step, lambda _: tasks(task(...)))
    (request,) = provider.sent
    assert "probability" not in record.meta
    assert (record.meta["topic"], record.meta["persona"]) == ("a", None)
    assert "robability" not in provider.messages[0]
    assert (request.schema, request.max_tokens) == (None, 768)


def naming(message):
    if "narrow topics" in message:
        return json.dumps({"topics": [" sea  birds ", "whales", "whales", ""]})
    return tasks(task())


def test_without_topics_the_teacher_names_some(tmp_path):
    step = TopicGrid(topics_per_call=7, examples=3, personas=PERSONAS)
    calls, provider = make(tmp_path, step, naming, range(8))
    assert len(provider.sent) == 16
    for first, second, (record,) in zip(
        provider.messages[::2], provider.messages[1::2], calls, strict=True
    ):
        assert "name 7 narrow topics" in first
        assert len(re.findall(r"Question \d\?", first)) == 3
        assert place(second) == (record.meta["topic"], record.meta["persona"])
    assert {record.meta["topic"] for (record,) in calls} == {"sea birds", "whales"}
    assert {record.parents for (record,) in calls} == {(f"s{n}",) for n in range(4)}
    assert provider.sent[0].schema["properties"]["topics"]["items"] == {"type": "string"}


@pytest.mark.parametrize("said", ["no", '{"topics": []}', '{"topics": [1]}', '{"topics": [" "]}'])
def test_topics_that_cannot_be_read(tmp_path, said):
    ((each,),), provider = make(tmp_path, TopicGrid(examples=3), lambda _: said)
    assert (each.drop.reason, len(provider.sent)) == ("unparsable", 2)
    assert len(each.record.parents) == 3


def test_the_same_log_gives_the_same_and_asks_nothing(tmp_path):
    step = TopicGrid(personas=PERSONAS)
    first, provider = make(tmp_path, step, naming, range(6))
    again, none = make(tmp_path, step, naming, range(6))
    assert again == first
    assert (len(provider.sent), none.sent) == (12, [])


def test_prompts_of_ones_own(tmp_path):
    path = tmp_path / "tail.txt"
    path.write_text("{topic}: {candidates} below {tail} for {persona} like {example} {not a place}")
    step = TopicGrid(topics=["a {tail}"], prompts={"tail": str(path)}, tail=0.05, candidates=3)
    _, provider = make(tmp_path, step, lambda _: tasks(task()))
    assert provider.messages[0].startswith("a {tail}: 3 below 0.05 for anybody")
    assert provider.messages[0].endswith("{not a place}")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"topics": []}, r"topic_grid\.topics: there is no topic"),
        ({"topics": [True]}, r"topics: a topic is a text, not true or false"),
        ({"topics": {"a": {"b": 1.5}}, "topics_file": "t.txt"}, r"topics_file: .*not both"),
        ({"topics_file": "none.txt"}, r"topics_file: none\.txt: cannot be read"),
        ({"personas": []}, "personas: there is none"),
        ({"personas": [" "]}, "personas: there is none"),
        ({"personas_file": "none.txt"}, "personas_file: none"),
        ({"personas": ["a"], "personas_file": "p.txt"}, "personas_file: .*not both"),
        (
            {"prompts": {"tale": "x.txt"}},
            r'prompts: there is no prompt "tale"; did you mean "tail"',
        ),
        ({"tail": 0}, "tail: "),
        ({"candidates": 0}, "candidates: "),
        ({"topics": "a"}, "topics: must be"),
    ],
)
def test_wrong_fields(fields, words):
    with pytest.raises(StepError, match=words):
        TopicGrid(**fields)


PIPELINE = """
name: grid
seeds: seeds.jsonl
target: 12
round_size: 4
teacher: {{provider: openai, model: m, base_url: "{url}"}}
steps:
  - generate.topic_grid: {{topics_file: topics.yaml, personas_file: personas.txt, candidates: 2}}
  - dedup.exact: {{}}
"""


def project(folder, url, monkeypatch):
    rows = [{"instruction": f"Name {at}.", "output": f"It is {at}."} for at in range(3)]
    (folder / "seeds.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "topics.yaml").write_text("boats: [sails, hulls]\nports:\n")
    (folder / "personas.txt").write_text("A sailor.\nA clerk.\n")
    (folder / "p.yaml").write_text(PIPELINE.format(url=url))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")

    def said(asked, chance, *_, **__):
        words = [f"{place(asked)} {chance.random()}" for _ in range(2)]
        return tasks(*(task(0.01, instruction=word) for word in words))

    monkeypatch.setattr("tests.loopback._chat", said)
    return folder / "p.yaml"


def test_a_run_with_the_real_sdk(tmp_path, monkeypatch):
    with serve() as server:
        path = project(tmp_path, server.url, monkeypatch)
        version = datakit.run(path, store=tmp_path / "store")
        sent = [row["sent"] for row in server.answered()]
        data = version.data_path.read_bytes()
        shutil.rmtree(version.path)
        again = datakit.run(path, store=tmp_path / "store")
        assert len(server.answered()) == len(sent), "what is in the log is not asked again"
    assert again.data_path.read_bytes() == data
    records = [record for record in again.records() if "topic" in record.meta]
    assert len(records) >= 12
    for record in records:
        assert str((record.meta["topic"], record.meta["persona"])) in record.instruction
        assert (record.meta["probability"], record.meta["step"]) == (0.01, "generate.topic_grid")
        assert record.meta["license"]
    assert again.verify() == []
    assert len(sent) == len({json.dumps(body) for body in sent})
    assert sent[0]["response_format"]["type"] == "json_schema"


def test_in_a_pipeline(tmp_path):
    (tmp_path / "seeds.jsonl").write_text('{"instruction": "a", "output": "b"}\n')
    (tmp_path / "t.txt").write_text("a\n")
    text = "name: a\nseeds: seeds.jsonl\ntarget: 5\nsteps:\n  - generate.topic_grid: "
    (step,) = parse_pipeline(text + "t.txt\n", folder=tmp_path).steps
    assert step.topics_file == str(tmp_path / "t.txt")
    # What is a topic is no path, even if there is such a file.
    (step,) = parse_pipeline(text + "{topics: [t.txt, {seeds: [x]}]}\n", folder=tmp_path).steps
    assert step.topics == ("t.txt", {"seeds": ["x"]})
    with pytest.raises(PipelineError, match=r"topics_file: there is no such file: .*none\.txt"):
        parse_pipeline(text + "{topics_file: none.txt}\n", folder=tmp_path)
