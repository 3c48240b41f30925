import json

import pytest

from datakit.judge import Comparison, Session, compare
from datakit.outcome import Drop
from datakit.prompts import fill
from tests.judge.judges import good, longer, pairwise, shown, teacher
from tests.loopback import Fault, Plan, serve

ODD = "a {question} } <b>&amp;</b> \u202e {first}"


def compared(plan, folder, *answers, **options):
    with serve(plan) as server, Session(teacher(server), folder / "log") as session:

        async def ask(item, llm):
            return await compare(llm, "Which one?", *item, **options)

        (said,) = session.map([answers], ask, lambda item: "k")
        return said, server.answered()


def test_both_orders_are_asked_one_after_the_other(tmp_path):
    said, rows = compared(pairwise(good), tmp_path, "good", "bad")
    assert said.winner == "a"
    assert said.verdicts == ("a", "a")
    assert said.reasons == ("so it is", "so it is")
    asked = [shown(row["sent"]) for row in rows]
    assert [(each["first"], each["second"]) for each in asked] == [("good", "bad"), ("bad", "good")]
    assert {each["question"] for each in asked} == {"Which one?"}
    schema = rows[0]["sent"]["response_format"]["json_schema"]["schema"]
    assert list(schema["properties"]) == ["reason", "better"], "the reason comes first"
    assert rows[0]["sent"]["temperature"] == 0


@pytest.mark.parametrize(
    ("verdict", "verdicts", "winner", "firsts"),
    [
        (lambda first, second: "first", ("a", "b"), "tie", (True, True)),
        (lambda first, second: "second", ("b", "a"), "tie", (False, False)),
        (lambda first, second: "tie", ("tie", "tie"), "tie", ()),
        (lambda first, second: "first" if first == "x" else "tie", ("a", "tie"), "tie", (True,)),
        (longer, ("b", "b"), "b", (False, True)),
    ],
)
def test_only_what_wins_in_both_orders_wins(tmp_path, verdict, verdicts, winner, firsts):
    said, _ = compared(pairwise(verdict), tmp_path, "x", "longer")
    assert (said.verdicts, said.winner, said.firsts) == (verdicts, winner, firsts)


@pytest.mark.parametrize(
    ("plan", "reason", "requests"),
    [
        (Plan([Fault("refusal")]), "refused", 1),
        (Plan([Fault("length")]), "cut_short", 2),
        (Plan(reply=lambda body: "The first one."), "unparsable", 2),
        (Plan(reply=lambda body: '{"reason": "x", "better": "a"}'), "unparsable", 2),
        (Plan(reply=lambda body: '["first"]'), "unparsable", 2),
    ],
)
def test_without_a_verdict_there_is_no_second_order(tmp_path, plan, reason, requests):
    said, rows = compared(plan, tmp_path, "x", "y", json_schema=False)
    assert isinstance(said, Drop)
    assert said.reason == reason
    assert len(rows) == requests
    assert "response_format" not in rows[0]["sent"]


def test_answers_are_texts_whatever_is_in_them(tmp_path):
    said, rows = compared(pairwise(longer), tmp_path, ODD, "y")
    assert said.winner == "a"
    assert shown(rows[0]["sent"])["first"] == ODD


def test_a_prompt_of_one_s_own_is_told_how_to_answer(tmp_path):
    own = tmp_path / "own.txt"
    own.write_text("Q {question} A {first} B {second}")
    reply = json.dumps({"reason": "", "better": "tie"})
    said, rows = compared(Plan(reply=lambda body: reply), tmp_path, "x", "y", prompt=own)
    assert said == Comparison(("tie", "tie"))
    text = rows[0]["sent"]["messages"][0]["content"]
    assert text.startswith(
        fill(
            "Q {question} A {first} B {second}\n\n",
            {"question": "Which one?", "first": "x", "second": "y"},
        )
    )
    assert '{"reason": "...", "better": "..."}' in text


def test_a_reference_and_a_second_turn_are_shown(tmp_path):
    _, rows = compared(pairwise(good), tmp_path, "good", "bad", reference=ODD, second_turn=True)
    for row in rows:
        text = row["sent"]["messages"][0]["content"]
        assert f"<reference>\n{ODD}\n</reference>" in text
        assert "Judge the answers to the second turn alone" in text
    _, rows = compared(pairwise(good), tmp_path / "plain", "good", "bad")
    assert "<reference>" not in rows[0]["sent"]["messages"][0]["content"]
    assert "second turn" not in rows[0]["sent"]["messages"][0]["content"]
