import json
from collections import Counter
from typing import get_args

import pytest

from datakit import api
from datakit.llm.request import Sample
from datakit.outcome import Rejected
from datakit.prompts import fill, places
from datakit.record import Record
from datakit.running.pipeline import Pipeline
from datakit.step import StepError
from datakit.steps.generate.evol_instruct import EvolInstruct, Operator
from tests.loopback import Fault, Plan, serve
from tests.steps.generate.asking import (
    ODD,
    SEEDS,
    as_json,
    by_chance,
    in_turn,
    make,
    texts,
)

OPERATORS = get_args(Operator)
EVOLVED = as_json(instruction="A harder question?", input="")
ANSWER = "It is the Rhine, which rises in the Alps."
DIFFERENT = as_json(equal=False)
UNTAGGED = ODD.replace("</instruction>", "</i>")
WITH_INPUT = Record("Count the rows.", "a,b\n1,2", "One.", id="in", extra={"topic": "csv"})


def only(made):
    (each,) = made
    return each


def dropped(*said, step=None, seeds=SEEDS):
    made, sent = make(step or EvolInstruct(), in_turn(*said), seeds=seeds)
    each = only(made)
    assert isinstance(each, Rejected)
    return each, sent


def test_the_constants_of_the_paper():
    step = EvolInstruct()
    assert (step.rounds, step.temperature, step.top_p, step.max_tokens) == (4, 1.0, 0.95, 2048)
    in_depth = ("constraints", "deepen", "concretize", "reasoning", "complicate_input")
    assert step.operators == OPERATORS == (*in_depth, "breadth")
    for name in in_depth:
        assert "10 to 20 words" in step.TEXTS.ours(name)
    made, sent = make(step, in_turn(EVOLVED, ANSWER, DIFFERENT))
    assert [(each.temperature, each.top_p, each.max_tokens) for each in sent] == [
        (1.0, 0.95, 2048),
        (1.0, 0.95, 2048),
        (0.0, 0.95, 2048),
    ]
    assert (only(made).instruction, only(made).output) == ("A harder question?", ANSWER)


def test_operators_are_drawn_alike():
    drawn = Counter()
    for seed in range(600):
        made, _ = make(EvolInstruct(answer=False, judge=False), in_turn(EVOLVED), seed=seed * 7919)
        drawn[only(made).meta["evolution"]["operator"]] += 1
    assert set(drawn) == set(OPERATORS)
    # Five standard deviations around 100.
    assert all(55 < count < 145 for count in drawn.values())


def test_places_of_our_prompts():
    for name in OPERATORS:
        assert places(EvolInstruct.TEXTS.ours(name)) == {"instruction", "input"}
    both = {"instruction", "input", "new_instruction", "new_input"}
    assert places(EvolInstruct.TEXTS.ours("judge")) == both


def test_the_prompts_of_a_user(tmp_path):
    own = tmp_path / "own.txt"
    own.write_text('Evolve {instruction} {"instruction": ""}')
    step = EvolInstruct(operators=("deepen",), prompts={"deepen": str(own)})
    _, sent = make(step, in_turn(EVOLVED, ANSWER, DIFFERENT), seeds=SEEDS[:1])
    assert texts(sent[0]) == 'Evolve Question 0? {"instruction": ""}'
    for text, words in [
        ("x", "has no place {instruction}"),
        ("{instruction} {inptu}", 'no place {inptu}; did you mean "input"?'),
        ("", "is empty"),
    ]:
        own.write_text(text)
        with pytest.raises(StepError) as caught:
            EvolInstruct(prompts={"deepen": str(own)})
        assert words in caught.value.fields["prompts"]
    with pytest.raises(StepError, match='no prompt "depen"; did you mean "deepen"'):
        EvolInstruct(prompts={"depen": str(own)})


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"operators": ("deepen", "deepen")}, "operators: deepen is there twice"),
        ({"operators": ()}, "operators"),
        ({"operators": ("deeper",)}, 'did you mean "deepen"'),
        ({"rounds": 0}, "rounds"),
        ({"temperature": 3}, "temperature"),
    ],
)
def test_wrong_fields(values, words):
    with pytest.raises(StepError, match=words):
        EvolInstruct(**values)


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_input(operator):
    step = EvolInstruct(operators=(operator,), judge=False)
    evolved = as_json(instruction="Count them twice.", input="a,b\n3,4")
    made, sent = make(step, in_turn(evolved, ANSWER), seeds=[WITH_INPUT])
    assert "Count the rows." in texts(sent[0])
    assert "a,b\n1,2" in texts(sent[0])
    changes = operator in ("complicate_input", "breadth")
    new = only(made)
    assert new.input == ("a,b\n3,4" if changes else "a,b\n1,2")
    assert set(sent[0].schema["properties"]) == {"instruction"} | ({"input"} if changes else set())
    assert texts(sent[1]) == f"Count them twice.\n{new.input}"
    assert new.parents == ("in",)
    assert new.extra == {"topic": "csv"}
    # Who leaves the input out has added nothing to it; a new instruction has none.
    made, _ = make(step, in_turn(as_json(instruction="Which?"), ANSWER), seeds=[WITH_INPUT])
    assert only(made).input == ("" if operator == "breadth" else "a,b\n1,2")


