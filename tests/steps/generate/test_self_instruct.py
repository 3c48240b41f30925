"""generate.self_instruct: three styles, with the constants of their sources."""

import json

import pytest

from datakit.errors import InputError
from datakit.instruct import lists, rules
from datakit.llm.request import Sample
from datakit.outcome import Rejected
from datakit.record import Record
from datakit.step import StepError
from datakit.steps.generate.self_instruct import SelfInstruct
from tests.teachers import Scripted, ask

WORDS = "rivers trains bridges harbours engines gardens winters coppers signals orchards"
SEEDS = [
    Record(f"Explain in short how {topic} change in {at} years.", output=f"{topic}.", id=f"s{at}")
    for at, topic in enumerate(WORDS.split())
]
IDS = [each.id for each in SEEDS]
NEW = [f"Compare the {word} of two towns by price and age." for word in ("roofs", "parks")]


def original(listed, classifies="no", instances=None):
    """Answers the three requests of the original."""
    given = instances or [{"input": "", "output": "An answer."}]

    def answer(request):
        text = request.messages[-1]["content"]
        if "numbered from" in text:
            return listed
        return classifies if "Classification:" in text else json.dumps({"instances": given})

    return Scripted(answer)


def made_by(provider, folder, step=None, pool=SEEDS, **more):
    step = step or SelfInstruct(style="original", rouge=None)
    return ask(step, pool, provider, folder, seeds=IDS, **more)


def reasons(made):
    return [each.drop.reason if isinstance(each, Rejected) else None for each in made]


def test_the_original_asks_as_the_original_did(tmp_path):
    provider = original("9. " + "\n10. ".join(NEW))
    made = made_by(provider, tmp_path)
    assert [each.instruction for each in made] == NEW
    assert [each.output for each in made] == ["An answer."] * 2
    first, classify, instances = provider.asked[:3]
    assert (first.temperature, first.top_p, first.presence_penalty) == (0.7, 0.5, 2.0)
    assert (first.max_tokens, first.n) == (1024, 1)
    shown = first.messages[-1]["content"]
    assert "8. Explain" in shown
    assert "9. Explain" not in shown
    assert "8 new tasks, numbered from 9" in shown
    assert classify.temperature == instances.temperature == 0.0
    assert (instances.presence_penalty, instances.max_tokens) == (1.5, 350)
    assert "up to 5 examples" in instances.messages[-1]["content"]
    assert len(provider.asked) == 1 + 2 * 2


def test_up_to_two_of_eight_were_made_before(tmp_path):
    machine = [Record(f"Machine {at}: name one thing.", output="x", id=f"m{at}") for at in range(9)]
    parents = made_by(original(f"9. {NEW[0]}"), tmp_path, pool=[*SEEDS, *machine])[0].parents
    assert sorted(each[0] for each in parents) == ["m"] * 2 + ["s"] * 6
    alone = made_by(original(f"9. {NEW[0]}"), tmp_path / "b")[0].parents
    assert len(alone) == 8


def test_a_classification_has_its_output_first(tmp_path):
    given = [{"output": "good", "input": "a"}, {"output": "bad", "input": "b"}]
    provider = original(f"9. {NEW[0]}", " Yes", given)
    made = made_by(provider, tmp_path)
    assert [(each.input, each.output) for each in made] == [("a", "good"), ("b", "bad")]
    assert made[0].meta["classification"] is True
    sent = provider.asked[-1]
    assert sent.max_tokens == 300
    item = sent.schema["properties"]["instances"]["items"]
    assert list(item["properties"]) == ["output", "input"]


def test_instances_that_teach_nothing_are_refused(tmp_path):
    given = [
        {"input": "a", "output": ""},
        {"input": "same", "output": "same"},
        {"input": "b:", "output": "x"},
        {"input": "c", "output": "one"},
        {"input": "c", "output": "two"},
        {"input": "d", "output": "never reached"},
    ]
    made = made_by(original(f"9. {NEW[0]}", instances=given), tmp_path)
    assert reasons(made) == [
        "incomplete", "same_as_input", "unfinished", "contradictory", "contradictory",
    ]  # fmt: skip


def test_the_rules_by_which_an_instruction_is_refused(tmp_path):
    listed = [
        "Say three words", "Draw the map of the harbour in winter.", "Write a program that sorts.",
        "*Name the oldest of all the bridges.", "Éxplain how old bridges become ruins.",
        NEW[0], " ".join(["word"] * 151),
    ]  # fmt: skip
    made = made_by(original("\n".join(f"{at}. {x}" for at, x in enumerate(listed, 9))), tmp_path)
    assert reasons(made) == [
        "word_count", "blacklisted", "program", "punctuation", "not_ascii", None, "word_count",
    ]  # fmt: skip
    assert made[1].drop.detail == {"word": "map"}
    free = SelfInstruct(style="original", rouge=None, rules=False)
    assert reasons(made_by(original("9. Say three words"), tmp_path / "b", free)) == [None]


def test_a_rule_that_the_seeds_break_does_not_hold():
    assert rules.in_force([each.instruction for each in SEEDS], rules.ORIGINAL) == {
        "word_count", "blacklisted", "program", "punctuation", "not_ascii",
    }  # fmt: skip
    maps = [
        *(f"Describe the map of town {at}." for at in range(2)),
        *["Name it at once, please."] * 8,
    ]
    assert "blacklisted" not in rules.in_force(maps, rules.ORIGINAL)
    assert "word_count" in rules.in_force(maps, rules.ORIGINAL)
    assert set(rules.ALPACA) - set(rules.ORIGINAL) == {
        "video", "audio", "music", "flowchart", "diagram",
    }  # fmt: skip


