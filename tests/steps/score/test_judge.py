"""score.judge, against a loopback judge whose scores are known."""

import json
from collections import Counter

import pytest

from datakit import run
from datakit.judge import Session
from datakit.outcome import Drop
from datakit.record import Record
from datakit.step import StepError
from datakit.steps.score.judge import Judge
from tests.judge.judges import scoring, shown, teacher
from tests.loopback import Fault, Plan, serve

ODD = "{question} } <b>&amp;</b> \u202e \U0001f600 {low}"
RECORD = Record("What is\u2028it?", input="{output}", output=ODD, id="r1")


def judged(step, plan, folder, record=RECORD):
    with serve(plan) as server, Session(teacher(server), folder / "log") as session:

        async def ask(record, llm):
            (said,) = await step.score([record], llm)
            return said

        (said,) = session.map([record], ask, lambda record: record.id)
        return said, server.answered()


@pytest.mark.parametrize(
    ("rubric", "name", "low", "high", "first"),
    [
        ("alpagasus", "judge", 0, 5, "score"),
        ("deita_quality", "quality", 1, 6, "reason"),
        ("deita_complexity", "complexity", 1, 6, "reason"),
        ("helpfulness", "judge", 1, 10, "reason"),
    ],
)
def test_the_scales_of_the_originals(tmp_path, rubric, name, low, high, first):
    step = Judge(rubric=rubric)
    for score in (low, high - 0.5, high):
        said, rows = judged(step, scoring(lambda body, score=score: score), tmp_path)
        assert said == {name: score}
    for score in (low - 0.1, high + 0.1):
        said, rows = judged(step, scoring(lambda body, score=score: score), tmp_path)
        assert said.reason == "unparsable"
        assert f"from {low} to {high}" in said.detail["message"]
    text = rows[0]["sent"]["messages"][0]["content"]
    assert f"from {low} (the least) to {high} (the most)" in text
    schema = rows[0]["sent"]["response_format"]["json_schema"]["schema"]
    assert next(iter(schema["properties"])) == first
    assert schema["additionalProperties"] is False
    assert rows[0]["sent"]["temperature"] == 0


def test_a_record_is_a_text_whatever_is_in_it(tmp_path):
    _, rows = judged(Judge(), scoring(lambda body: 5), tmp_path)
    assert shown(rows[0]["sent"]) == {"question": "What is\u2028it?\n{output}", "answer": ODD}
    _, rows = judged(Judge(rubric="deita_complexity"), scoring(lambda body: 5), tmp_path)
    assert shown(rows[0]["sent"]) == {"question": "What is\u2028it?\n{output}"}


def test_samples_have_a_mean_a_spread_and_a_reason(tmp_path):
    replies = iter([2, 5, 5])
    plan = scoring(lambda body: "?" if "n" in body else next(replies))
    step = Judge(rubric="deita_quality", name="q", samples=3, temperature=1.0, reason=True)
    said, _ = judged(step, plan, tmp_path)
    assert said == {"q": 4.0, "q_sd": 1.7321, "q_reason": "r"}


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        (Plan([Fault("refusal")]), "refused"),
        (Plan([Fault("length")]), "cut_short"),
        (Plan(reply=lambda body: "Five."), "unparsable"),
    ],
)
def test_without_a_score_it_is_dropped(tmp_path, plan, reason):
    said, rows = judged(Judge(json_schema=False), plan, tmp_path)
    assert isinstance(said, Drop)
    assert said.reason == reason
    assert "response_format" not in rows[0]["sent"]


def test_a_rubric_of_one_s_own(tmp_path):
    own = tmp_path / "my.txt"
    own.write_text("Is this rude, {low} to {high}? {output}")
    step = Judge(rubric="custom", prompts={"rubric": own.as_posix()}, name="rude", low=0, high=1)
    said, rows = judged(step, scoring(lambda body: 0.25), tmp_path)
    assert said == {"rude": 0.25}
    text = rows[0]["sent"]["messages"][0]["content"]
    assert text.startswith(f"Is this rude, 0 to 1? {ODD}\n\nAnswer with one JSON object")
    own.write_text("Accurate? {question} {output}")
    said, rows = judged(
        Judge(rubric="alpagasus", prompts={"alpagasus": str(own)}),
        scoring(lambda body: 3),
        tmp_path,
    )
    assert rows[0]["sent"]["messages"][0]["content"].startswith("Accurate? What is")


