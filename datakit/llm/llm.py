"""What a step that asks is given: a teacher, and chance that is the same in every run."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar

from datakit.errors import RequestError
from datakit.llm.answers import Answer, read_answer
from datakit.llm.client import Client
from datakit.llm.draws import Due, draw
from datakit.llm.request import Request, Sample
from datakit.record import Record, digest

__all__ = ["LLM"]

T = TypeVar("T")


class LLM:
    """What a `make` step is given: a teacher, and chance that is the same in every run.

    Args:
        client: The teacher's client.
        where: `step/round/ordinal` of this call of the step.
        ordinal: The number of this call within the whole run, from 0.
        seed: Seed of `rng` and, where the provider takes one, of the requests.
        seeds: Ids of the user's own seeds among the records that the step is given.
        due: How much a record, or a choice, is due when it is drawn; None draws all alike.
    """

    def __init__(
        self,
        client: Client,
        where: str,
        ordinal: int,
        seed: int,
        seeds: Collection[str] = (),
        due: Due | None = None,
    ) -> None:
        self.ordinal = ordinal
        self.seeds = seeds
        self.rng = random.Random(seed)
        self.names: list[str] = []
        self.cost = Decimal(0)
        self.prompt_hash = ""
        self._client = client
        self.where = where
        self._seed = seed
        self._due = due

    @property
    def form(self) -> str:
        """How the teacher is asked best: `chat` or `completion`."""
        return self._client.provider.form

    @property
    def model(self) -> str:
        """The teacher's model."""
        return self._client.provider.model

    @property
    def license(self) -> str | None:
        """Licence of the teacher's answers, if they have one of their own."""
        return self._client.license

    def draw(self, records: Sequence[Record], count: int) -> list[Record]:
        """Draws records of the pool, none twice; fewer if there are not so many.

        Args:
            records: From which.
            count: How many.
        """
        due = self._due
        weights = None if due is None else [due.of_record(record.id) for record in records]
        return draw(records, count, self.rng, weights)

    def choose(self, name: str, values: Sequence[str]) -> str:
        """Draws one of several ways to make a record.

        Args:
            name: Where the made record has it in its meta: `evolution.operator`.
            values: From which; all alike, unless the pipeline watches its coverage.
        """
        due = self._due
        if due is None:
            return self.rng.choice(values)
        (chosen,) = draw(values, 1, self.rng, [due.of_choice(name, each) for each in values])
        return chosen

    async def chat(
        self,
        messages: str | Sequence[Mapping[str, str]],
        *,
        system: str | None = None,
        **sampling: Any,  # noqa: ANN401  fields of Request
    ) -> list[Sample]:
        """Asks a chat model.

        Args:
            messages: The user's message, or a list of `{"role", "content"}`.
            system: The system prompt.
            **sampling: `n`, `max_tokens`, `temperature`, `top_p`, `stop`, `schema`, ...

        Returns:
            One sample for each of `n`.
        """
        turns = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
        head = [{"role": "system", "content": system}] if system else []
        return await self._ask(
            Request(messages=(*head, *turns), seed=self._next_seed(), **sampling)
        )

    async def complete(self, prompt: str, **sampling: Any) -> list[Sample]:  # noqa: ANN401
        """Asks a base model to continue a text; see `chat` for the arguments."""
        return await self._ask(Request(prompt=prompt, seed=self._next_seed(), **sampling))

    async def answers(
        self,
        messages: str | Sequence[Mapping[str, str]],
        read: Callable[[str], T],
        *,
        system: str | None = None,
        **sampling: Any,  # noqa: ANN401  fields of Request
    ) -> list[Answer[T]]:
        """Asks a chat model for answers of a shape.

        An answer that was cut off is asked for once more with twice the `max_tokens`, one that
        cannot be read once more as it was; then its reason is what there is.

        Args:
            messages: As for `chat`.
            read: Turns a text into a value, or raises ValueError: `read_json` and what checks it.
            system: The system prompt.
            **sampling: As for `chat`; with `schema` where the teacher is to keep to one.

        Returns:
            One for each of `n`.
        """
        first = await self.chat(messages, system=system, **sampling)
        found = []
        for sample in first:
            answer = read_answer(sample, read)
            reason = answer.drop.reason if answer.drop else ""
            if reason in ("cut_short", "unparsable"):
                again = {**sampling, "n": 1}
                if reason == "cut_short":
                    again["max_tokens"] = 2 * sampling.get("max_tokens", Request.max_tokens)
                with suppress(RequestError):
                    # What cannot be asked leaves the first answer, with its reason.
                    (other,) = await self.chat(messages, system=system, **again)
                    answer = read_answer(other, read)
            found.append(answer)
        return found

    def _next_seed(self) -> int:
        # Providers take 32 bits; the second request of a call must not repeat the first.
        return (self._seed + len(self.names) * 0x9E3779B1) % 2**31

    async def _ask(self, request: Request) -> list[Sample]:
        knobs = self._client.provider.knobs
        sent = request.within(knobs)
        # Where several answers cannot be had at once, each is a request of its own.
        times = request.n if "n" not in knobs else 1
        self.prompt_hash = self.prompt_hash or digest([request.prompt, list(request.messages)])
        keys = [self._next_key(sent) for _ in range(times)]
        answers = await _all([self._client.ask(key, sent) for key in keys])
        self.cost += sum((cost for _, cost in answers), Decimal(0))
        samples = [sample for response, _ in answers for sample in response.samples]
        return [_begun(sample, sent.prefill) for sample in samples] if sent.prefill else samples

    def _next_key(self, request: Request) -> str:
        occurrence = f"{self.where}/{len(self.names)}"
        self.names.append(self._client.name(request, occurrence))
        return self._client.key(request, occurrence)


def _begun(sample: Sample, prefill: str) -> Sample:
    """Returns the whole answer: servers leave out how it begins, but for some."""
    if sample.finish == "refused" or sample.text.startswith(prefill):
        return sample
    return replace(sample, text=prefill + sample.text)


async def _all(asked: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Awaits requests at once, all of them to their end: what is under way is paid for.

    Raises:
        BaseException: The first that one of them raised, in their order.
    """
    if len(asked) == 1:
        return [await asked[0]]
    tasks = [asyncio.ensure_future(each) for each in asked]
    try:
        await asyncio.wait(tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return [task.result() for task in tasks]
