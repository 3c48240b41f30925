import gzip
import json
import os

import pytest

from datakit.errors import InputError
from trainers.commands.asking import answered, make_key, read_prompts


def user(text):
    return {"role": "user", "content": text}


class Fixed:
    """A subject that answers by its name, and notes what it was asked."""

    base = None

    def __init__(self, name, calls, stop=None):
        self.name, self._calls, self._stop = name, calls, stop
        calls.append(f"open {name}")

    def nll(self, chats, *, last=False):
        raise NotImplementedError

    def generate(self, prompts, *, max_new_tokens=256):
        self._calls.append(f"{self.name} {len(prompts)} {max_new_tokens}")
        if self._stop and len(self._calls) > self._stop:
            raise KeyboardInterrupt
        return [f"{self.name}: {prompt[-1]['content']}" for prompt in prompts]

    def close(self):
        self._calls.append(f"close {self.name}")


def asked(count=40):
    return [(user(f"Question {at}?"),) for at in range(count)]


def run(folder, calls, *, models=("a", "b"), prompts=None, tokens=8, seed=0, stop=None):
    prompts = asked() if prompts is None else prompts
    key = make_key(models, prompts, tokens, seed)
    return answered(folder, models, prompts, key=key, opener=lambda name: Fixed(name, calls, stop))


def test_one_model_at_a_time_and_nothing_twice(tmp_path):
    calls = []
    pairs = run(tmp_path / "x", calls)
    assert calls == [
        "open a", "a 16 8", "a 16 8", "a 8 8", "close a",
        "open b", "b 16 8", "b 16 8", "b 8 8", "close b",
    ]  # fmt: skip
    assert {pair.outputs for pair in pairs.items} == {
        (f"a: Question {at}?", f"b: Question {at}?") for at in range(40)
    }
    assert os.listdir(tmp_path / "x") == ["items.jsonl"]
    assert run(tmp_path / "x", calls) == pairs
    assert len(calls) == 10


def test_what_was_answered_before_an_interruption_is_not_asked_again(tmp_path):
    calls = []
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, calls, stop=6)
    assert calls[-3:] == ["open b", "b 16 8", "close b"]
    path = tmp_path / "outputs.jsonl"
    # A kill may tear the last line.
    path.write_bytes(path.read_bytes()[:-5])
    calls.clear()
    pairs = run(tmp_path, calls)
    assert calls == ["open a", "a 8 8", "close a", "open b", "b 16 8", "b 16 8", "b 8 8", "close b"]
    assert pairs == run(tmp_path / "whole", [])


def test_a_model_that_cannot_be_opened_leaves_no_folder(tmp_path):
    def opener(name):
        raise InputError(f"{name}: cannot be loaded")

    folder, prompts = tmp_path / "comparisons" / "x", asked(2)
    key = make_key(("a", "b"), prompts, 8, 0)
    with pytest.raises(InputError, match="cannot be loaded"):
        answered(folder, ("a", "b"), prompts, key=key, opener=opener)
    assert os.listdir(tmp_path) == []
    # What others put there stays, and so does what is answered.
    folder.mkdir(parents=True)
    with pytest.raises(InputError, match="cannot be loaded"):
        answered(folder, ("a", "b"), prompts, key=key, opener=opener)
    assert os.listdir(tmp_path / "comparisons") == ["x"]
    with pytest.raises(KeyboardInterrupt):
        run(folder, [], stop=2)
    assert os.listdir(folder) == ["outputs.jsonl"]


class Words:
    """A tokenizer of words."""

    def encode(self, text, *, add_special_tokens):
        assert not add_special_tokens
        return text.split()


def test_an_answer_that_the_limit_cut_off_says_so(tmp_path):
    class Counted(Fixed):
        tokenizer = Words()

        def generate(self, prompts, *, max_new_tokens=256):
            long = " ".join(["word"] * max_new_tokens)
            return [long if self.name == "a" else "It ended." for _ in prompts]

    prompts = asked(3)
    key = make_key(("a", "b"), prompts, 4, 0)
    pairs = answered(tmp_path, ("a", "b"), prompts, key=key, opener=lambda name: Counted(name, []))
    mark = "word word word word … [cut off: the limit is 4 tokens]"
    assert {pair.outputs for pair in pairs.items} == {(mark, "It ended.")}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"models": ("a", "c")}, "models"),
        ({"prompts": [(user("Another?"),)] * 40}, "prompts"),
        ({"tokens": 9}, "max_new_tokens"),
        ({"seed": 1}, "seed"),
    ],
)
@pytest.mark.parametrize("whole", [True, False])
def test_another_comparison_needs_another_folder(tmp_path, change, told, whole):
    if whole:
        run(tmp_path, [])
    else:
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, [], stop=2)
    with pytest.raises(InputError, match=rf"differs: {told}\. Name another folder with -o"):
        run(tmp_path, [], **change)