@pytest.mark.parametrize(
    ("fields", "key", "text"),
    [
        ({"rubric": "custom"}, "prompts", "needs its text"),
        (
            {"rubric": "custom", "prompts": {"rubric": "no.txt"}},
            "prompts",
            "no.txt: cannot",
        ),
        ({"rubric": "custom", "prompts": {"rubric": "place.txt"}}, "prompts", "no place {outptu}"),
        ({"rubric": "custom", "prompts": {"rubric": "none.txt"}}, "prompts", "has neither"),
        ({"prompts": {"alpagasus": "place.txt"}}, "prompts", '"alpagasus" is not used'),
        ({"rubric": "alpagasus", "high": 10}, "high", "has the scale 0 to 5"),
        ({"rubric": "custom", "prompts": {"rubric": "ok.txt"}, "low": 10}, "low", "below high"),
        ({"samples": 4}, "samples", "set temperature"),
        ({"name": "in"}, "name", "filter.where"),
        ({"name": "my score"}, "name", "filter.where"),
        ({"name": "output"}, "name", "filter.where"),
        ({"rubric": "helpful"}, "rubric", "helpfulness"),
    ],
)
def test_fields(tmp_path, monkeypatch, fields, key, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "place.txt").write_text("{outptu}")
    (tmp_path / "none.txt").write_text("Rate it from {low} to {high}.")
    (tmp_path / "ok.txt").write_text("{output}")
    with pytest.raises(StepError) as caught:
        Judge(**fields)
    assert text in caught.value.fields[key]


PIPELINE = """\
name: good
source: data.jsonl
teacher: {{provider: openai, model: writer, base_url: "{url}"}}
steps:
  - score.judge:
      rubric: deita_quality
      reason: true
      teacher: {{provider: openai, model: judge, base_url: "{url}"}}
  - score.judge: {{rubric: deita_complexity}}
  - filter.where: quality * complexity >= 12
"""


def scored(body):
    """Rates an answer by its number; number 7 cannot be judged."""
    asked = shown(body)
    number = int(asked["question"].split()[-1])
    if number == 7:
        return "I would rather not."
    return number % 6 + 1 if "answer" in asked else 3


@pytest.mark.parametrize("jitter", [0.0, 0.02])
def test_a_pipeline_with_deita_s_measure(tmp_path, jitter):
    rows = [{"instruction": f"Question {n}", "output": f"Answer {n}"} for n in range(12)]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with serve(scoring(scored, jitter=jitter)) as server:
        (tmp_path / "p.yaml").write_text(PIPELINE.format(url=server.url))
        version = run(tmp_path / "p.yaml", store=tmp_path / "store")
        asked = server.answered()
        assert {row["sent"]["model"] for row in asked} == {"writer", "judge"}
        assert len(asked) == 12 + 1 + 11
        kept = list(version.records())
        assert [record.instruction for record in kept] == [
            f"Question {n}" for n in (3, 4, 5, 9, 10, 11)
        ]
        assert kept[0].scores == {"quality": 4, "quality_reason": "r", "complexity": 3}
        lines = (version.path / "dropped.jsonl").read_text().splitlines()
        reasons = Counter(json.loads(line)["dropped"]["reason"] for line in lines)
        assert reasons == {"unparsable": 1, "where": 5}
        # Another measure of what to keep asks nothing again.
        (tmp_path / "p.yaml").write_text(PIPELINE.format(url=server.url).replace(">= 12", ">= 13"))
        again = run(tmp_path / "p.yaml", store=tmp_path / "store")
        assert len(server.answered()) == len(asked)
        assert next(iter(again.records())).scores["quality"] == 5