def test_what_is_too_much_like_another_is_refused(tmp_path):
    near = "Explain in short how rivers change in 99 years."
    step = SelfInstruct(style="original")
    made = made_by(original(f"9. {near}\n10. {NEW[0]}\n11. {NEW[1]}"), tmp_path, step)
    assert reasons(made) == ["too_similar", None, "too_similar"]
    assert (made[0].drop.of, made[0].drop.score) == ("s0", pytest.approx(8 / 9, abs=1e-3))
    assert len(made[0].drop.detail["nearest"]) == 10
    assert made[2].drop.of is None
    assert made[2].drop.detail["nearest"][0][0] == NEW[0]


def test_a_list_that_was_cut_loses_its_last_item(tmp_path):
    made = made_by(original(Sample(f"9. {NEW[0]}\n10. Compare the", "length")), tmp_path)
    assert [each.instruction for each in made] == NEW[:1]
    cut = made_by(original(Sample("9. Compare the", "length")), tmp_path / "b")
    assert reasons(cut) == ["cut_short"]


@pytest.mark.parametrize(
    ("said", "reason"), [(Sample("No.", "refused"), "refused"), ("", "unparsable")]
)
def test_no_list(tmp_path, said, reason):
    assert reasons(made_by(original(said), tmp_path)) == [reason]


def test_instances_that_cannot_be_read_are_asked_for_once_more(tmp_path):
    provider = original(f"9. {NEW[0]}", instances=[{"input": 1, "output": "x"}])
    made = made_by(provider, tmp_path)
    assert reasons(made) == ["unparsable"]
    assert made[0].record.instruction == NEW[0]
    assert len(provider.asked) == 4


def test_alpaca_asks_for_all_at_once(tmp_path):
    items = [
        {"instruction": each, "input": "", "output": "x"} for each in (*NEW, "Play some music.")
    ]
    provider = Scripted(lambda request: json.dumps({"examples": items}))
    made = made_by(provider, tmp_path, SelfInstruct(style="alpaca", rouge=None))
    assert reasons(made) == [None, None, "word_count"]
    (sent,) = provider.asked
    assert (sent.temperature, sent.top_p, sent.max_tokens) == (1.0, 1.0, 3072)
    assert sent.messages[-1]["content"].count('{"instruction": "Explain') == 3
    assert "Write 20 new ones as JSON" in sent.messages[-1]["content"]
    assert all(len(each.parents) == 3 for each in made[:2])


def test_the_style_is_found_by_itself(tmp_path):
    shared = [each.replace(input="CREATE TABLE t (a)") for each in SEEDS]
    said = json.dumps({"examples": [{"instruction": NEW[0], "input": "i", "output": "o"}]})
    provider = Scripted(lambda request: said)
    made_by(provider, tmp_path, SelfInstruct(), pool=shared)
    assert "Examples:" in provider.asked[0].messages[-1]["content"]
    base = Scripted(lambda request: " x\nOutput: y", form="completion")
    made_by(base, tmp_path / "b", SelfInstruct())
    assert base.asked[0].prompt.startswith("Example 1\n")


@pytest.mark.parametrize(
    ("text", "items"),
    [
        (" go on here.\n10. And here.", ["go on here.", "And here."]),
        ("9. One.\n\n10) Two\nlines.", ["One.", "Two lines."]),
        ("Sure!\nTask 9: One.\nTask 10: Two.", ["One.", "Two."]),
        ("1. One.\n2. Two.", ["One.", "Two."]),
        ("", []),
    ],
)
def test_numbered_lists_as_models_write_them(text, items):
    assert lists.read_numbered(text, 9) == items


def test_braces_and_markup_stay_text(tmp_path):
    odd = Record("Explain {count} <script> in \\1 words, {tasks}?", output="{x}", id="s0")
    provider = original(f"9. {NEW[0]}")
    made_by(provider, tmp_path, pool=[odd])
    assert (
        "1. Explain {count} <script> in \\1 words, {tasks}?"
        in (provider.asked[0].messages[-1]["content"])
    )


def test_prompts_of_the_users_own_are_checked(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("Write tasks like these: {task}", "utf-8")
    with pytest.raises(StepError, match=r"self_instruct.prompts: .*mine.txt:1: there is no place"):
        SelfInstruct(prompts={"instructions": str(path)})
    path.write_text("Continue, numbered from {first}: {tasks}", "utf-8")
    provider = original(f"9. {NEW[0]}")
    made_by(provider, tmp_path, SelfInstruct(style="original", prompts={"instructions": str(path)}))
    assert provider.asked[0].messages[-1]["content"].startswith("Continue, numbered from 9: 1. ")
    with pytest.raises(InputError, match="no prompt"):
        SelfInstruct(prompts={"list": str(path)})


def test_the_same_log_gives_the_same_records(tmp_path):
    first = made_by(original("9. " + "\n10. ".join(NEW)), tmp_path)

    def never(request):
        raise AssertionError("asked again")

    assert made_by(Scripted(never), tmp_path) == first
