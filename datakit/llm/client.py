"""The client of one teacher: log first, then budget, then the provider."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, TypeVar

from datakit.errors import BudgetError, BusyError, DatakitError, RequestError
from datakit.llm.answers import Answer, read_answer
from datakit.llm.batches import Batches
from datakit.llm.budget import Budget, Price
from datakit.llm.draws import Due, draw
from datakit.llm.log import ResponseLog, request_key
from datakit.llm.pace import Pace
from datakit.llm.request import Provider, Request, Response, Sample, Usage
from datakit.record import Record, digest

__all__ = ["LLM", "Client", "Totals"]

T = TypeVar("T")


@dataclass
class Totals:
    """What a run asked for, answers from the log included."""

    requests: int = 0
    answers: int = 0
    cached: int = 0
    refused: int = 0
    cut_short: int = 0
    by_hand: int = 0
    usage: Usage = field(default_factory=Usage)
    cost: Decimal = Decimal(0)

    def add(self, response: Response, cost: Decimal, cached: bool) -> None:
        """Counts one response."""
        self.requests += 1
        self.answers += len(response.samples)
        self.cached += cached
        self.by_hand += response.by_hand
        self.refused += sum(each.finish == "refused" for each in response.samples)
        self.cut_short += sum(each.finish == "length" for each in response.samples)
        self.usage += response.usage
        self.cost += cost


class Client:
    """Sends the requests of a run to one provider.

    Args:
        provider: Who answers.
        log: Where answers are kept and looked up.
        price: What tokens cost.
        budget: The cap that all clients of a run share.
        pace: The flow of requests.
        license: Licence of the answers, an SPDX id; None if they have none.
        batches: Takes requests instead of the provider, at half the price; None sends them live.
    """

    def __init__(
        self,
        provider: Provider,
        log: ResponseLog,
        price: Price,
        budget: Budget,
        pace: Pace,
        license: str | None = None,
        batches: Batches | None = None,
    ) -> None:
        self.provider = provider
        self.license = license
        self.totals = Totals()
        self._log = log
        self._price = price
        self._budget = budget
        self._pace = pace
        self._batches = batches
        self._identity = provider.identity()
        self._named = {k: v for k, v in self._identity.items() if k != "base_url"}
        self._failed: DatakitError | None = None
        self._ended = asyncio.Event()

    def key(self, request: Request, occurrence: str) -> str:
        """Returns the key of a request in the log."""
        return request_key(self._identity, request, occurrence)

    def name(self, request: Request, occurrence: str) -> str:
        """Returns what a request is known by in the data: the same wherever the model is served."""
        return request_key(self._named, request, occurrence)

    async def ask(self, key: str, request: Request) -> tuple[Response, Decimal]:
        """Returns the response to a request and its cost in US dollars.

        Args:
            key: What `key` returned for the request.
            request: The request.

        Raises:
            BudgetError: Before anything is sent.
            ProviderError: If the provider fails for good; then for all later requests as well.
            StoreError: If the answer cannot be kept; then for all later requests as well.
        """
        response = self._log.get(key)
        cached = response is not None
        if response is None:
            response = await self._send(key, request)
            cost = self._cost(request, response)
        else:
            cost = self._cost(request, response)
            await self._budget.paid(cost)
        self.totals.add(response, cost, cached)
        return response, cost

    def _cost(self, request: Request, response: Response) -> Decimal:
        # A server that does not say what it used is believed to have used the most.
        usage = response.usage
        cost = self._price.of(usage) if usage.known else self._price.most(request)
        return cost / 2 if response.batch else cost

    def sync(self) -> None:
        """Makes what was answered so far survive a power cut."""
        self._log.sync()

    async def _send(self, key: str, request: Request) -> Response:
        most = self._price.most(request) / (2 if self._batches else 1)
        await self._budget.reserve(most)
        reserved, cost, attempt = most, Decimal(0), 0
        try:
            while True:
                attempt += 1
                try:
                    response = await self._try(key, request)
                    cost = self._cost(request, response)
                    return response
                except BusyError as error:
                    wait = self._pace.pushed_back(error, attempt)
                    if error.kind == "lost":
                        # It may have been paid for, and so may the next try.
                        self._budget.settle(reserved, most)
                        reserved = Decimal(0)
                        await self._budget.reserve(most)
                        reserved = most
                await self._pause(wait)
        except RequestError as error:
            # An answer that came but cannot be used was paid for all the same.
            cost = most if error.reason == "no_answer" else cost
            raise
        except BudgetError:
            raise
        except DatakitError as error:
            # What can neither be asked nor be kept is not paid for again and again.
            self._failed = error
            self._ended.set()
            self._pace.release()
            raise
        finally:
            self._budget.settle(reserved, cost)

    async def _pause(self, seconds: float) -> None:
        """Waits; not on, once there is nobody left to ask."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), seconds)

    async def _try(self, key: str, request: Request) -> Response:
        if self._batches is not None:
            if self._failed is not None:
                raise self._failed
            response = replace(await self._batches.send(key, request), batch=True)
            self._log.append(key, request, response)
            return response
        async with self._pace.turn(request.likely_tokens):
            if self._failed is not None:
                raise self._failed
            response = await self.provider.send(request)
            self._pace.answered(response.usage.input_tokens + response.usage.output_tokens)
            self._log.append(key, request, response)
            return response


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
        return [sample for response, _ in answers for sample in response.samples]

    def _next_key(self, request: Request) -> str:
        occurrence = f"{self.where}/{len(self.names)}"
        self.names.append(self._client.name(request, occurrence))
        return self._client.key(request, occurrence)


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
