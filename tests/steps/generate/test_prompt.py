import json
from collections import Counter

import pytest

from datakit import api
from datakit.config import parse_pipeline
from datakit.errors import InputError, PipelineError
from datakit.llm.request import Sample
from datakit.outcome import Rejected
from datakit.record import Record
from datakit.step import Resources, StepError
from datakit.steps.generate.prompt import Prompt
from tests.loopback import Plan, serve
from tests.steps.generate.asking import (
    ODD,
    SEEDS,
    as_json,
    by_chance,
    in_turn,
    make,
    texts,
)

WHOLE = as_json(instruction="New?", input="", output="Yes.")
CARD = {
    "type": "object",
    "properties": {
        "question": {"type": "string", "minLength": 3},
        "output": {"type": "string"},
        "level": {"enum": ["easy", "hard"]},
    },
    "required": ["question", "output", "level"],
    "additionalProperties": False,
}
GOOD = {"question": "How many?", "output": "Three.", "level": "hard"}


@pytest.fixture
def file(tmp_path):
    def write(text, name="my.txt"):
        path = tmp_path / name
        path.write_text(text if isinstance(text, str) else json.dumps(text), "utf-8")
        return str(path)

    return write


@pytest.fixture
def prompt(file):
    """Makes a step with the text of its prompt, and files for other fields."""

    def build(text="Ask like {instruction}", **fields):
        if "schema" in fields:
            fields["schema"] = file(fields["schema"], "schema.json")
        if "system_file" in fields:
            fields["system_file"] = file(fields["system_file"], "system.txt")
        return Prompt(file(text), **fields)

    return build


def only(made):
    (each,) = made
    return each


def test_a_record_from_a_record(prompt):
    made, sent = make(prompt(), in_turn(WHOLE))
    new = only(made)
    assert (new.instruction, new.input, new.output) == ("New?", "", "Yes.")
    assert new.parents == ("s0",)
    assert new.meta["prompt"] == "my.txt"
    assert texts(sent[0]) == "Ask like Question 0?"
    assert sent[0].schema["required"] == ["instruction", "input", "output"]
    assert (sent[0].temperature, sent[0].top_p, sent[0].max_tokens) == (0.9, 0.95, 2048)


def test_all_places(prompt):
    text = '{instruction}|{input}|{output}|{topic}|{meta.lang}|{scores.q}|{n}|{{topic}}|{"a": {}}'
    seed = Record(ODD, ODD, ODD, id="odd", extra={"topic": "{n}", "n": 3})
    seed = seed.with_meta(lang="de", scores={"q": 0.5})
    _, sent = make(prompt(text, system="On {topic}"), in_turn(WHOLE), seeds=[seed])
    filled = "|".join([ODD] * 3 + ["{n}", "de", "0.5", "3", "{topic}", '{"a": {}}'])
    assert texts(sent[0]) == f"On {{n}}\n{filled}"
    assert sent[0].messages[0]["role"] == "system"


def test_examples(prompt):
    step = prompt("{instruction}\n{examples}", examples=2)
    made, sent = make(step, in_turn(WHOLE), ordinal=1)
    new = only(made)
    shown = [json.loads(line) for line in texts(sent[0]).splitlines()[1:]]
    assert [set(each) for each in shown] == [{"instruction", "input", "output"}] * 2
    by_text = {each.instruction: each.id for each in SEEDS}
    assert new.parents == ("s1", *(by_text[each["instruction"]] for each in shown))
    assert len(set(new.parents)) == 3
    assert make(step, in_turn(WHOLE), ordinal=1)[1] == sent
    _, alone = make(step, in_turn(WHOLE), seeds=SEEDS[:1])
    assert texts(alone[0]) == "Question 0?\n"


def test_system(prompt):
    _, sent = make(prompt(system_file="You write on {output}"), in_turn(WHOLE))
    assert sent[0].messages[0] == {"role": "system", "content": "You write on Answer 0."}
    with pytest.raises(StepError, match="system_file: give system or system_file"):
        prompt(system="x", system_file="y")