def test_what_belongs_to_the_old_answer_stays_behind():
    old = SEEDS[0].replace(
        extra={"system": "Be brief.", "rejected": "x", "label": True, "messages": [], "own": 1}
    )
    made, sent = make(EvolInstruct(), in_turn(EVOLVED, ANSWER, DIFFERENT), seeds=[old])
    assert only(made).extra == {"system": "Be brief.", "own": 1}
    system = [each.messages[0] for each in sent if each.messages[0]["role"] == "system"]
    assert system == [{"role": "system", "content": "Be brief."}]
    assert sent[1].messages[0] == system[0]


def test_equal_in_the_judges_eyes():
    each, sent = dropped(EVOLVED, ANSWER, as_json(equal=True))
    assert (each.drop.reason, each.drop.of) == ("not_evolved", each.record.parents[0])
    assert each.record.output == ANSWER
    assert "A harder question?" in texts(sent[2])
    assert "Question" in texts(sent[2])


def test_equal_to_the_letter_is_not_paid_for_again():
    seed = SEEDS[0]
    step = EvolInstruct(operators=("deepen",))
    each, sent = dropped(as_json(instruction=" question  0? "), step=step, seeds=[seed])
    assert (each.drop.reason, len(sent)) == ("not_evolved", 1)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("I'm sorry, but I cannot do that.", "refused_in_words"),
        ("SORRY " + "word " * 78, "refused_in_words"),
        ("sorry " + "word " * 79, None),
        ("I cannot do that.", None),
        ("", "no_words"),
        ("... ?! --", "no_words"),
        ("It is what it was, and so on.", "no_words"),
        ("The. And, of the!", "no_words"),
        ("No.", None),
        ("42", None),
        ("B", None),
        ("日本", None),
    ],
)
def test_eliminated_by_the_answer(answer, reason):
    made, sent = make(EvolInstruct(), in_turn(EVOLVED, answer, DIFFERENT))
    each = only(made)
    if reason is None:
        assert each.output == answer.strip()
    else:
        assert (each.drop.reason, len(sent)) == (reason, 2), "the judge is not asked"
        assert each.record.output == answer.strip()


@pytest.mark.parametrize(
    "leak",
    [
        "given prompt",
        "Rewritten  Prompt",
        "#Rewritten Prompt#: x",
        "#Created Prompt#",
        "<instruction>",
    ],
)
def test_eliminated_by_a_leak(leak):
    each, sent = dropped(as_json(instruction=f"Sure. {leak} a question?", input=""))
    assert (each.drop.reason, len(sent)) == ("leaked_prompt", 1)
    assert each.drop.detail["found"] in leak.casefold().replace("  ", " ")
    # A record that speaks of prompts itself may be evolved.
    own = Record(f"What is a {leak}?", id="own")
    made, _ = make(
        EvolInstruct(),
        in_turn(as_json(instruction=f"Why is it called {leak}?", input=""), ANSWER, DIFFERENT),
        seeds=[own],
    )
    assert isinstance(only(made), Record)


def test_without_judge_or_answer():
    made, sent = make(EvolInstruct(judge=False), in_turn(EVOLVED, ANSWER))
    assert (only(made).output, len(sent)) == (ANSWER, 2)
    made, sent = make(EvolInstruct(answer=False), in_turn(EVOLVED, DIFFERENT))
    assert (only(made).output, len(sent)) == ("", 2)
    plain = EvolInstruct(judge=False, answer=False, json_schema=False, temperature=None)
    made, sent = make(plain, in_turn(EVOLVED))
    assert only(made).instruction == "A harder question?"
    assert (sent[0].schema, sent[0].temperature) == (None, None)
    assert (plain.expected(SEEDS, None), EvolInstruct().expected(SEEDS, None)) == ((1, 1), (1, 3))


