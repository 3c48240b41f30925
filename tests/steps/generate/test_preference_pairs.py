"""generate.preference_pairs: which answers there are, and which two become the pair."""

import json
from collections import Counter

import pytest

from datakit import run
from datakit.llm.request import Sample
from datakit.outcome import Drop
from datakit.step import StepError, verb_of
from datakit.steps.generate.preference_pairs import PreferencePairs
from tests.loopback import Fault, Plan, serve
from tests.steps.generate.teaching import ODD, SCHEMA, asked, content, rating, record, shown

ASPECTS = ("instruction_following", "truthfulness", "honesty", "helpfulness")
# A word of each aspect's prompt that the others have not.
WORDS = {
    "instruction_following": "how closely",
    "truthfulness": "how true",
    "honesty": "how honest",
    "helpfulness": "how helpful",
}
BY_HEAT = {0.3: "cool", 0.7: "mild", 1.0: "warm", 1.3: ODD}


def aspect_of(message):
    (found,) = [aspect for aspect, words in WORDS.items() if words in message]
    return found


def playing(worth, answers=BY_HEAT):
    """A teacher with an answer for each temperature, and `worth[text][aspect]` as its rating."""
    rate = rating(lambda text, message: worth[text][ASPECTS.index(aspect_of(message))])

    def reply(request):
        message = content(request)
        return rate(message) if "<answer 1>" in message else answers[request.temperature]

    return reply


WORTH = {"cool": (5, 5, 4, 4), "mild": (5, 4, 4, 4), "warm": (4, 4, 4, 4), ODD: (1, 2, 3, 1)}


def test_the_settings_of_the_originals():
    step = PreferencePairs()
    assert step.temperatures == (0.3, 0.7, 1.0, 1.3)
    assert step.aspects == ASPECTS
    assert (step.margin, step.by, step.max_tokens) == (0.5, "rating", 2048)
    assert verb_of(PreferencePairs) == "revise"


def test_each_aspect_is_a_request_with_all_answers(tmp_path):
    child, sent = asked(PreferencePairs(system="S."), record(), playing(WORTH), tmp_path)
    draws, ratings = sent[:4], sent[4:]
    assert [each.temperature for each in draws] == [0.3, 0.7, 1.0, 1.3]
    for each in draws:
        assert each.messages == (
            {"role": "system", "content": "S."},
            {"role": "user", "content": "What is 6 * 3?"},
        )
    assert [aspect_of(content(each)) for each in ratings] == list(ASPECTS)
    for each in ratings:
        assert sorted(shown(content(each))) == sorted(WORTH)
        assert "Rate each of the 4 answers apart, with a whole number from 1 to 5;" in content(each)
        assert "system: S.\n\nuser: What is 6 * 3?\n</question>" in content(each)
        item = each.schema["properties"]["ratings"]["items"]
        assert item["properties"]["rating"]["enum"] == [1, 2, 3, 4, 5]
        assert each.temperature == 0
    assert child.output == "cool"
    assert (child.id, child.parents) == ("", ("r1",))


def test_chosen_is_the_best_and_rejected_a_random_other_beyond_the_margin(tmp_path):
    pairs, orders = Counter(), set()
    for seed in range(24):
        child, sent = asked(PreferencePairs(), record(), playing(WORTH), tmp_path / str(seed), seed)
        orders |= {tuple(shown(content(each))) for each in sent[4:]}
        rejected = child.extra["rejected"]
        pairs[child.output, rejected] += 1
        assert child.scores == {
            "chosen_rating": 4.5,
            "rejected_rating": {"warm": 4.0, ODD: 1.75}[rejected],
        }
        assert child.meta["ratings"] == {
            "chosen": dict(zip(ASPECTS, WORTH["cool"], strict=True)),
            "rejected": dict(zip(ASPECTS, WORTH[rejected], strict=True)),
        }
        assert child.meta["chosen_from"] == 0.3
        assert child.meta["rejected_from"] == {"warm": 1.0, ODD: 1.3}[rejected]
        assert (child.meta["samples"], child.meta["samples_used"]) == (4, 4)
    # "mild" is but 0.25 worse.
    assert set(pairs) == {("cool", "warm"), ("cool", ODD)}
    assert len(orders) > 12


def test_ties_carry_no_signal(tmp_path):
    worth = dict.fromkeys(WORTH, (4, 4, 4, 4)) | {"mild": (5, 4, 4, 4)}
    said, _ = asked(PreferencePairs(), record(), playing(worth), tmp_path)
    assert said == Drop(
        "no_margin", margin=0.5, ratings=[4.0, 4.25, 4.0, 4.0], samples=4, samples_used=4
    )
    child, _ = asked(PreferencePairs(margin=0.25), record(), playing(worth), tmp_path)
    assert child.output == "mild"


