import pytest

from datakit.quality import repeated_share
from datakit.record import Record
from datakit.steps.filter.quality import Quality
from datakit.steps.score.quality import Quality as Score

LOOP = "and so the cat sat down on the mat again " * 5


@pytest.mark.parametrize(
    ("reason", "output"),
    [
        ("empty_output", " \n"),
        ("placeholder", "N/A"),
        ("placeholder", "<nooutput>"),
        ("placeholder", "..."),
        ("placeholder", "[Insert your answer here]"),
        ("placeholder", "Lorem ipsum dolor sit amet"),
        ("refusal", "I'm sorry, but I can't assist with that."),
        ("refusal", "I\u2019m sorry, I cannot help with this request."),
        ("refusal", "Sorry, I am unable to provide that."),
        ("refusal", "As an AI language model, I cannot browse the internet."),
        ("disclaimer", "As an AI language model, my taste in food is limited."),
        ("disclaimer", "Als KI-Sprachmodell habe ich keinen Geschmack."),
        ("disclaimer", "En tant qu\u2019intelligence artificielle, je n'ai pas de go\u00fbt."),
        (
            "disclaimer",
            "\u4f5c\u4e3a\u4e00\u4e2a\u4eba\u5de5\u667a\u80fd\uff0c",
        ),
        ("refusal", "Es tut mir leid, aber ich kann Ihnen dabei nicht helfen."),
        ("refusal", "D\u00e9sol\u00e9, mais je ne peux pas r\u00e9pondre \u00e0 cela."),
        ("refusal", "Lo siento, pero no puedo ayudar con eso."),
        ("refusal", "\u62b1\u6b49\uff0c\u6211\u65e0\u6cd5\u56de\u7b54\u3002"),
        ("mojibake", "Der Rhein ist ein sch\u00c3\u00b6ner Flu\u00c3\u0178 in Deutschland."),
        ("template_leak", "Yes.\n\n### Instruction:\nName a river."),
        ("template_leak", "Yes.<|im_end|>"),
        ("echo", "Name a river. "),
        ("echo", "of Europe"),
        ("cut_short", "Here:\n```sql\nSELECT 1;\n"),
        ("repetitive", LOOP),
        ("low_alnum", "=+" * 20),
    ],
)
def test_a_broken_answer(reason, output):
    drop = Quality().check(Record("Name a river.", "of Europe", output))
    assert drop.reason == reason
    if "start" in drop.detail:
        assert output[drop.detail["start"] : drop.detail["end"]] == drop.detail["text"]


@pytest.mark.parametrize(
    "output",
    [
        "The Rhine.",
        "None",
        "42",
        "\u2713",
        "No",
        "SELECT COUNT(*) FROM rivers;",
        "I'm sorry that I cannot come to your party.",
        "I can't wait to see you!",
        "Unfortunately, the river is closed.",
        "Here:\n```sql\nSELECT 1;\n```\nand\n```\nSELECT 2;\n```",
        "## Output:\n9",
        "Question 1: Which river is the longest?",
        "of EUROPE",
        "the cat sat down on the mat again and the dog too. " * 2,
        "Es tut mir leid, dass der Fluss nicht hilft.",
        "Ich kann schwimmen, aber nicht im Rhein.",
        "Sch\u00f6ne Fl\u00fcsse: Rh\u00f4ne, \u0412\u043e\u043b\u0433\u0430, \u9577\u6c5f.",
        "A language model can't provide facts of which it has not read.",
    ],
)
def test_a_good_answer(output):
    assert Quality().check(Record("Name a river.", "of Europe", output)) is None


def test_a_numbered_instruction_is_a_leak():
    assert (
        Quality().check(Record("Question 7: Name a river.", "", "Rhine")).reason == "template_leak"
    )
    assert Quality().check(Record("What is question 7 about?", "", "Rivers")) is None


@pytest.mark.parametrize(
    ("step", "output"),
    [
        (Quality(max_repeated=1), LOOP),
        (Quality(min_alnum=0), "=+" * 20),
        (Quality(refusals=False), "I'm sorry, but I can't assist with that."),
        (Quality(echoes=False), "Name a river."),
        (Quality(leaks=False), "Yes.<|im_end|>"),
        (Quality(cut_short=False), "```"),
        (Quality(placeholders=False), "N/A"),
        (Quality(disclaimers=False), "As an AI language model, my taste is limited."),
        (Quality(mojibake=False), "sch\u00c3\u00b6n und gut"),
    ],
)
def test_each_rule_can_be_switched_off(step, output):
    assert step.check(Record("Name a river.", "", output)) is None


def test_repeated_share():
    assert repeated_share("") == 0
    assert repeated_share("one two three") == 0
    assert repeated_share(LOOP) == 1
    assert 0.4 < repeated_share(LOOP + " ".join(f"word{i}" for i in range(60))) < 0.5


@pytest.mark.parametrize("place", ["meta", "extra"])
@pytest.mark.parametrize(("reason", "dropped"), [("length", True), ("stop", False)])
def test_an_answer_that_its_own_file_calls_cut(place, reason, dropped):
    record = Record("q", output="A fine answer", **{place: {"finish_reason": reason}})
    drop = Quality().check(record)
    assert (drop is not None) == dropped
    if drop:
        assert (drop.reason, drop.detail) == ("cut_short", {"finish_reason": "length"})


def test_the_score_says_what_it_took_away():
    looping = LOOP + " ".join(f"word{i}" for i in range(60))
    found = Score().score(
        [
            Record("Name a river.", output="The Rhine."),
            Record("Name a river.", output="Name a river."),
            Record("Name a river.", output=looping),
            Record("Name a river.", output="=+-*/ a " * 10),
        ]
    )
    assert found[0] == {"quality": 1.0, "quality_faults": {}}
    assert found[1] == {"quality": 0.0, "quality_faults": {"echo": 1.0}}
    assert found[2]["quality"] == round(1 - repeated_share(looping), 4)
    # A sixth of the signs are letters, where four tenths are asked for.
    assert found[3]["quality"] < 0.42
    assert set(found[3]["quality_faults"]) >= {"low_alnum"}
