"""The client of one teacher: log first, then budget, then the provider."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Self, TypeVar

from datakit.errors import BudgetError, BusyError, DatakitError, RequestError
from datakit.llm.batches import Batches
from datakit.llm.budget import Budget, Price
from datakit.llm.log import ResponseLog, request_key
from datakit.llm.pace import Pace
from datakit.llm.request import Provider, Request, Response, Usage

__all__ = ["Client", "Totals"]

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


@dataclass
class _End:
    """Why nothing more is sent, once that is so."""

    error: DatakitError | None = None
    come: asyncio.Event = field(default_factory=asyncio.Event)


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
        self._end = _End()

    def apart(self) -> Self:
        """Returns this very client with totals of its own, for one of the steps that share it."""
        other = copy(self)
        other.totals = Totals()
        return other

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
            self._end.error = error
            self._end.come.set()
            self._pace.release()
            raise
        finally:
            self._budget.settle(reserved, cost)

    async def _pause(self, seconds: float) -> None:
        """Waits; not on, once there is nobody left to ask."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._end.come.wait(), seconds)

    async def _try(self, key: str, request: Request) -> Response:
        if self._batches is not None:
            if self._end.error is not None:
                raise self._end.error
            response = replace(await self._batches.send(key, request), batch=True)
            self._log.append(key, request, response)
            return response
        async with self._pace.turn(request.likely_tokens):
            if self._end.error is not None:
                raise self._end.error
            response = await self.provider.send(request)
            self._pace.answered(response.usage.input_tokens + response.usage.output_tokens)
            self._log.append(key, request, response)
            return response
