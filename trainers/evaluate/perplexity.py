"""`perplexity:FILE`: how likely a model finds the answers of a file.

- `nll`: nats per token, over all tokens of the answers and what ends them.
- `perplexity`: its exponential; its interval is that of `nll`, on the log scale.
- `bits_per_byte`: bits per byte of the answers' UTF-8 text, which models with different tokenizers
  can be compared by.

Each line of the file has `instruction`, `input` (may be left out) and `output`; or `messages` that
end with an answer; or `question` and `answer`:

    {"instruction": "Name a river of France.", "output": "The Loire."}
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trainers.evaluate import Items, TaskOptions
from trainers.evaluate.reading import read_chats
from trainers.evaluate.subject import Scored, Subject
from trainers.examples import Chat

__all__ = ["Perplexity", "likelihood", "open_task"]


@dataclass(frozen=True)
class Perplexity:
    """The task.

    Args:
        text: What the user wrote.
        chats: Its items.
    """

    text: str
    chats: tuple[Chat, ...]

    def __len__(self) -> int:
        return len(self.chats)

    def run(self, subject: Subject, note: Callable[[str], None]) -> Items:
        """Scores the answers."""
        subject.note = note
        return likelihood([each.id for each in self.chats], subject.nll(self.chats))


def likelihood(ids: Sequence[str], scored: Sequence[Scored]) -> Items:
    """Returns scores per token and per byte as items whose means are weighted by those."""
    tokens = tuple(float(each.tokens) for each in scored)
    # An answer of white space alone may have no bytes where it is trimmed.
    sizes = tuple(float(max(1, each.bytes)) for each in scored)
    return Items(
        ids=tuple(ids),
        scores={
            "nll": tuple(each.nll / count for each, count in zip(scored, tokens, strict=True)),
            "bits_per_byte": tuple(
                each.nll / math.log(2) / size for each, size in zip(scored, sizes, strict=True)
            ),
        },
        weights={"nll": tokens, "bits_per_byte": sizes},
        exps={"perplexity": "nll"},
    )


def open_task(argument: str, options: TaskOptions) -> Perplexity:
    """Reads the chats whose answers are scored.

    Args:
        argument: A file, a version or a public set.
        options: What holds for all tasks.

    Raises:
        InputError: If they cannot be read.
    """
    return Perplexity(f"perplexity:{argument}", read_chats(argument, options))