def test_how_an_answer_begins_is_a_part_of_it(prompt):
    step = prompt(prefill='{"instruction": ', json_schema=False)
    rest = WHOLE.removeprefix('{"instruction": ')
    made, sent = make(step, in_turn(rest))
    assert (only(made).instruction, sent[0].prefill) == ("New?", '{"instruction": ')
    # Some servers give the whole.
    assert only(make(step, in_turn(WHOLE))[0]).instruction == "New?"
    made, _ = make(prompt(prefill="It is", answer="text"), in_turn(" so."))
    assert only(made).output == "It is so."
    with pytest.raises(StepError, match="prefill: a schema is that of a whole answer"):
        prompt(prefill="{")


def test_a_provider_that_begins_no_answers_says_so(prompt, tmp_path):
    text = f"""
name: begun
seeds: seeds.jsonl
target: 2
teacher: {{provider: openai, model: m, api_key_env: NOT_SET}}
steps:
  - generate.prompt: {{prompt: {prompt().prompt}, prefill: Sure, answer: text}}
"""
    (tmp_path / "seeds.jsonl").write_bytes(b"".join(each.to_line() for each in SEEDS))
    path = tmp_path / "begun.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"prompt\.prefill: openai has no such setting"):
        api.plan(path, store=tmp_path / "store")


@pytest.mark.parametrize("into", ["instruction", "input", "output"])
def test_text(prompt, into):
    seed = Record("Q", "I", "O", id="a", extra={"own": 1, "rejected": "x", "label": True})
    made, sent = make(prompt(answer="text", into=into), in_turn(" It is so.\n"), seeds=[seed])
    new = only(made)
    taken_over = {"instruction": "Q", "input": "I", "output": "O"} | {into: "It is so."}
    assert {name: getattr(new, name) for name in taken_over} == taken_over
    assert new.extra == {"own": 1}
    assert sent[0].schema is None
    rejected, sent = make(prompt(answer="text"), in_turn(" ", " "))
    assert (only(rejected).drop.reason, len(sent)) == ("unparsable", 2)


def test_a_schema_of_the_users(prompt):
    step = prompt(schema=CARD, fields={"instruction": "question"})
    made, sent = make(step, in_turn(json.dumps(GOOD)))
    new = only(made)
    assert (new.instruction, new.input, new.output) == ("How many?", "", "Three.")
    assert new.extra == {"level": "hard"}
    # Lengths are checked here; not every provider knows them.
    assert sent[0].schema["properties"]["question"] == {"type": "string"}
    made, sent = make(step, in_turn(*[json.dumps(GOOD | {"question": "?"})] * 2))
    assert only(made).drop.reason == "unparsable"
    assert (
        only(made)
        .drop.detail["message"]
        .startswith("question has 1 character, and must have at least 3")
    )
    assert json.loads(only(made).record.output)["question"] == "?"
    made, _ = make(step, in_turn(json.dumps(GOOD | {"level": "x"}), json.dumps(GOOD)))
    assert only(made).instruction == "How many?", "asked once more"


def test_what_the_answer_lacks_is_taken_over(prompt):
    only_level = CARD | {"properties": {"level": {"type": "string"}}, "required": ["level"]}
    made, _ = make(prompt(schema=only_level), in_turn(as_json(level="easy")))
    new = only(made)
    assert (new.instruction, new.output, new.extra) == (
        "Question 0?",
        "Answer 0.",
        {"level": "easy"},
    )


def test_our_fields_by_other_names(prompt):
    step = prompt(fields={"instruction": "question", "output": "reply"})
    said = as_json(question="Q?", input="I", reply="R")
    made, sent = make(step, in_turn(said))
    new = only(made)
    assert (new.instruction, new.input, new.output) == ("Q?", "I", "R")
    assert list(sent[0].schema["properties"]) == ["question", "input", "reply"]


