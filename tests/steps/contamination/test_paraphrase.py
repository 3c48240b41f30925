"""contamination.paraphrase: the nearest item is asked about, and only where it is near."""

import json

import pytest

from datakit import run
from datakit.errors import InputError
from datakit.judge import Session
from datakit.outcome import Drop
from datakit.record import Record
from datakit.step import Resources, StepError
from datakit.steps.contamination.paraphrase import Paraphrase
from tests.judge.judges import teacher
from tests.loopback import Fault, Plan, serve

pytest.importorskip("sentence_transformers")

EGGS = "Lloyd has a farm. His hens lay 252 eggs a day, at $2 a dozen. What does he make in a week?"
COINS = "Gretchen has 110 coins, 30 more of gold than of silver. How many gold coins has she?"
REWORDED = (
    "Eggs cost two dollars a dozen. 252 are laid daily on Lloyd's farm. How much is that weekly?"
)


@pytest.fixture
def items(tmp_path):
    path = tmp_path / "sums.jsonl"
    rows = [{"question": text, "id": at} for at, text in enumerate((COINS, EGGS))]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def said(body):
    """Says of texts about eggs that they are the same, with a reason."""
    first, _, second = body["messages"][-1]["content"].partition("<second>")
    same = "dozen" in first.partition("<first>")[2] and "dozen" in second
    return json.dumps({"reason": "Both ask for the eggs of a week.", "same": same})


def checked(step, record, folder, plan=None):
    resources = Resources()
    with (
        serve(plan or Plan(reply=said)) as server,
        Session(teacher(server), folder / "log") as session,
    ):

        async def ask(record, llm):
            (found,) = await step.score([record], llm, resources)
            return found

        (found,) = session.map([record], ask, lambda record: record.id)
        resources.close()
        return found, server.answered()


def test_what_rewords_an_item_is_dropped_with_its_evidence(items, tmp_path):
    found, rows = checked(Paraphrase(against=(items,)), Record(REWORDED, id="r"), tmp_path)
    assert isinstance(found, Drop) and found.reason == "contaminated" and found.of == "sums/1"
    assert found.detail["rule"] == "paraphrase" and found.detail["item"] == EGGS
    assert found.detail["why"] == "Both ask for the eggs of a week."
    assert 0.5 < found.score < 1
    assert len(rows) == 1
    text = rows[0]["sent"]["messages"][0]["content"]
    assert REWORDED in text and EGGS in text and COINS not in text
    schema = rows[0]["sent"]["response_format"]["json_schema"]["schema"]
    assert list(schema["properties"]) == ["reason", "same"]


def test_one_of_the_same_kind_stays_and_has_its_cosine(items, tmp_path):
    record = Record(
        "Ann has 90 coins, 10 more of copper than of tin. What is the tin worth?", id="r"
    )
    found, rows = checked(Paraphrase(against=(items,)), record, tmp_path)
    assert len(rows) == 1 and 0.5 < found["nearest_item"] < 1


def test_what_is_near_to_nothing_costs_no_request(items, tmp_path):
    record = Record("Write a haiku about the moon.", id="r")
    found, rows = checked(Paraphrase(against=(items,)), record, tmp_path)
    assert rows == [] and found["nearest_item"] < 0.5


def test_more_items_are_asked_about_in_their_order(items, tmp_path):
    step = Paraphrase(against=(items,), count=2, floor=-1)
    record = Record(f"{COINS} Sold by the dozen.", id="r")
    found, rows = checked(step, record, tmp_path)
    assert len(rows) == 2 and found.of == "sums/1"


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        (Plan([Fault("refusal")]), "refused"),
        (Plan(reply=lambda body: "Perhaps."), "unparsable"),
        (Plan(reply=lambda body: '{"reason": "r", "same": "yes"}'), "unparsable"),
    ],
)
def test_without_a_verdict_it_is_dropped(items, tmp_path, plan, reason):
    found, _ = checked(Paraphrase(against=(items,)), Record(REWORDED, id="r"), tmp_path, plan)
    assert isinstance(found, Drop) and found.reason == reason


def test_in_a_pipeline_after_the_rule_that_costs_nothing(items, tmp_path):
    questions = (EGGS, REWORDED, "Write a haiku about the moon.")
    rows = [{"instruction": text, "output": "So."} for text in questions]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with serve(Plan(reply=said)) as server:
        (tmp_path / "p.yaml").write_text(
            "name: clean\nsource: data.jsonl\n"
            f'teacher: {{provider: openai, model: m, base_url: "{server.url}"}}\n'
            "steps:\n"
            "  - contamination.by_length: {against: [sums.jsonl]}\n"
            "  - contamination.paraphrase: {against: [sums.jsonl]}\n"
        )
        version = run(tmp_path / "p.yaml", store=tmp_path / "store")
        assert len(server.answered()) == 1
    assert [each.instruction for each in version.records()] == [questions[2]]
    dropped = [
        json.loads(line)["dropped"]
        for line in (version.path / "dropped.jsonl").read_text().splitlines()
    ]
    assert [each["detail"]["rule"] for each in dropped] == ["by_length", "paraphrase"]


def test_a_name_s_texts_come_from_the_hub(hub, tmp_path):
    hub["openai/gsm8k"] = [{"question": EGGS, "answer": "#### 294"}]
    found, _ = checked(Paraphrase(against=("gsm8k",)), Record(REWORDED, id="r"), tmp_path)
    assert found.of == "gsm8k/1"


def test_offline_it_is_said_that_hashes_are_not_enough(hub, tmp_path):
    with pytest.raises(InputError) as caught:
        checked(Paraphrase(against=("gsm8k",)), Record(REWORDED, id="r"), tmp_path)
    assert "gsm8k: is shipped as hashes only; its texts are fetched from the hub." in str(
        caught.value
    )


def test_fields(items, tmp_path):
    (tmp_path / "mine.txt").write_text("Same? {question}")
    with pytest.raises(StepError, match="item"):
        Paraphrase(against=(items,), prompts={"same": str(tmp_path / "mine.txt")})
    with pytest.raises(StepError, match="there is no benchmark"):
        Paraphrase(against=("gsm9k",))
