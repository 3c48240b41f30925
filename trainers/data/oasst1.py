"""oasst1: trees of messages that volunteers wrote, reviewed and ranked.

Rows are single messages with their parents, as on the hub, or whole trees, nested in `replies`. A
message that was deleted, or did not pass review, is left out with all that follows it. A rank of 0
is the best among siblings (arXiv 2304.07327).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from datakit.errors import RecordError
from datakit.rows import Row
from trainers.data.build import Built, chat, pair, turn
from trainers.examples import Message, Refused

__all__ = ["chats", "flat", "pairs"]

_ROLES = {"prompter": "user", "assistant": "assistant"}


@dataclass(eq=False)
class _Node:
    where: str
    id: str
    parent: str | None
    text: str
    role: str
    rank: int | None
    meta: dict[str, Any]
    above: _Node | None = None
    replies: list[_Node] = field(default_factory=list)

    @property
    def order(self) -> tuple[bool, int]:
        """The best rank first, then those without one."""
        return self.rank is None, self.rank or 0


def flat(rows: Iterable[Row]) -> Iterator[Row]:
    """Yields the messages of rows that are trees; other rows as they are.

    Raises:
        RecordError: If a tree has something else where a message should be.
    """
    for where, row in rows:
        if "prompt" not in row or "message_id" in row:
            yield where, row
            continue
        state = row.get("tree_state")
        waiting: list[tuple[Any, Any]] = [(row["prompt"], None)]
        while waiting:
            message, parent = waiting.pop()
            replies = message.get("replies") or [] if isinstance(message, dict) else None
            if not isinstance(replies, list):
                text = "must be a message with a list of replies, down to the last"
                raise RecordError(f'{where}: "prompt" {text}.')
            yield where, {**message, "replies": None, "parent_id": parent, "tree_state": state}
            name = message.get("message_id")
            waiting += [(each, name) for each in reversed(replies)]


def chats(rows: Iterable[Row]) -> Iterator[Built]:
    """Yields for each tree its best path: at every turn the reply with the best rank.

    It ends with the last answer on that path.
    """
    roots, lost = _trees(rows)
    yield from lost
    for root in roots:
        path = [root]
        while path[-1].replies:
            path.append(min(path[-1].replies, key=lambda each: each.order))
        if path[-1].role == "user":
            path.pop()
        if not path:
            yield root.where, Refused(root.id, "no_answer", "no answer, or none is left.")
            continue
        last = path[-1]
        yield chat(last.where, _said(path[:-1]), last.text, last.id, meta=last.meta)


def pairs(rows: Iterable[Row]) -> Iterator[Built]:
    """Yields for each question its best-ranked answer and its worst-ranked one.

    One pair a question, so that none counts more than others; pairs of one tree name its root as
    their parent, so that a split keeps them together. Questions with fewer than two ranked answers
    are refused.
    """
    roots, lost = _trees(rows)
    yield from lost
    for root in roots:
        waiting = [root]
        while waiting:
            node = waiting.pop()
            if node.role == "user":
                yield _pair(node)
            waiting += reversed(node.replies)


def _pair(node: _Node) -> Built:
    ranked = [each for each in node.replies if each.rank is not None]
    if len(ranked) < 2:
        text = f"{len(node.replies)} answers, {len(ranked)} of them ranked."
        return node.where, Refused(node.id, "fewer_than_two_ranked", text)
    best, worst = min(ranked, key=_rank), max(ranked, key=_rank)
    if best.rank == worst.rank:
        return node.where, Refused(node.id, "tie", f"all answers have the rank {best.rank}.")
    path = [node]
    while path[-1].above is not None:
        path.append(path[-1].above)
    meta = {**best.meta, "parents": [path[-1].id]}
    id = f"{best.id}/{worst.id}"
    return pair(best.where, _said(reversed(path)), (best.text, worst.text), id, meta=meta)


def _rank(node: _Node) -> int:
    return node.rank or 0


def _said(path: Iterable[_Node]) -> list[Message]:
    return [turn(each.role, each.text) for each in path]


def _trees(rows: Iterable[Row]) -> tuple[list[_Node], list[Built]]:
    """Returns the roots of all trees, and the messages that belong to none."""
    nodes: dict[str, _Node] = {}
    lost: list[Built] = []
    for where, row in rows:
        why = _unfit(row, nodes)
        if why:
            lost.append((where, Refused(row["message_id"], *why)))
            continue
        nodes[row["message_id"]] = _node(where, row)
    roots = []
    for node in nodes.values():
        if node.parent is None:
            roots.append(node)
        elif node.parent in nodes:
            node.above = nodes[node.parent]
            node.above.replies.append(node)
    reached = {id(each) for each in _below(roots, lost)}
    for node in nodes.values():
        if id(node) not in reached:
            text = "what it follows is left out."
            lost.append((node.where, Refused(node.id, "parent_left_out", text)))
    return [root for root in roots if root.role == "user"], lost


def _below(roots: list[_Node], lost: list[Built]) -> Iterator[_Node]:
    """Yields all messages below roots; those that break the order of roles are taken out."""
    waiting = []
    for root in roots:
        if root.role == "user":
            waiting.append(root)
        else:
            lost.append(_out_of_turn(root, "a tree must begin with a question."))
            yield root
    while waiting:
        node = waiting.pop()
        yield node
        for each in node.replies:
            if each.role == node.role:
                lost.append(_out_of_turn(each, "it follows a message of the same role."))
                yield each
        node.replies = [each for each in node.replies if each.role != node.role]
        waiting += node.replies


def _out_of_turn(node: _Node, text: str) -> Built:
    return node.where, Refused(node.id, "turns_do_not_alternate", text)


def _node(where: str, row: dict[str, Any]) -> _Node:
    meta = {"lang": row["lang"]} if row["lang"] else {}
    if row["synthetic"] and row["model_name"]:
        meta["model"] = row["model_name"]
    role = _ROLES[row["role"]]
    parent = row["parent_id"] or None
    return _Node(where, row["message_id"], parent, row["text"], role, row["rank"], meta)


def _unfit(row: dict[str, Any], nodes: dict[str, _Node]) -> tuple[str, str] | None:
    if row["deleted"]:
        return "deleted", "its tree says that it was deleted."
    if row["review_result"] is not True:
        return "not_reviewed", f"review_result is {row['review_result']}, not true."
    if row["tree_state"] not in (None, "ready_for_export"):
        return "tree_not_ready", f'its tree is "{row["tree_state"]}".'
    if row["role"] not in _ROLES:
        return "unknown_role", f'the role is "{row["role"]}", not prompter or assistant.'
    if row["message_id"] in nodes:
        return "repeated_id", "another message has its id."
    return None