def test_many(prompt):
    step = prompt(schema=CARD, fields={"instruction": "question"}, many=True)
    bad = GOOD | {"level": "x"}
    empty = GOOD | {"output": " "}
    made, sent = make(step, in_turn(json.dumps({"items": [GOOD, bad, empty]})))
    assert sent[0].schema["properties"]["items"]["items"]["required"] == CARD["required"]
    first, second, third = made
    assert first.instruction == "How many?"
    assert (second.drop.reason, json.loads(second.record.output)) == ("unparsable", bad)
    assert second.drop.detail["message"] == 'items.1.level is not one of "easy", "hard"'
    assert (third.drop.reason, third.drop.detail) == ("incomplete", {"missing": "output"})
    made, sent = make(step, in_turn(as_json(items=[])))
    assert only(made).drop.reason == "no_items"
    for said in (json.dumps(GOOD), json.dumps({"items": [bad]}), "[]"):
        made, sent = make(step, in_turn(said, said))
        assert (only(made).drop.reason, len(sent)) == ("unparsable", 2)


def test_keys_that_are_a_records_own(prompt):
    free = CARD | {"additionalProperties": True}
    step = prompt(schema=free, fields={"instruction": "question"}, json_schema=False)
    for key in ("id", "meta", "instruction", "dropped"):
        said = json.dumps(GOOD | {key: "x"})
        made, _ = make(step, in_turn(said, said))
        assert only(made).drop.detail["message"] == f'"{key}" is a key of every record'
    made, sent = make(step, in_turn(json.dumps(GOOD | {"more": [1]})))
    assert only(made).extra == {"level": "hard", "more": [1]}
    assert sent[0].schema is None


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ([Sample("half", "length")] * 2, "cut_short"),
        ([Sample("no", "refused")], "refused"),
        (["no JSON"] * 2, "unparsable"),
        ([as_json(instruction="Q", input="")] * 2, "unparsable"),
        ([as_json(instruction="Q", input="", output=3)] * 2, "unparsable"),
        ([as_json(instruction=" ", input="", output="x")], "incomplete"),
    ],
)
def test_answers_of_no_use(prompt, said, reason):
    made, sent = make(prompt(), in_turn(*said))
    assert (only(made).drop.reason, len(sent)) == (reason, len(said))
    assert only(made).record.parents == ("s0",)


@pytest.mark.parametrize(
    ("text", "fields", "words"),
    [
        ("", {}, "prompt: .*is empty"),
        ('Ask {"a": 1}', {}, "has no place, so it would ask the same"),
        ("{{topic}}", {}, "has no place"),
        ("{examples}", {"examples": 0}, "examples: is 0, but"),
        ("{input}", {"answer": "text", "many": True}, "many: goes with answer: json"),
        ("{input}", {"answer": "text", "schema": CARD}, "schema: goes with answer: json"),
        ("{input}", {"into": "input"}, "into: goes with answer: text"),
        ("{input}", {"schema": "{"}, r"schema: .*schema.json:1:2: not JSON"),
        ("{input}", {"schema": {"$ref": "x"}}, r"schema: .*: \$ref: this keyword is not supp"),
        ("{input}", {"schema": {"type": "array"}}, "for a list of them, set many: true"),
        ("{input}", {"schema": CARD | {"required": []}}, 'have "question" too, or set json_sch'),
        ("{input}", {"schema": CARD, "fields": {"input": "outptu"}}, 'did you mean "output"'),
        ("{input}", {"fields": {"inptu": "x"}}, "fields: .*one of"),
        ("{input}", {"fields": {"input": "x", "output": "x"}}, 'cannot both be "x"'),
    ],
)
def test_wrong_fields(prompt, text, fields, words):
    with pytest.raises(StepError, match=f"(?s){words}"):
        prompt(text, **fields)


