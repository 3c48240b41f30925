r"""`match:FILE`: whether a model's answer is the one of the file.

- `exact`: the final answer is the file's, but for case, white space and marks around it.
- `numeric`: the last number of the answer equals the file's. Where the file's answer is no number,
  it is `exact`; where none is, it is left out.

Each line of the file is as for `perplexity`; what follows `####` in the answer, or stands in a
`boxed`, is what is compared, else all of it:

    {"question": "A box holds 6 eggs. How many do 3 hold?", "answer": "3 * 6 = 18\n#### 18"}
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from datakit.numbers import final, number_in, plain, sole_number
from trainers.evaluate import Items, TaskOptions
from trainers.evaluate.reading import read_chats
from trainers.evaluate.subject import Subject
from trainers.examples import Chat

__all__ = ["Match", "open_task"]

# The steps that lead to the answer of a word problem have some 200.
_NEW_TOKENS = 320


@dataclass(frozen=True)
class Match:
    """The task.

    Args:
        text: What the user wrote.
        chats: Its items; what the last turn says is right.
        max_new_tokens: Most tokens of an answer.
    """

    text: str
    chats: tuple[Chat, ...]
    max_new_tokens: int = _NEW_TOKENS

    def __len__(self) -> int:
        return len(self.chats)

    def run(self, subject: Subject, note: Callable[[str], None]) -> Items:
        """Has the questions answered and compares."""
        subject.note = note
        answers = subject.generate(
            [each.messages[:-1] for each in self.chats], max_new_tokens=self.max_new_tokens
        )
        golds = [final(each.messages[-1]["content"]) for each in self.chats]
        numbers = [sole_number(gold) for gold in golds]
        exact = tuple(
            float(plain(final(answer)) == plain(gold))
            for answer, gold in zip(answers, golds, strict=True)
        )
        scores = {"exact": exact}
        notes: list[str] = []
        without = numbers.count(None)
        if without < len(numbers):
            scores["numeric"] = tuple(
                _numeric(answer, number, hit)
                for answer, number, hit in zip(answers, numbers, exact, strict=True)
            )
            if without:
                notes.append(
                    f"{without:,} of {len(numbers):,} right answers are no number; for them "
                    "`numeric` is `exact`."
                )
        return Items(tuple(each.id for each in self.chats), scores, tuple(answers), tuple(notes))


def _numeric(answer: str, number: Fraction | None, exact: float) -> float:
    if number is None or exact:
        return exact
    return float(number_in(final(answer)) == number)


def open_task(argument: str, options: TaskOptions) -> Match:
    """Reads questions and their answers.

    Args:
        argument: A file, a version or a public set.
        options: What holds for all tasks.

    Raises:
        InputError: If they cannot be read.
    """
    return Match(
        f"match:{argument}",
        read_chats(argument, options),
        options.max_new_tokens or _NEW_TOKENS,
    )
