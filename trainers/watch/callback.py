"""Held-out pairs are measured during a training; what that shows is said by `watch.analysis`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from transformers import TrainerCallback

from trainers.tokens import Encoded, stop_ids
from trainers.watch.analysis import report
from trainers.watch.pairs import Grown, Held, Reading, Side

__all__ = ["PairWatch", "watch_answers", "watch_pairs", "watch_rewards"]

# Most tokens of a greedy answer.
_LONGEST = 128

Ids = list[int]
_Answer = tuple[Ids, Ids]


@dataclass(frozen=True)
class Answers:
    """Held-out answers in tokens.

    Args:
        chosen: Prompt and answer of each better one.
        rejected: Of each worse one.
        paired: Whether both lists go together.
    """

    chosen: list[_Answer]
    rejected: list[_Answer]
    paired: bool = True

    def first(self, most: int) -> Answers:
        """Returns no more than so many of each, taken evenly."""
        return Answers(_evenly(self.chosen, most), _evenly(self.rejected, most), self.paired)


def _evenly(rows: list[_Answer], most: int) -> list[_Answer]:
    count = min(most, len(rows))
    return [rows[at * len(rows) // count] for at in range(count)]


class PairWatch(TrainerCallback):  # type: ignore[misc]
    """Measures held-out answers at the start, at each evaluation and at the end.

    Args:
        trainer: TRL's trainer.
        answers: What to measure.
        beta: Scale of the implicit reward; None for a reward model.
        prompts: Prompts that are answered greedily before and after.
        margin: The trainer's name for its margin on training pairs.
    """

    def __init__(
        self,
        trainer: Any,  # noqa: ANN401
        answers: Answers,
        *,
        beta: float | None,
        prompts: int,
        margin: str,
    ) -> None:
        self._trainer, self._answers, self._beta, self._margin = trainer, answers, beta, margin
        self._prompts = [prompt for prompt, _ in _evenly(answers.chosen, prompts)]
        self._reference: tuple[list[Any], list[Any]] | None = None
        self._before: tuple[int, ...] = ()
        self._after: tuple[int, ...] = ()
        self._readings: list[Reading] = []
        self._told = 0
        self.tell: Callable[[str], None] = lambda text: None
        """Is told how many of the answers are measured; whoever runs the training may set it."""

    def facts(self) -> dict[str, Any]:
        """Returns what run.json says of it, under `watch`."""
        if not self._readings:
            return {}
        grown = Grown(self._before, self._after, _LONGEST) if self._prompts else None
        return {"watch": report(self._held(), self._readings, grown)}

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401
        """Measures the reference, and lets it answer."""
        if self._beta is None:
            return
        with _measuring(self._trainer), self._as_reference() as model:
            self._reference = self._each(partial(_log_probs, model))
            self._before = _lengths(model, self._trainer.processing_class, self._prompts)

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401
        """Measures the model as it is."""
        self._read(state)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401
        """Measures the model that will be saved, the best one if that was asked for."""
        done = bool(self._readings) and self._readings[-1].step == state.global_step
        if args.load_best_model_at_end and done:
            # That was the last model, and another one is saved.
            self._readings.pop()
        if args.load_best_model_at_end or not done:
            self._read(state)
        trainer = self._trainer
        with _measuring(trainer):
            self._after = _lengths(trainer.model, trainer.processing_class, self._prompts)

    def _read(self, state: Any) -> None:  # noqa: ANN401
        logged = [each[self._margin] for each in state.log_history if self._margin in each]
        new, self._told = logged[self._told :], len(logged)
        last = self._readings[-1].train_margin if self._readings else None
        margin = sum(new) / len(new) if new else (logged[-1] if logged else last)
        with _measuring(self._trainer):
            sides = self._rewards() if self._reference is None else self._likelihoods()
        self._readings.append(Reading(state.global_step, *sides, train_margin=margin))

    def _held(self) -> Held:
        chosen, rejected = (
            tuple(len(answer) for _, answer in side)
            for side in (self._answers.chosen, self._answers.rejected)
        )
        reference = None
        if self._reference is not None:
            better, worse = self._reference
            reference = Reading(0, _side(better, better), _side(worse, worse))
        return Held(chosen, rejected, self._answers.paired, self._beta, reference)

    def _likelihoods(self) -> tuple[Side, Side]:
        assert self._reference is not None
        now = self._each(partial(_log_probs, self._trainer.model))
        chosen, rejected = (_side(a, b) for a, b in zip(now, self._reference, strict=True))
        return chosen, rejected

    def _rewards(self) -> tuple[Side, Side]:
        chosen, rejected = self._each(partial(_reward, self._trainer.model))
        return Side(tuple(chosen)), Side(tuple(rejected))

    def _each(self, measure: Callable[[Ids, Ids], Any]) -> tuple[list[Any], list[Any]]:
        found: tuple[list[Any], list[Any]] = ([], [])
        sides = (self._answers.chosen, self._answers.rejected)
        for values, side in zip(found, sides, strict=True):
            for prompt, answer in side:
                values.append(measure(prompt, answer))
                self.tell(f"watched answers {sum(map(len, found)):,}/{sum(map(len, sides)):,}")
        return found

    @contextmanager
    def _as_reference(self) -> Iterator[Any]:
        """Makes the model its own reference, in the way that TRL does it."""
        from trl.trainer.utils import use_adapter

        trainer = self._trainer
        if trainer.ref_model is not None:
            yield trainer.ref_model
            return
        name = "ref" if "ref" in trainer.model.peft_config else None
        with use_adapter(trainer.model, adapter_name=name):
            yield trainer.model


@contextmanager
def _measuring(trainer: Any) -> Iterator[None]:  # noqa: ANN401
    """Without gradients and dropout, in the precision of the training."""
    import torch

    was = trainer.model.training
    trainer.model.eval()
    try:
        with torch.no_grad(), trainer.compute_loss_context_manager():
            yield
    finally:
        trainer.model.train(was)


def _log_probs(model: Any, prompt: Ids, answer: Ids) -> Any:  # noqa: ANN401  Tensor
    """Returns the log-probability of each token of an answer, in float32 on the CPU."""
    import torch

    ids = torch.tensor([prompt + answer], device=model.device)
    # Logits of a long prompt would take more memory than the model.
    logits = model(input_ids=ids, use_cache=False, logits_to_keep=len(answer) + 1).logits
    found = logits[0, -len(answer) - 1 : -1].float().log_softmax(-1)
    return found.gather(-1, ids[0, -len(answer) :, None])[:, 0].cpu()


def _reward(model: Any, prompt: Ids, answer: Ids) -> float:  # noqa: ANN401
    import torch

    row = torch.tensor([prompt + answer], device=model.device)
    return float(model(input_ids=row, use_cache=False).logits[0, 0])


def _side(now: Sequence[Any], reference: Sequence[Any]) -> Side:
    """Sums the log-probabilities of each answer's tokens, and k3 of them."""
    k3 = []
    for own, other in zip(now, reference, strict=True):
        log_ratio = other - own
        k3.append(float((log_ratio.exp() - 1 - log_ratio).sum()))
    return Side(tuple(float(each.sum()) for each in now), tuple(k3))