def test_a_margin_of_thirds(tmp_path):
    step = PreferencePairs(aspects=ASPECTS[:3], margin=1 / 3, temperatures=(0.3, 0.7), own=False)
    worth = {"cool": (5, 5, 4), "mild": (5, 4, 4)}
    child, sent = asked(step, record(), playing(worth), tmp_path)
    assert child.scores == {"chosen_rating": 4.6667, "rejected_rating": 4.3333}
    assert len(sent) == 5


def test_the_records_own_answer(tmp_path):
    worth = {**WORTH, "own": (5, 5, 5, 5)}
    extra = {"label": True, "rejected": "old", "chosen": "own", "mine": 1}
    old = record(output="own", meta={"license": "MIT", "scores": {"q": 1}}, extra=extra)
    child, _ = asked(PreferencePairs(), old, playing(worth), tmp_path)
    assert (child.output, child.meta["chosen_from"]) == ("own", "own")
    assert set(child.extra) == {"rejected", "mine"}
    assert child.extra["rejected"] in WORTH
    assert (child.meta["license"], "q" in child.scores) == ("MIT", False)
    child, sent = asked(PreferencePairs(own=False), old, playing(WORTH), tmp_path / "without")
    assert (child.output, "own" in shown(content(sent[-1]))) == ("cool", False)


def test_equal_answers_are_merged(tmp_path):
    same = {0.3: "own\n", 0.7: " own", 1.0: "warm", 1.3: "warm"}
    worth = {"own": (5, 5, 5, 5), "warm": (1, 1, 1, 1)}
    child, sent = asked(PreferencePairs(), record(output="own"), playing(worth, same), tmp_path)
    assert sorted(shown(content(sent[-1]))) == ["own", "warm"]
    assert (child.meta["chosen_from"], child.meta["rejected_from"]) == ("own", 1.0)
    one = dict.fromkeys(BY_HEAT, "own")
    said, sent = asked(PreferencePairs(), record(), playing(worth, one), tmp_path / "one")
    assert said == Drop("too_few_answers", unusable=[], samples=4, samples_used=4)
    assert len(sent) == 4


def test_answers_of_no_use_are_left_out(tmp_path):
    step = PreferencePairs(temperatures=(0.3, 0.7, 1.0))
    some = {0.3: Sample("", "refused"), 0.7: "mild", 1.0: "warm"}
    worth = {"mild": (5, 5, 5, 5), "warm": (1, 1, 1, 1)}
    child, _ = asked(step, record(), playing(worth, some), tmp_path)
    assert (child.meta["samples"], child.meta["samples_used"]) == (3, 2)
    said, _ = asked(step, record(), playing({}, some | {1.0: " "}), tmp_path / "b")
    assert (said.reason, said.detail["unusable"]) == ("too_few_answers", ["refused", "unparsable"])
    none = dict.fromkeys(BY_HEAT, Sample("It", "length"))
    said, _ = asked(step, record(), playing({}, none), tmp_path / "c")
    assert (said.reason, said.detail["samples_used"]) == ("cut_short", 0)


def test_a_rater_that_does_not_rate(tmp_path):
    def reply(request):
        message = content(request)
        if "how honest" in message:
            return Sample("", "refused")
        return playing(WORTH)(request)

    said, _ = asked(PreferencePairs(json_schema=False), record(), reply, tmp_path)
    assert said == Drop("not_rated", why="refused", aspect="honesty", samples=4, samples_used=4)


@pytest.mark.parametrize(
    ("gold", "right", "wrong"),
    [
        ("6*3\n#### 18", {"It is 18.", "18.0", "6*3\n#### 18"}, {"So 19", "none"}),
        ("x", {"x"}, {"It is 18.", "18.0", "So 19", "none"}),
    ],
)
def test_by_match(tmp_path, gold, right, wrong):
    answers = {0.3: "It is 18.", 0.7: "So 19", 1.0: "18.0", 1.3: "none"}
    found = Counter()
    for seed in range(16):
        child, sent = asked(
            PreferencePairs(by="match"),
            record(output=gold),
            lambda request: answers[request.temperature],
            tmp_path / str(seed),
            seed,
        )
        assert len(sent) == 4
        assert child.scores == {"right": len(right), "wrong": 5 - len(right)}
        found[child.output, child.extra["rejected"]] += 1
    assert {chosen for chosen, _ in found} == right
    assert {rejected for _, rejected in found} == wrong


