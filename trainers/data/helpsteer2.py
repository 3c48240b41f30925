"""HelpSteer2: a prompt, a response and five scores from 0 to 4; two responses to each prompt.

A prompt of several turns is one text, with `<extra_id_1>User` and `<extra_id_1>Assistant` before
all turns but the first, as the set's card says.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from typing import Any

from datakit.rows import Row
from trainers.data.build import Built, chat, pair, turn
from trainers.examples import Message, Refused

__all__ = ["SCORES", "chats", "pairs"]

SCORES = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")

_TURN = re.compile(r"\s*<extra_id_1>(User|Assistant)[ \t]*\n?")


def chats(rows: Iterable[Row]) -> Iterator[Built]:
    """Yields a record for each response, whether good or bad, with its scores in `meta.scores`."""
    for where, row in rows:
        prompt = _prompt(row["prompt"])
        if prompt is None:
            yield where, _unclear(where)
        else:
            yield chat(where, prompt, row["response"], meta={"scores": _scores(row)})


def pairs(rows: Iterable[Row]) -> Iterator[Built]:
    """Yields a pair for each two neighbouring responses to one prompt.

    The more helpful one is chosen. Equally helpful ones are refused, as is a response without
    another to its prompt.
    """
    for _, group in itertools.groupby(rows, key=lambda item: item[1]["prompt"]):
        listed = list(group)
        if len(listed) == 1:
            where = listed[0][0]
            yield where, Refused(where, "one_answer", "no other response to its prompt is next.")
        for one, other in itertools.combinations(listed, 2):
            yield _pair(one, other)


def _pair(one: Row, other: Row) -> Built:
    # The first stays the first where both are as helpful.
    better, worse = sorted((one, other), key=lambda item: -int(item[1]["helpfulness"]))
    where, row = better
    if row["helpfulness"] == worse[1]["helpfulness"]:
        text = f"as helpful ({row['helpfulness']}) as the response at {worse[0]}."
        return where, Refused(where, "tie", text)
    prompt = _prompt(row["prompt"])
    if prompt is None:
        return where, _unclear(where)
    meta = {"scores": _scores(row), "rejected_scores": _scores(worse[1])}
    return pair(where, prompt, (row["response"], worse[1]["response"]), meta=meta)


def _unclear(where: str) -> Refused:
    text = "the prompt's turns are not user, assistant, user."
    return Refused(where, "turns_do_not_alternate", text)


def _scores(row: dict[str, Any]) -> dict[str, int]:
    return {name: row[name] for name in SCORES}


def _prompt(text: str) -> list[Message] | None:
    """Returns the prompt's turns, or None if they are not user, assistant, user and so on."""
    first, *rest = _TURN.split(text)
    names = ["User", *rest[::2]]
    if names != [("User", "Assistant")[at % 2] for at in range(len(names))] or not len(names) % 2:
        return None
    roles = ("user" if name == "User" else "assistant" for name in names)
    return [turn(role, said) for role, said in zip(roles, [first, *rest[1::2]], strict=True)]
