"""Topics and personas: trees and lists as users write them, and the order in which they are used.

leaves({"SQL": ["joins", {"windows": ["ranks"]}]})   ("SQL > joins", "SQL > windows > ranks")
cell(ordinal, topics, pairs)                         (which topic, which pair)
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from datakit import strict
from datakit.files import shown_path

__all__ = ["SEPARATOR", "cell", "leaves", "read_personas", "read_topics"]

SEPARATOR = " > "
_DEEPEST = 20


def leaves(tree: object) -> tuple[str, ...]:
    """Returns the leaves of a tree, each with the path to it; none twice.

    Args:
        tree: A list of topics, or a mapping of each to its subtopics; nested at will. A topic
            without subtopics (null, an empty list) is a leaf itself.

    Raises:
        ValueError: If there is none, or something else in it.
    """
    found = tuple(dict.fromkeys(_leaves(tree, ())))
    if not found:
        raise ValueError("there is no topic in it")
    return found


def _leaves(tree: object, path: tuple[str, ...]) -> Iterator[str]:
    if len(path) > _DEEPEST:
        raise ValueError(f"topics are nested more than {_DEEPEST} deep")
    if isinstance(tree, Mapping):
        for key, below in tree.items():
            whole = (*path, _name(key))
            if below is None or below in ([], (), {}):
                yield SEPARATOR.join(whole)
            else:
                yield from _leaves(below, whole)
    elif isinstance(tree, list | tuple):
        for each in tree:
            yield from _leaves(each, path)
    else:
        yield SEPARATOR.join((*path, _name(tree)))


def _name(value: object) -> str:
    if isinstance(value, str) and value.strip():
        return " ".join(value.split())
    # YAML reads 1984 as a number, and `no` as false.
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    quotes = "; put it in quotes" if isinstance(value, bool) else ""
    shown = "an empty text" if isinstance(value, str) else strict.kind_of(value)
    raise ValueError(f"a topic is a text, not {shown}{quotes}")


def read_topics(path: str) -> tuple[str, ...]:
    """Returns the topics of a file: YAML or JSON as for `leaves`, else one topic in each line.

    Raises:
        ValueError: Names the file.
    """
    return _topics(path, _stamp(path))


def read_personas(path: str) -> tuple[str, ...]:
    """Returns the personas of a file, one in each line, none twice.

    A `.jsonl` file has objects with the key `persona`, as that of Persona Hub.

    Raises:
        ValueError: Names the file.
    """
    return _personas(path, _stamp(path))


def _stamp(path: str) -> tuple[int, int]:
    try:
        stat = Path(path).stat()
    except OSError as error:
        raise ValueError(f"{shown_path(path)}: cannot be read: {error.strerror}") from None
    return stat.st_size, stat.st_mtime_ns


@lru_cache(maxsize=16)
def _topics(path: str, stamp: tuple[int, int]) -> tuple[str, ...]:
    text, ending = _text(path), Path(path).suffix.lower()
    tree: object
    if ending == ".json":
        tree = strict.parse(text, shown_path(path), one_line=False)
    elif ending in (".yaml", ".yml"):
        tree = _yaml(text, shown_path(path))
    else:
        tree = _lines(text)
    try:
        return leaves(tree)
    except ValueError as error:
        raise ValueError(f"{shown_path(path)}: {error}") from None


@lru_cache(maxsize=16)
def _personas(path: str, stamp: tuple[int, int]) -> tuple[str, ...]:
    rows = _lines(_text(path))
    if Path(path).suffix.lower() == ".jsonl":
        for at, row in enumerate(rows):
            persona = strict.parse_object(row, f"{shown_path(path)}:{at + 1}").get("persona")
            if not isinstance(persona, str):
                raise ValueError(f'{shown_path(path)}:{at + 1}: has no text "persona"')
            rows[at] = " ".join(persona.split())
    found = tuple(dict.fromkeys(each for each in rows if each))
    if not found:
        raise ValueError(f"{shown_path(path)}: there is no persona in it")
    return found


def _text(path: str) -> str:
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"{shown_path(path)}: cannot be read: {error.strerror}") from None
    return strict.decode(raw, shown_path(path)).removeprefix("\ufeff")


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n") if line.strip()]


def _yaml(text: str, where: str) -> object:
    import yaml

    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        why = " ".join(str(error).replace(' in "<unicode string>",', " in").split())
        raise ValueError(f"{where}: not YAML: {why}") from None


def cell(ordinal: int, topics: int, pairs: int) -> tuple[int, int]:
    """Returns which topic a request has, and which pair of whatever goes with it.

    Each `topics` requests in a row have every topic once, in a shuffled order; the first
    `topics * pairs` requests have every cell of the grid once, the next ones all of them again,
    and so on. Nothing is drawn: the order depends on the sizes of the grid alone.

    Args:
        ordinal: Number of the request, from 0.
        topics: Number of topics.
        pairs: Number of pairs that each topic is combined with.
    """
    turn, place = divmod(ordinal, topics)
    topic = _order(turn, topics)[place]
    # A step that has no factor in common with the number of pairs goes through all of them.
    chance = random.Random(f"pairs/{turn // pairs}/{topic}/{pairs}")
    start, stride = chance.randrange(pairs), chance.randrange(pairs)
    while math.gcd(stride, pairs) != 1:
        stride = chance.randrange(pairs)
    return topic, (start + turn * stride) % pairs


@lru_cache(maxsize=8)
def _order(turn: int, topics: int) -> list[int]:
    order = list(range(topics))
    random.Random(f"topics/{turn}").shuffle(order)
    return order