def test_the_judge_has_no_temperature_where_there_is_none():
    _, sent = make(EvolInstruct(temperature=None), in_turn(EVOLVED, ANSWER, DIFFERENT))
    assert [each.temperature for each in sent] == [None] * 3


BAD = Sample("half an ans", "length")


@pytest.mark.parametrize(
    ("said", "reason", "request_", "output"),
    [
        (["no JSON"] * 2, "unparsable", None, "no JSON"),
        ([as_json(instruction=" ")] * 2, "unparsable", None, '{"instruction": " "}'),
        ([as_json(instruction=3)] * 2, "unparsable", None, '{"instruction": 3}'),
        (["[]"] * 2, "unparsable", None, "[]"),
        ([BAD, BAD], "cut_short", None, "half an ans"),
        ([Sample("no", "refused")], "refused", None, "no"),
        ([EVOLVED, BAD, BAD], "cut_short", "answer", "half an ans"),
        ([EVOLVED, Sample("", "refused")], "refused", "answer", ""),
        ([EVOLVED, ANSWER, "Equal", "Equal"], "unparsable", "judge", ANSWER),
        ([EVOLVED, ANSWER, *[as_json(equal="no")] * 2], "unparsable", "judge", ANSWER),
        ([EVOLVED, ANSWER, Sample("", "refused")], "refused", "judge", ANSWER),
    ],
)
def test_answers_of_no_use(said, reason, request_, output):
    each, sent = dropped(*said)
    assert (each.drop.reason, each.record.output) == (reason, output)
    assert each.drop.detail.get("request") == request_
    assert each.record.meta["evolution"]["round"] == 1
    assert len(each.record.parents) == 1
    assert len(sent) == len(said)


def test_odd_characters_stay_as_they_are():
    old = Record(ODD, ODD, ODD, id="odd")
    evolved = as_json(instruction=f"More: {ODD}")
    step = EvolInstruct(operators=("concretize",))
    made, sent = make(step, in_turn(evolved, ODD, DIFFERENT), seeds=[old])
    assert (only(made).instruction, only(made).output) == (f"More: {ODD}", ODD)
    assert texts(sent[0]) == fill(step.TEXTS.ours("concretize"), {"instruction": ODD, "input": ODD})


def child_of(old, round_, name):
    evolution = {"round": round_, "operator": "deepen", "of": old.id}
    return Record(name, id=name, meta={"parents": [old.id], "evolution": evolution})


def chosen(seeds, ordinals, **fields):
    step = EvolInstruct(answer=False, judge=False, **fields)
    found = []
    for at in ordinals:
        made, _ = make(step, in_turn(EVOLVED), seeds=seeds, ordinal=at, seed=at)
        found += [each.parents[0] for each in made]
    return found


def test_a_chain_ends_after_its_rounds():
    chain = [SEEDS[0]]
    step = EvolInstruct(operators=("breadth",), rounds=4)
    for round_ in range(1, 5):
        evolved = as_json(instruction=f"Question of round {round_}?")
        (new,), _ = make(step, in_turn(evolved, ANSWER, DIFFERENT), seeds=chain[-1:])
        assert new.meta["evolution"] == {
            "round": round_,
            "operator": "breadth",
            "of": chain[-1].id,
        }
        assert new.parents == (chain[-1].id,)
        chain.append(new.replace(id=f"c{round_}"))
    assert make(step, in_turn(), seeds=chain[-1:]) == ([], [])
    assert make(step, in_turn(), seeds=[]) == ([], [])


def test_every_record_has_its_turn():
    ids = [each.id for each in SEEDS]
    assert sorted(chosen(SEEDS, range(5))) == ids
    assert sorted(chosen(SEEDS, range(5, 10))) == ids
    # Rounds that end early do not come back to the same few.
    assert len(set(chosen(SEEDS, range(0, 300, 5)))) == 5