@pytest.mark.parametrize(
    ("properties", "fields", "words"),
    [
        ({"output": {"type": "integer"}}, {}, r"properties.output.type: must be string"),
        ({"id": {"type": "string"}}, {}, '"id" is a key of every record'),
        ({"instruction": {}, "q": {}}, {"instruction": "q"}, '"instruction" is a key of every'),
    ],
)
def test_schemas_that_do_not_suit_records(prompt, properties, fields, words):
    schema = {"type": "object", "properties": properties}
    with pytest.raises(StepError, match=words):
        prompt(schema=schema, fields=fields)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(StepError, match=r"prompt: .*none.txt: cannot be read"):
        Prompt(str(tmp_path / "none.txt"))


def test_a_place_that_no_seed_has_is_found_before_anything_is_asked(prompt):
    seeds = [SEEDS[0], SEEDS[1].replace(extra={"topic": "boats"})]
    with pytest.raises(InputError) as caught:
        make(prompt("Ask on\n{topik}"), in_turn(), seeds=seeds)
    assert 'my.txt:2: no seed has a field "topik"; did you mean "topic"?' in str(caught.value)
    with pytest.raises(InputError, match=r"generate.prompt.system: no seed has a field"):
        make(prompt(system="{topik}"), in_turn(), seeds=seeds)


@pytest.mark.parametrize(
    ("text", "field", "over"),
    [
        ("{topic}", "topic", "seeds"),
        ("{scores.quality}", "scores.quality", "seeds"),
        ("{nothing}", "nothing", "pool"),
    ],
)
def test_a_record_without_a_place_is_not_asked_about(prompt, text, field, over):
    # One of the others has a topic; a score may come from a step of the pipeline.
    seeds = [*SEEDS, Record("Q", id="has", extra={"topic": "boats"})]
    made, sent = make(prompt(text, over=over), in_turn(), seeds=seeds)
    each = only(made)
    assert isinstance(each, Rejected)
    assert (each.drop.reason, each.drop.detail) == ("no_field", {"field": field})
    assert (each.record.parents, sent) == (("s0",), [])


def gone_through(step, seeds, ordinals, resources=None, own=None):
    found = []
    for at in ordinals:
        more = {"resources": resources} if resources else {}
        made, _ = make(step, in_turn(WHOLE), seeds=seeds, ordinal=at, own=own, **more)
        found += [each.parents[0] for each in made]
    return found


def test_seeds_are_gone_through_once(prompt):
    ids = [seed.id for seed in SEEDS]
    made = Record("M", id="m", meta={"parents": ["s0"]})
    assert gone_through(prompt(), [*SEEDS, made], range(9), own=ids) == ids
    assert gone_through(prompt(again=True), SEEDS, range(7)) == [*ids, "s0", "s1"]
    assert gone_through(prompt(), [], range(2)) == []
    # Where rounds are short, ordinals have gaps.
    gaps = [0, 1, 16, 17, 18, 32, 33]
    assert sorted(gone_through(prompt(), SEEDS, gaps, Resources())) == ids


def test_the_pool_is_gone_through_once_as_it_grows(prompt):
    step, resources = prompt(over="pool"), Resources()
    made = [Record(f"M{n}", id=f"m{n}", meta={"parents": ["s0"]}) for n in range(20)]
    ids = [seed.id for seed in SEEDS]
    # What this prompt has made is not put into it again.
    own = [Record("O", id=f"o{n}", meta={"parents": ["s0"], "prompt": "my.txt"}) for n in range(3)]
    found = gone_through(step, SEEDS, range(16), resources, ids)
    found += gone_through(step, [*SEEDS, *made[:9], *own], range(16, 20), resources, ids)
    found += gone_through(step, [*SEEDS, *made, *own], range(32, 64), resources, ids)
    assert Counter(found) == Counter([*ids, *(each.id for each in made)])
    # Another step of that kind has turns of its own.
    assert gone_through(prompt(over="pool", examples=1), SEEDS, [0], resources) == ["s0"]


