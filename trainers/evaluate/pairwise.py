"""`pairwise:FILE`: whose answers a judge prefers, the model's or others'.

The others are those of `--against MODEL`, or the outputs of the file. The judge is asked about each
pair in both orders; what does not win in both is a tie (`datakit.judge.pairwise`).

- `win_rate`: wins and half of the ties, with an interval over items.
- `length_controlled`: what it would be if both answers were of one length
  (`datakit.judge.statistics.length_controlled`, after AlpacaEval 2).

Each line of the file is as for `perplexity`; `output` may be left out with `--against`:

    {"instruction": "Name a river of France.", "output": "The Loire."}
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from datakit.errors import InputError
from datakit.files import shown_path
from datakit.judge import Question, question_of
from trainers.evaluate import Items, TaskOptions
from trainers.evaluate.judged import Judged, Said
from trainers.evaluate.judging import Judging, Sides
from trainers.evaluate.reading import task_records
from trainers.evaluate.subject import Subject
from trainers.evaluate.verdicts import won
from trainers.examples import Message, chats

__all__ = ["Instruction", "Pairwise", "open_task"]

_NEW_TOKENS = 512
_REFERENCE = "the file's outputs"


@dataclass(frozen=True)
class Instruction:
    """One item.

    Args:
        id: The record's.
        prompt: Turns; the last is the user's.
        text: The same as the judge is shown it.
        output: The file's own answer; empty if it has none.
    """

    id: str
    prompt: tuple[Message, ...]
    text: str
    output: str


@dataclass(frozen=True)
class Pairwise:
    """The task.

    Args:
        text: What the user wrote.
        instructions: Its items.
        max_new_tokens: Most tokens of an answer.
    """

    text: str
    instructions: tuple[Instruction, ...]
    max_new_tokens: int = _NEW_TOKENS

    def __len__(self) -> int:
        return len(self.instructions)

    def missing(self) -> int:
        """Returns how many items have no output to be compared with."""
        return sum(not each.output.strip() for each in self.instructions)

    def run(self, subject: Subject, note: Callable[[str], None]) -> Items:
        """Has the instructions answered."""
        subject.note = note
        answers = subject.generate(
            [each.prompt for each in self.instructions], max_new_tokens=self.max_new_tokens
        )
        return Items(tuple(each.id for each in self.instructions), {}, tuple(answers))

    def judge(self, sides: Sides, judging: Judging) -> Sequence[Judged]:
        """Has each answer compared with the other one."""
        theirs = [each.output for each in self.instructions]
        if sides.others is not None:
            theirs = list(sides.others.answers or ())
        mine = list(sides.answers.answers or ())
        questions = [
            Question(each.text, (one, other))
            for each, one, other in zip(self.instructions, mine, theirs, strict=True)
        ]
        said = judging.compare(questions, self.text)
        rows = [
            Said(each.id, each.id, outcome, (len(one), len(other)), text=other)
            for each, outcome, one, other in zip(self.instructions, said, mine, theirs, strict=True)
        ]
        return [
            won(
                rows,
                model=sides.model,
                opponent=sides.other or _REFERENCE,
                judge=judging.who("pair"),
                standing=judging.standing("pair"),
                cost=judging.cost(),
            )
        ]


def open_task(argument: str, options: TaskOptions) -> Pairwise:
    """Reads instructions, with answers where there are any.

    Args:
        argument: A file, a version or a public set.
        options: What holds for all tasks.

    Raises:
        InputError: If they cannot be read.
    """
    found = []
    for record in task_records(argument, options, "chat"):
        # What it is compared with may be another model's.
        extra = {key: value for key, value in record.extra.items() if key != "label"}
        whole = record.replace(output=record.output or "-", extra=extra)
        (chat,) = chats([whole])
        output = record.output or _last(record.extra.get("messages"))
        found.append(Instruction(record.id, chat.messages[:-1], question_of(record), output))
    if not found:
        raise InputError(f"{shown_path(argument)}: there are no records in it.")
    return Pairwise(f"pairwise:{argument}", tuple(found), options.max_new_tokens or _NEW_TOKENS)


def _last(messages: object) -> str:
    """Returns the answer that a chat ends with; empty if it ends with a question."""
    last = messages[-1] if isinstance(messages, list) and messages else None
    if isinstance(last, dict) and last.get("role") == "assistant":
        return str(last.get("content") or "")
    return ""