def test_what_was_evolved_least_comes_first():
    kids = [child_of(seed, 1, f"k{seed.id}") for seed in SEEDS[:4]]
    found = Counter(chosen([*SEEDS, *kids], range(300)))
    # Four children and a seed have nothing yet; four seeds have a child each.
    due = {SEEDS[4].id, *(kid.id for kid in kids)}
    assert sum(found[each] for each in due) / 300 == pytest.approx(20 / 24, abs=0.07)
    assert all(found[each] > 30 for each in due)
    assert all(found[seed.id] > 3 for seed in SEEDS[:4])


def test_one_that_cannot_be_evolved_does_not_take_all_requests():
    stuck, others = SEEDS[0], [Record(f"o{n}", id=f"o{n}") for n in range(40)]
    kids = [child_of(each, 4, f"k{each.id}") for each in others]
    found = Counter(chosen([stuck, *others, *kids], range(200)))
    assert 2 < found["s0"] < 45
    assert not any(each.startswith("k") for each in found)


@pytest.mark.parametrize(
    "value", [None, 5, "x", [], {}, {"round": "3"}, {"round": True}, {"round": -9}, {"of": []}]
)
def test_the_meta_of_a_file_is_not_trusted(value):
    old = SEEDS[0].with_meta(evolution=value)
    made, _ = make(EvolInstruct(), in_turn(EVOLVED, ANSWER, DIFFERENT), seeds=[old])
    assert only(made).meta["evolution"]["round"] == 1


def say(body, chance):
    """Answers by what is asked: a harder prompt, an answer, a verdict; not all are of use."""
    keys = set()
    if "response_format" in body:
        keys = set(body["response_format"]["json_schema"]["schema"]["properties"])
    if keys == {"equal"}:
        return as_json(equal=chance.random() < 0.1)
    number = chance.randrange(10**6)
    if keys:
        leak = "Rewritten prompt: " if chance.random() < 0.1 else ""
        return as_json(instruction=f"{leak}Question {number}, {UNTAGGED}?", input="")
    return chance.choice(["Sorry, no.", "...", *[f"The answer is {number}. {ODD}"] * 8])


PIPELINE = """
name: evolved
seeds: seeds.jsonl
target: 24
round_size: 4
teacher: {{provider: openai, model: m, base_url: "{url}", concurrency: 4}}
steps:
  - generate.evol_instruct
  - revise.normalize
  - filter.length: {{min_chars: 5}}
  - dedup.exact
"""


def test_a_run(tmp_path):
    rows = [
        {"instruction": f"Question {n}?", "output": f"Number {n} \u202e", "id": f"s{n}"}
        for n in range(5)
    ]
    (tmp_path / "seeds.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = tmp_path / "p.yaml"
    faults = [Fault("refusal", 0.03), Fault("length", 0.03), Fault("malformed", 0.03)]
    with serve(Plan(faults, jitter=0.005, reply=by_chance(say))) as server:
        path.write_text(PIPELINE.format(url=server.url))
        assert api.plan(path).requests[0] >= 3 * 24
        first = api.run(path, store=tmp_path / "a")
        asked = len(server.answered())
        # The same log gives the same records, and nothing is asked again.
        log = tmp_path / "b/evolved/responses.jsonl"
        log.parent.mkdir(parents=True)
        log.write_bytes((tmp_path / "a/evolved/responses.jsonl").read_bytes())
        again = api.run(path, store=tmp_path / "b")
        assert len(server.answered()) == asked
    assert again.data_path.read_bytes() == first.data_path.read_bytes()
    assert first.manifest["ended"] == "target"
    kept = {record.id: record for record in first.records()}
    gone = list(first.iter_dropped())
    known = kept | {record.id: record for record, _ in gone}
    evolved = [each for each in known.values() if "evolution" in each.meta]
    assert max(each.meta["evolution"]["round"] for each in evolved) > 1
    for each in evolved:
        evolution, old = each.meta["evolution"], known[each.meta["evolution"]["of"]]
        before = old.meta.get("evolution", {"round": 0})["round"]
        assert evolution["round"] == before + 1 <= 4
        if each.meta["step"] == "generate.evol_instruct":
            assert each.parents == (old.id,)
    reasons = {why["reason"] for _, why in gone}
    expected = {"not_evolved", "refused_in_words", "no_words", "leaked_prompt"}
    assert expected <= reasons, reasons


def test_it_is_a_step_of_a_pipeline():
    assert Pipeline("x", (EvolInstruct(),), seeds=object(), target=3).makers == [0]
