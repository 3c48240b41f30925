import pytest

from datakit.record import Record
from datakit.steps.filter.quality import Quality, repeated_share

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
        ("template_leak", "As an AI language model, my taste in food is limited."),
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
    ],
)
def test_each_rule_can_be_switched_off(step, output):
    assert step.check(Record("Name a river.", "", output)) is None


def test_repeated_share():
    assert repeated_share("") == 0
    assert repeated_share("one two three") == 0
    assert repeated_share(LOOP) == 1
    assert 0.4 < repeated_share(LOOP + " ".join(f"word{i}" for i in range(60))) < 0.5