def test_a_model_that_was_trained_again_is_another_one(tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    (model / "weights").write_text("1")
    models = (str(model), "b")
    pairs = run(tmp_path / "x", [], models=models)
    (model / "weights").write_text("22")
    with pytest.raises(InputError, match=r"differs: .*/model\. Name"):
        run(tmp_path / "x", [], models=models)
    (model / "weights").unlink()
    model.rmdir()
    assert run(tmp_path / "x", [], models=models) == pairs


def test_the_same_model_twice_has_two_names(tmp_path):
    pairs = run(tmp_path, [], models=("a", "a"))
    assert pairs.names == ("a (A)", "a (B)")
    assert pairs.shown == ()


def test_secrets_of_a_url_are_not_kept(tmp_path):
    models = ("https://u:s3cret@h/v1?key=s3cret#m", "https://h/v1?key=other#m")
    kept = []

    class Opened(Fixed):
        def generate(self, prompts, *, max_new_tokens=256):
            kept.append((tmp_path / "outputs.jsonl").read_text())
            return ["an answer" for _ in prompts]

    told, calls = [], []
    key = make_key(models, asked(3), 8, 0)
    pairs = answered(
        tmp_path, models, asked(3), key=key, opener=lambda name: Opened(name, calls),
        note=told.append,
    )  # fmt: skip
    assert calls[0] == f"open {models[0]}"
    assert pairs.names == ("https://h/v1#m (A)", "https://h/v1#m (B)")
    for text in (*kept, (tmp_path / "items.jsonl").read_text(), *told):
        assert "s3cret" not in text and "other" not in text


def test_names_of_fields(tmp_path):
    rows = [{"question": "One?", "context": "1"}, {"question": "Two?", "prompt": "Not this."}]
    path = write(tmp_path / "p.jsonl", rows[0])
    fields = {"instruction": "question", "input": "context"}
    assert read_prompts(path, fields=fields) == [(user("One?\n1"),)]
    path = write(tmp_path / "p.jsonl", rows[1])
    assert read_prompts(path, fields={"instruction": "question"}) == [(user("Two?"),)]
    with pytest.raises(InputError, match=r'p.jsonl:1: the field "ask" is missing'):
        read_prompts(path, fields={"instruction": "ask"})
    with pytest.raises(InputError, match=r"--fields: .*p\.txt has lines of text and no fields"):
        read_prompts(str(tmp_path / "p.txt"), fields=fields)


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        run(tmp_path / "file", [])


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_prompts_from_records_with_and_without_outputs(tmp_path):
    path = write(
        tmp_path / "p.jsonl",
        {"instruction": "Add.", "input": "1 2", "output": "3"},
        {"instruction": "Say.", "system": "Be short."},
        {"instruction": "Bad one.", "output": "x", "label": False},
        {"instruction": "Add.", "input": "1 2", "output": "three"},
    )
    assert read_prompts(path) == [
        (user("Add.\n1 2"),),
        ({"role": "system", "content": "Be short."}, user("Say.")),
        (user("Bad one."),),
    ]


def test_prompts_from_lines_with_a_prompt(tmp_path):
    chat = [user("Hi."), {"role": "assistant", "content": "Hello."}, user("And?")]
    path = write(
        tmp_path / "p.jsonl",
        {"prompt": "One?"},
        {"prompt": chat},
        {"prompt": "Two?", "chosen": "a", "rejected": "b"},
        {"messages": [*chat, {"role": "assistant", "content": "So."}]},
        {"messages": [user("Three?"), {"role": "assistant", "content": "3"}]},
    )
    assert read_prompts(path) == [(user("One?"),), tuple(chat), (user("Two?"),), (user("Three?"),)]


@pytest.mark.parametrize("zipped", [False, True])
def test_prompts_from_a_text_file(tmp_path, zipped):
    text = "\ufeffFirst?\n\n  Second?  \nFirst?\n".encode()
    path = tmp_path / ("p.txt.gz" if zipped else "p.txt")
    path.write_bytes(gzip.compress(text) if zipped else text)
    assert read_prompts(str(path)) == [(user("First?"),), (user("Second?"),)]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("p.txt", b"\n", "p.txt: there are no prompts in it"),
        ("p.txt", b"a\n\xff\n", r"p.txt:2: not UTF-8"),
        ("p.jsonl", b'{"question": "x"}\n', r'p.jsonl:1: "instruction" is missing'),
        ("p.jsonl", b'{"prompt": 3}\n', r'p.jsonl:1: "instruction" must be a text'),
        ("p.jsonl", b"", "p.jsonl: there are no records in it"),
    ],
)
def test_a_file_without_prompts_is_an_error(tmp_path, name, content, told):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=told):
        read_prompts(str(tmp_path / name))


def test_a_file_that_is_not_there():
    with pytest.raises(InputError, match="there is no such file"):
        read_prompts("./no.jsonl")
