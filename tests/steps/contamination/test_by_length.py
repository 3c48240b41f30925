import json
import os

import pytest

from datakit.record import Record
from datakit.step import FileRef, Resources, StepError
from datakit.steps.contamination.by_length import ByLength

QUESTION = "What is the airspeed velocity of an unladen swallow in summer"
ANSWER = "It flies at about eleven metres per second or so"


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "held_out_sql.jsonl"
    rows = [{"question": "something else entirely is asked here now"}] * 2
    rows.append({"question": QUESTION, "answer": ANSWER})
    file.write_text("\n".join(map(json.dumps, rows)))
    return FileRef(file)


def test_by_length(path):
    text = f"Tell me. {QUESTION}?"
    drop = ByLength(against=(path,)).check(Record(text), Resources())
    assert (drop.reason, drop.of, drop.score) == ("contaminated", "held_out_sql/3", 1.0)
    assert drop.detail == {
        "side": "question",
        "rule": "by_length",
        "field": "instruction",
        "start": 9,
        "end": 9 + len(QUESTION),
        "text": QUESTION,
    }


def test_an_answer_alone_is_kept_unless_asked(path):
    record = Record("How fast?", "", ANSWER)
    assert ByLength(against=(path,)).check(record, Resources()) is None
    drop = ByLength(against=(path,), sides=("question", "answer")).check(record, Resources())
    assert drop.detail["side"] == "answer"


def test_the_index_is_built_once(path):
    resources = Resources()
    step = ByLength(against=(path,))
    step.check(Record("x"), resources)
    path_gone = path + ".gone"
    os.rename(path, path_gone)
    assert step.check(Record(QUESTION), resources).reason == "contaminated"


@pytest.mark.parametrize(
    ("against", "says"),
    [
        (("gsm9k",), r'against: there is no benchmark "gsm9k"; did you mean "gsm8k"'),
        (("mine",), r"there are alpaca_eval, .* A file is written ./mine"),
        ((), r"against"),
    ],
)
def test_what_there_is_not(against, says):
    with pytest.raises(StepError, match=says):
        ByLength(against=against)


def test_a_benchmark_by_its_name():
    record = Record(
        "Write a python function to find the first repeated character in a given string"
    )
    drop = ByLength(against=("gsm8k", "mbpp")).check(record, Resources())
    assert (drop.of, drop.score) == ("mbpp/217", 1.0)


def test_the_manifest_says_which_file_a_named_benchmark_was_made_of(tmp_path):
    import datakit
    from datakit.benchmark import catalogue

    (tmp_path / "data.jsonl").write_text('{"instruction": "Count the boats.", "output": "Two."}\n')
    (tmp_path / "p.yaml").write_text(
        "name: clean\nsource: data.jsonl\nsteps:\n"
        "  - contamination.by_length: {against: [gsm8k, humaneval]}\n"
    )
    version = datakit.run(tmp_path / "p.yaml", store=tmp_path / "store")
    assert version.manifest["inputs"] == [
        {"step": "contamination.by_length", "path": name, "sha256": catalogue()[name].sha256}
        for name in ("gsm8k", "humaneval")
    ]
