"""How likely a model finds an answer, after its question and alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from datakit.errors import InputError
from datakit.record import Record
from trainers.evaluate.batching import scored_row, spots
from trainers.evaluate.local import LocalSubject, open_local
from trainers.examples import Chat, Refused, chats
from trainers.models import is_reward, resolve
from trainers.tokens import Encoded

__all__ = ["Followed", "Follower", "open_follower"]

_NOTHING = {"role": "user", "content": ""}


@dataclass(frozen=True)
class Followed:
    """An answer's mean negative log-likelihoods, over the same tokens, in nats per token.

    Args:
        given: After its question.
        alone: Without.
    """

    given: float
    alone: float

    @property
    def ratio(self) -> float:
        """The quotient of the perplexities: IFD."""
        return math.exp(min(self.given - self.alone, 700.0))


class Follower:
    """A causal model that reads answers.

    Args:
        subject: The model.
    """

    def __init__(self, subject: LocalSubject) -> None:
        self._subject = subject

    def close(self) -> None:
        """Lets go of the model; may be called twice."""
        self._subject.close()

    def follow(
        self, records: Sequence[Record], *, batch: int = 16, max_length: int = 1024
    ) -> list[Followed | None]:
        """Returns how likely each record's last answer is.

        Alone means after an empty question in the same template, so that a model that was made to
        chat sees nothing unusual in either. Of answers that were swapped with another record's,
        94 % then have a ratio of 1 and more; with the bare text that the papers take, 66 %
        (300 records of Alpaca, `python -m tests.benchmarks.following`).

        Args:
            records: Records.
            batch: Most rows of a forward pass.
            max_length: Most tokens of a row; of an answer that is longer, the first are read.

        Returns:
            In the records' order; None where a record is no chat, or nothing of its answer fits.
        """
        longest = min(max_length, self._subject.context)
        rows: list[Encoded] = []
        owners: list[int] = []
        for at, record in enumerate(records):
            refused: list[Refused] = []
            for chat in chats([record], refused):
                pair = self._rows(chat, longest)
                rows += pair
                owners += [at] * bool(pair)
        sums = self._subject.row_nll(rows, batch=batch)
        found: list[Followed | None] = [None] * len(records)
        for place, at in enumerate(owners):
            tokens = rows[2 * place].answer_tokens
            given, alone = sums[2 * place] / tokens, sums[2 * place + 1] / tokens
            found[at] = Followed(given, alone)
        return found

    def _rows(self, chat: Chat, max_length: int) -> list[Encoded]:
        """Returns the answer after its question and after an empty one, in as many tokens."""
        tokenizer = self._subject.tokenizer
        alone = Chat(chat.id, (_NOTHING, chat.messages[-1]))
        rows = [scored_row(tokenizer, each, last=True).cut(max_length) for each in (chat, alone)]
        tokens = min(each.answer_tokens for each in rows)
        return [_first(each, tokens) for each in rows] if tokens else []


def _first(row: Encoded, tokens: int) -> Encoded:
    """Returns a row up to its first labels."""
    return row.cut(list(spots(row))[tokens - 1] + 1)


def open_follower(model: str, template: str = "") -> Follower:
    """Loads a model that reads answers.

    Args:
        model: As `trainers.models.resolve` takes it, but not a served one.
        template: A chat template as `trainers.tokens.set_template` takes it.

    Raises:
        InputError: If there is no such model, or it cannot be read with.
        MissingExtraError: If transformers or torch is not installed.
    """
    ref = resolve(model)
    if ref.kind == "served" or is_reward(ref):
        raise InputError(f"{model}: is no model that reads: name a causal language model.")
    return Follower(open_local(ref, template=template))