def test_the_short_form(tmp_path, file):
    seeds = as_json(instruction="Q", output="A")
    file(seeds, "seeds.jsonl")
    file("Ask {instruction}")
    head = "name: a\nseeds: seeds.jsonl\ntarget: 5\nsteps:\n  - generate.prompt: "
    read = parse_pipeline(f"{head}my.txt\n", folder=tmp_path)
    assert read.steps[0].prompt == str(tmp_path / "my.txt")
    with pytest.raises(PipelineError, match=r"5:22.*no such file: .*mine.txt"):
        parse_pipeline(f"{head}mine.txt\n", folder=tmp_path)
    with pytest.raises(PipelineError, match=r"5:5.*prompt is missing \(The file with"):
        parse_pipeline(f"{head}{{many: true}}\n", folder=tmp_path)
    file('{"type": "object", "properties": {"a": {"pattern": "x"}}}', "s.json")
    with pytest.raises(PipelineError, match=r"schema: .*s.json: properties.a.pattern: this"):
        parse_pipeline(f"{head}{{prompt: my.txt, schema: s.json}}\n", folder=tmp_path)


PIPELINE = """
name: own
seeds: seeds.jsonl
target: {target}
round_size: 4
teacher: {{provider: openai, model: m, base_url: "{url}", concurrency: 4}}
steps:
  - generate.prompt: {{prompt: my.txt, schema: card.json, fields: {{instruction: question}}, \
many: true{more}}}
  - revise.normalize
  - dedup.exact
"""


def say(body, chance):
    items = [GOOD | {"question": f"How many {chance.randrange(10**6)}, {ODD}?"} for _ in range(2)]
    if chance.random() < 0.3:
        items[0]["level"] = "x"
    return json.dumps({"items": items})


def test_a_run(tmp_path, file):
    rows = [{"instruction": f"{n} {ODD}", "output": "A", "topic": "{x}"} for n in range(30)]
    file("".join(json.dumps(row) + "\n" for row in rows), "seeds.jsonl")
    file(CARD, "card.json")
    file("Ask on {topic} like {instruction}:\n{examples}")
    with serve(Plan(jitter=0.005, reply=by_chance(say))) as server:
        path = tmp_path / "p.yaml"
        path.write_text(PIPELINE.format(url=server.url, target=200, more=""))
        first = api.run(path, store=tmp_path / "a")
        asked = len(server.answered())
        # Once each, and a few once more, whose answers could not be read.
        users = [row["sent"]["messages"][-1]["content"] for row in server.answered()]
        assert {text.split("like ")[1].split()[0] for text in users} == set(map(str, range(30)))
        # A run that finds half of its answers gives the same, and asks for the other half.
        log = tmp_path / "b/own/responses.jsonl"
        log.parent.mkdir(parents=True)
        lines = (tmp_path / "a/own/responses.jsonl").read_bytes().splitlines(keepends=True)
        log.write_bytes(b"".join(lines[: len(lines) // 2]))
        again = api.run(path, store=tmp_path / "b")
        assert len(server.answered()) == asked + len(lines) - len(lines) // 2
    assert again.data_path.read_bytes() == first.data_path.read_bytes()
    assert first.manifest["ended"] == "novelty"
    made = [record for record in first.records() if "prompt" in record.meta]
    assert len(made) > 40
    assert all(record.extra == {"topic": "{x}", "level": "hard"} for record in made)
    reasons = {why["reason"] for _, why in first.iter_dropped()}
    assert "unparsable" in reasons


def test_a_wrong_place_costs_nothing(tmp_path, file):
    file(as_json(instruction="Q", output="A", topic="x"), "seeds.jsonl")
    file(CARD, "card.json")
    file("Ask on {topics}")
    with serve() as server:
        path = tmp_path / "p.yaml"
        path.write_text(PIPELINE.format(url=server.url, target=9, more=""))
        for call in (api.plan, lambda path: api.run(path, store=tmp_path / "store")):
            with pytest.raises(InputError, match='no seed has a field "topics"'):
                call(path)
        assert server.answered() == []