def _lengths(model: Any, tokenizer: Any, prompts: Sequence[Ids]) -> tuple[int, ...]:  # noqa: ANN401
    """Returns how many tokens a greedy answer to each prompt has, its end left out."""
    import torch
    from transformers import GenerationConfig

    if not prompts:
        return ()
    stops, pad = stop_ids(tokenizer, model.generation_config), tokenizer.pad_token_id
    width = max(map(len, prompts))
    made = model.generate(
        input_ids=torch.tensor(
            [[pad] * (width - len(each)) + each for each in prompts], device=model.device
        ),
        attention_mask=torch.tensor(
            [[0] * (width - len(each)) + [1] * len(each) for each in prompts], device=model.device
        ),
        generation_config=GenerationConfig(
            do_sample=False,
            max_new_tokens=_LONGEST,
            eos_token_id=sorted(stops),
            pad_token_id=pad,
        ),
    )
    return tuple(
        next((at for at, each in enumerate(row) if each in stops), len(row))
        for row in made[:, width:].tolist()
    )


def watch_pairs(settings: Any, trainer: Any) -> None:  # noqa: ANN401  DPO, DPOTrainer
    """Watches the pairs that a DPO trainer holds out."""
    chosen, rejected = (
        [_cut(row, name, settings.max_length) for row in trainer.eval_dataset or ()]
        for name in ("chosen_ids", "rejected_ids")
    )
    _attach(
        settings, trainer, Answers(chosen, rejected), beta=settings.beta, margin="rewards/margins"
    )


def watch_answers(settings: Any, trainer: Any, rows: int) -> None:  # noqa: ANN401  KTO, KTOTrainer
    """Watches the answers that a KTO trainer holds out: as pairs, where prompts have both kinds.

    Args:
        settings: Of KTO.
        trainer: KTO's trainer.
        rows: Held-out rows; what the trainer has beyond them is there twice.
    """
    found = [_cut(row, "completion_ids", settings.max_length) for row in trainer.eval_dataset or ()]
    labels = [row["label"] for row in trainer.eval_dataset or ()]
    good: dict[tuple[int, ...], list[_Answer]] = defaultdict(list)
    bad: dict[tuple[int, ...], list[_Answer]] = defaultdict(list)
    for (prompt, answer), label in zip(found[:rows], labels[:rows], strict=True):
        (good if label else bad)[tuple(prompt)].append((prompt, answer))
    pairs = [pair for name in good for pair in zip(good[name], bad[name], strict=False)]
    answers = Answers([pair[0] for pair in pairs], [pair[1] for pair in pairs])
    if not pairs:
        better, worse = (
            [each for found in side.values() for each in found] for side in (good, bad)
        )
        answers = Answers(better, worse, paired=False)
    _attach(settings, trainer, answers, beta=settings.beta, margin="rewards/margins")


def watch_rewards(settings: Any, trainer: Any, rows: Sequence[Encoded]) -> None:  # noqa: ANN401
    """Watches the pairs that the trainer of a reward model holds out.

    Args:
        settings: Of the reward model.
        trainer: TRL's trainer.
        rows: The held-out pairs: chosen, rejected, chosen and so on, with labels on the answers.
    """
    split = [
        (row.input_ids[: -row.answer_tokens], row.input_ids[-row.answer_tokens :]) for row in rows
    ]
    _attach(settings, trainer, Answers(split[::2], split[1::2]), beta=None, margin="margin")


def _cut(row: dict[str, Ids], answer: str, length: int) -> _Answer:
    return row["prompt_ids"], row[answer][: length - len(row["prompt_ids"])]


def _attach(
    settings: Any,  # noqa: ANN401
    trainer: Any,  # noqa: ANN401
    answers: Answers,
    *,
    beta: float | None,
    margin: str,
) -> None:
    if not settings.watch or not answers.chosen or not answers.rejected:
        return
    prompts = 0 if beta is None else settings.watch_answers
    some = answers.first(settings.watch)
    trainer.add_callback(PairWatch(trainer, some, beta=beta, prompts=prompts, margin=margin))
