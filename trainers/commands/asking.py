"""Has two models answer the same prompts, for a person to choose between the answers.

The folder of a comparison has `items.jsonl`: prompts, both answers, order and sides. While the
models answer, `outputs.jsonl` has what is there, so that nothing is generated twice.
"""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datakit.amounts import counted
from datakit.curate import Pairs, make_pairs, read_pairs, write_pairs
from datakit.curate.items import dump
from datakit.direct import open_input
from datakit.errors import InputError, RecordError, visible
from datakit.files import open_file, shown_path
from datakit.reading import identified, read_rows
from datakit.record import Record, digest
from datakit.shapes import shaped
from datakit.strict import decode, parse_object
from trainers.evaluate.subject import shown_model
from trainers.examples import Message, chats

if TYPE_CHECKING:
    from trainers.evaluate.subject import Subject

__all__ = ["ITEMS", "Models", "Prompt", "answered", "check_key", "make_key", "read_prompts"]

Prompt = tuple[Message, ...]
Models = tuple[str, str]
Opener = Callable[[str], "Subject"]
Note = Callable[[str], None]

ITEMS, OUTPUTS = "items.jsonl", "outputs.jsonl"
# Prompts that are asked, and saved, at a time.
_BATCH = 16
_TEXT = (".txt", ".txt.gz", ".txt.zst")


def read_prompts(
    text: str, *, store: str | None = None, fields: Mapping[str, str] | None = None
) -> list[Prompt]:
    """Reads prompts, each once.

    Args:
        text: A file of records (outputs are not needed), of lines `{"prompt": ...}` with a text or
            a list of messages, or a .txt with a prompt in each line; or what else has records: a
            version, `-`, a hub dataset.
        store: The folder of versions.
        fields: Our fields to the file's, such as `{"instruction": "question"}`.

    Raises:
        InputError: If there is none, or with the lines that are wrong.
    """
    if text.endswith(_TEXT):
        if fields:
            raise InputError(f"--fields: {shown_path(text)} has lines of text and no fields.")
        found = list(_lines(text))
    elif text == "-" or (Path(text).is_file() and not (Path(text) / "manifest.json").is_file()):
        # Whoever names the fields has said where the prompt is.
        rows = ((where, row if fields else _asking(row)) for where, row in read_rows(text))
        found = list(_prompts(identified(rows, text, fields=fields)))
    else:
        found = list(_prompts(open_input(text, store=store, fields=fields)))
    # The same prompt twice would get the same answers twice: no new evidence.
    unique = {digest(list(prompt)): prompt for prompt in found}
    if not unique:
        raise InputError(f"{shown_path(text)}: there are no prompts in it.")
    return list(unique.values())


def _lines(path: str) -> Iterator[Prompt]:
    with open_file(path) as file:
        for number, line in enumerate(file, 1):
            text = decode(line, f"{shown_path(path)}:{number}").strip().removeprefix("\ufeff")
            if text:
                yield ({"role": "user", "content": text},)


def _asking(row: dict[str, Any]) -> dict[str, Any]:
    """Returns a line that has nothing but a prompt as a record."""
    if "instruction" in row or row.get("prompt") is None or shaped(row) is not row:
        return row
    rest = {key: value for key, value in row.items() if key != "prompt"}
    key = "messages" if isinstance(row["prompt"], list) else "instruction"
    return {**rest, key: row["prompt"]}


def _prompts(records: Iterable[Record]) -> Iterator[Prompt]:
    """Yields what comes before the answer, as training has it; the answer may be missing."""
    for record in records:
        extra = {key: value for key, value in record.extra.items() if key != "label"}
        (chat,) = chats([record.replace(output=record.output or "-", extra=extra)])
        yield chat.messages[:-1]


def make_key(
    models: Models, prompts: Sequence[Prompt], max_new_tokens: int, seed: int
) -> dict[str, Any]:
    """Returns what a comparison's answers depend on, as JSON.

    `files` tells a model that was trained again in the same folder; it is null for a model that is
    not a file or folder here. A URL stands there without its query, which may be a secret.
    """
    return {
        "models": [shown_model(model) for model in models],
        "prompts": digest([list(prompt) for prompt in prompts], size=16),
        "count": len(prompts),
        "max_new_tokens": max_new_tokens,
        "seed": seed,
        "files": [_files(model) for model in models],
    }