def test_no_contrast(tmp_path):
    for at, (own, answers) in enumerate([(True, ["18", "18.0"]), (False, ["17", "19"])]):
        step = PreferencePairs(by="match", own=own, temperatures=(0.3, None))
        drawn = dict(zip((0.3, None), answers, strict=True))
        said, sent = asked(
            step, record(output="18"), lambda r, d=drawn: d[r.temperature], tmp_path / str(at)
        )
        assert said.reason == "no_contrast"
        assert (said.detail["right"], said.detail["wrong"]) == ((2, 0) if own else (0, 2))
        assert "temperature" not in sent[1].payload()
    said, sent = asked(PreferencePairs(by="match"), record(), playing({}), tmp_path)
    assert (said.reason, sent) == ("no_reference", [])


def test_by_sql(tmp_path):
    step = PreferencePairs(by="sql_executes", temperatures=(0.3, 0.7))
    drawn = {0.3: "```sql\nSELECT length FROM river;\n```", 0.7: "SELECT km FROM river"}
    old = record("How long?", SCHEMA, "```sql\nSELECT km FROM river\n```")
    child, _ = asked(step, old, lambda request: drawn[request.temperature], tmp_path)
    assert (child.output, child.extra["rejected"]) == (
        "SELECT km FROM river",
        "SELECT length FROM river",
    )
    assert (child.scores, child.meta["chosen_from"]) == ({"right": 1, "wrong": 1}, "own")


def test_a_text_of_ones_own(tmp_path):
    own = tmp_path / "own.txt"
    own.write_text("how true is {question}? {answers}")
    step = PreferencePairs(aspects=("truthfulness",), prompts={"truthfulness": str(own)})
    worth = {text: (0, 5 - at, 0, 0) for at, text in enumerate(WORTH)}
    child, sent = asked(step, record(), playing(worth), tmp_path)
    assert content(sent[-1]).startswith("how true is What is 6 * 3?? <answer 1>\n")
    assert child.output == "cool"
    own.write_text("how true is {question}?")
    with pytest.raises(StepError, match=r"pairs\.prompts: .*has no place {answers}"):
        PreferencePairs(prompts={"truthfulness": str(own)})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"temperatures": [0.7], "own": False}, "temperatures: a pair needs two answers"),
        ({"temperatures": []}, "temperatures: must be a list"),
        ({"temperatures": [0.7, 3]}, "temperatures: item 2"),
        ({"aspects": ["honesty", "honesty"]}, "aspects: one is there twice"),
        ({"aspects": ["honest"]}, "aspects: .*honesty"),
        ({"margin": 0}, "margin: must be"),
    ],
)
def test_fields_that_make_no_pairs(fields, words):
    with pytest.raises(StepError, match=words):
        PreferencePairs(**fields)


PIPELINE = """
name: pairs
source: asked.jsonl
teacher: {{provider: openai, model: m, base_url: "{url}"}}
steps:
  - generate.distill: {{}}
  - generate.preference_pairs: {{temperatures: [0.5, 1.0, 1.0]}}
  - generate.preference_pairs: {{by: match, temperatures: [0.5]}}
"""


def _rated(body):
    return rating(lambda text, message: 1 + len(text + message) % 5)(
        body["messages"][-1]["content"]
    )


def _files(version):
    return version.data_path.read_bytes(), (version.path / "dropped.jsonl").read_bytes()


def test_a_pipeline_gives_the_same_again_and_asks_nothing_twice(tmp_path):
    rows = [{"instruction": f"Say {at}: {ODD}"} for at in range(30)]
    (tmp_path / "asked.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    faults = [Fault("refusal", 0.05), Fault("length", 0.05), Fault("bad_request", 0.02)]
    plan = Plan(faults, reply=lambda body: _rated(body) if "response_format" in body else None)
    with serve(plan) as server:
        (tmp_path / "p.yaml").write_text(PIPELINE.format(url=server.url))
        first = run(tmp_path / "p.yaml", store=tmp_path / "a")
        before = server.bodies()
        lines = (tmp_path / "a/pairs/responses.jsonl").read_bytes().splitlines(keepends=True)
        (tmp_path / "b/pairs").mkdir(parents=True)
        (tmp_path / "b/pairs/responses.jsonl").write_bytes(b"".join(lines[:-20]))
        again = run(tmp_path / "p.yaml", store=tmp_path / "b")
        assert sum((server.bodies() - before).values()) == 20
    assert _files(first) == _files(again)
    pairs = [json.loads(line) for line in _files(first)[0].splitlines()]
    assert len(pairs) > 3
    for row in pairs:
        assert row["output"] != row["rejected"]
        assert row["meta"]["step"] == "generate.preference_pairs"
        assert row["meta"]["scores"] == {"right": 1, "wrong": 1}
