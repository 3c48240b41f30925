"""`preference:FILE`: whether a model finds the better answer of a pair the likelier one.

- `accuracy`: the chosen answer has the higher log-likelihood; `accuracy_per_token` divides it by
  the answer's tokens first, so that a long answer is not unlikely for its length alone.
- `chosen_logp`, `rejected_logp`: mean log-likelihood of the answers, in nats.
- `shorter_wins`, `longer_wins`: how often the rule "the shorter (longer) answer, in bytes" would be
  right. A model that does no better has learnt nothing but length.

Against a base (arXiv 2305.18290, the implicit reward without its factor beta):

- `reward_accuracy`: the log-likelihood rose more (fell less) for the chosen answer.
- `margin`: by how many nats more.

A tie counts half.

Each line of the file has `instruction`, `input` (may be left out), `output` (the chosen answer) and
`rejected`; or has one of the usual shapes of pairs, such as `prompt`, `chosen`, `rejected`:

    {"prompt": "Say hello.", "chosen": "Hello!", "rejected": "No."}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from trainers.evaluate import Items, TaskOptions
from trainers.evaluate.reading import read_pairs
from trainers.evaluate.subject import Subject
from trainers.examples import Chat, Pair

__all__ = ["Preference", "open_task"]

# An answer over so many times the other's length is much longer.
_MUCH = 1.5


@dataclass(frozen=True)
class Preference:
    """The task.

    Args:
        text: What the user wrote.
        pairs: Its items.
    """

    text: str
    pairs: tuple[Pair, ...]

    def __len__(self) -> int:
        return len(self.pairs)

    def run(self, subject: Subject, note: Callable[[str], None]) -> Items:
        """Scores both answers of each pair."""
        subject.note = note
        count = len(self.pairs)
        answers = [each.chosen for each in self.pairs] + [each.rejected for each in self.pairs]
        scored = subject.nll(
            [
                Chat(pair.id, (*pair.prompt, {"role": "assistant", "content": answer}))
                for pair, answer in zip(self.pairs * 2, answers, strict=True)
            ],
            last=True,
        )
        logps = [-each.nll for each in scored]
        rates = [-each.nll / each.tokens for each in scored]
        wins = _wins(logps[:count], logps[count:])
        sizes = [len(each.encode("utf-8", "replace")) for each in answers]
        scores = {
            "accuracy": wins,
            "accuracy_per_token": _wins(rates[:count], rates[count:]),
            "chosen_logp": tuple(logps[:count]),
            "rejected_logp": tuple(logps[count:]),
            "shorter_wins": _wins(sizes[count:], sizes[:count]),
            "longer_wins": _wins(sizes[:count], sizes[count:]),
        }
        return Items(
            ids=tuple(each.id for each in self.pairs),
            scores=scores,
            notes=_by_length(wins, sizes[:count], sizes[count:]),
            fixed=frozenset({"shorter_wins", "longer_wins"}),
        )

    def against(self, items: Items, base: Items) -> Mapping[str, tuple[float, ...]]:
        """Returns scores relative to the base, which `run` has measured on the same pairs."""
        rises = {
            name: [b - a for a, b in zip(base.scores[name], items.scores[name], strict=True)]
            for name in ("chosen_logp", "rejected_logp")
        }
        margins = tuple(
            up - down for up, down in zip(rises["chosen_logp"], rises["rejected_logp"], strict=True)
        )
        return {"reward_accuracy": _wins(margins, [0.0] * len(margins)), "margin": margins}


def _wins(ours: Sequence[float], others: Sequence[float]) -> tuple[float, ...]:
    return tuple(0.5 if a == b else float(a > b) for a, b in zip(ours, others, strict=True))


def _by_length(
    wins: Sequence[float], chosen: Sequence[int], rejected: Sequence[int]
) -> tuple[str, ...]:
    """Says how often the chosen answer wins where it is much shorter, alike, much longer."""
    ratios = [a / max(1, b) for a, b in zip(chosen, rejected, strict=True)]
    groups = {
        f"under 1/{_MUCH} of the other's length": [each < 1 / _MUCH for each in ratios],
        "of like length": [1 / _MUCH <= each <= _MUCH for each in ratios],
        f"over {_MUCH} times the other's length": [each > _MUCH for each in ratios],
    }
    parts = []
    for name, places in groups.items():
        found = [win for win, there in zip(wins, places, strict=True) if there]
        if found:
            share = sum(found) / len(found)
            parts.append(f"{name}: {share:.0%} of {len(found):,}")
    return (f"accuracy by length of the chosen answer: {'; '.join(parts)}.",)


def open_task(argument: str, options: TaskOptions) -> Preference:
    """Reads preference pairs.

    Args:
        argument: A file, a version or a public set.
        options: What holds for all tasks.

    Raises:
        InputError: If they cannot be read, or are no pairs.
    """
    return Preference(f"preference:{argument}", read_pairs(argument, options))