def _files(model: str) -> str | None:
    path = Path(model)
    if not path.exists():
        return None
    found = sorted(path.iterdir()) if path.is_dir() else [path]
    stats = [(each.name, each.stat()) for each in found if each.is_file()]
    return digest([[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats])


def check_key(path: Path, there: Mapping[str, Any], key: Mapping[str, Any]) -> None:
    """Refuses a file whose key is not that of this comparison.

    Raises:
        InputError: Names the file, and what differs.
    """
    other = [name for name in key if name != "files" and there.get(name) != key[name]]
    before = there.get("files") or [None, None]
    # A model that is gone by now, or was not here then, is no other model.
    other += [
        model
        for model, then, now in zip(key["models"], before, key["files"], strict=False)
        if None not in (then, now) and then != now
    ]
    if other:
        raise InputError(
            f"{path}: is of another comparison; what differs: {', '.join(other)}. "
            "Name another folder with -o."
        )


def answered(
    folder: Path,
    models: Models,
    prompts: Sequence[Prompt],
    *,
    key: Mapping[str, Any],
    opener: Opener | None = None,
    note: Note = lambda text: None,
) -> Pairs:
    """Has both models answer, one after the other, and returns the shuffled pairs.

    What is in the folder is not generated again. An answer that the limit cut off says so.

    Args:
        folder: The comparison's; made if it is not there.
        models: Both, as `trainers.models.resolve` takes them.
        prompts: What is asked.
        key: What `make_key` says of all this; it has the settings.
        opener: Opens a model; None is `trainers.evaluate.subject.open_subject`.
        note: Is told how far it is.

    Raises:
        InputError: If the folder is of another comparison, or if there is no such model.
    """
    path = folder / ITEMS
    if path.exists():
        pairs = read_pairs(path)
        check_key(path, pairs.key, key)
        return pairs
    opener = opener or _opener(models)
    outputs = _Outputs(folder / OUTPUTS, key)
    try:
        for place, model in enumerate(models):
            _ask(model, place, prompts, outputs, opener, note)
    finally:
        outputs.tidy()
    pairs = make_pairs(prompts, *outputs.texts, names=_names(models), seed=key["seed"], key=key)
    write_pairs(path, pairs)
    outputs.path.unlink()
    return pairs


def _opener(models: Models) -> Opener:
    """Returns what opens either model, once it is known that nothing keeps it from doing so."""
    from trainers.evaluate.subject import check_subject, open_subject

    # A fault of the second one must not come to light after the first one's hours of work.
    for model in models:
        check_subject(model)
    return open_subject


def _names(models: Models) -> tuple[str, str]:
    first, second = map(shown_model, models)
    return (first, second) if first != second else (f"{first} (A)", f"{second} (B)")


def _ask(
    model: str,
    place: int,
    prompts: Sequence[Prompt],
    outputs: _Outputs,
    opener: Opener,
    note: Note,
) -> None:
    done = len(outputs.texts[place])
    if done == len(prompts):
        return
    name = visible(shown_model(model))
    note(f"{name}: loading")
    subject = opener(model)
    try:
        for start in range(done, len(prompts), _BATCH):
            batch, most = prompts[start : start + _BATCH], outputs.max_new_tokens
            answers = subject.generate(batch, max_new_tokens=most)
            outputs.add(place, [_marked(subject, each, most) for each in answers])
            note(f"{name}: {len(outputs.texts[place]):,} of {len(prompts):,} answered")
    finally:
        # The next one may need all of the memory.
        subject.close()
        del subject
        gc.collect()


def _marked(subject: Subject, text: str, most: int) -> str:
    """Marks an answer that the limit cut off, or a person would blame the model for its end.

    Its tokens are counted anew, which for what a model wrote gives the number that it wrote. Only a
    model that is loaded here has its tokenizer here.
    """
    tokenizer = getattr(subject, "tokenizer", None)
    if tokenizer is None or len(tokenizer.encode(text, add_special_tokens=False)) < most:
        return text
    return f"{text} … [cut off: the limit is {counted(most, 'token')}]"


class _Outputs:
    """What the models have answered so far; a line that was torn by a kill is cut off.

    Args:
        path: The file; made with its folder if it is not there.
        key: The comparison's.
    """

    def __init__(self, path: Path, key: Mapping[str, Any]) -> None:
        self.path = path
        self._made = [each for each in path.parents if not each.exists()]
        self.max_new_tokens: int = key["max_new_tokens"]
        self.texts: tuple[list[str], list[str]] = ([], [])
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            whole = path.read_bytes() if path.exists() else b""
            lines = whole[: whole.rfind(b"\n") + 1].splitlines(keepends=True)
            if not lines:
                lines = [dump({"key": dict(key)})]
            path.write_bytes(b"".join(lines))
        except OSError as error:
            raise _unwritten(path, error) from None
        check_key(path, parse_object(lines[0], f"{path}:1").get("key", {}), key)
        for number, line in enumerate(lines[1:], 2):
            row = parse_object(line, f"{path}:{number}")
            if row.get("model") not in (0, 1) or not isinstance(row.get("outputs"), list):
                raise RecordError(f"{path}:{number}: has no model and outputs. Remove the file.")
            self.texts[row["model"]].extend(row["outputs"])

    def add(self, place: int, texts: Sequence[str]) -> None:
        """Appends a batch of a model's answers; returns once it is on the disk."""
        try:
            with open(self.path, "ab") as file:
                file.write(dump({"model": place, "outputs": list(texts)}))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise _unwritten(self.path, error) from None
        self.texts[place].extend(texts)

    def tidy(self) -> None:
        """Removes the file, and folders that were made for it, if no model has answered."""
        if any(self.texts):
            return
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
            for folder in self._made:
                folder.rmdir()


def _unwritten(path: Path, error: OSError) -> InputError:
    return InputError(f"{path}: cannot be written: {error.strerror or error}.")
