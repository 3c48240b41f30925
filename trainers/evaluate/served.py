"""A model behind the URL of an OpenAI-compatible server: answers only, no likelihoods."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

from datakit.errors import DatakitWarning, InputError, ProviderError, RequestError
from datakit.llm.loop import Loop
from datakit.llm.openai import OpenAI
from datakit.llm.request import Request
from trainers.evaluate.progress import Count
from trainers.evaluate.reaching import explained, listed, no_api
from trainers.evaluate.subject import Scored, shown_model, silent
from trainers.examples import Chat, Message
from trainers.models import ModelRef

__all__ = ["ServedSubject", "open_served"]

_CONCURRENCY = 8
_SECONDS = 600.0
_RETRIES = 5


class ServedSubject:
    """A model that a server has.

    Args:
        url: The server's, such as `http://127.0.0.1:8000/v1`.
        model: The model's name there.
        name: What the user called it.
        concurrency: Most requests in flight; None takes 8.
        note: Is told in words how far the work is.

    Attributes:
        url: As given.
        model_name: The model's name there.
    """

    dtype = ""
    adapter = False

    def __init__(
        self,
        url: str,
        model: str,
        name: str,
        *,
        concurrency: int | None = None,
        note: Callable[[str], None] = silent,
    ) -> None:
        self.name = name
        self.note = note
        self.url = url
        self.model_name = model
        self._concurrency = concurrency or _CONCURRENCY

    def without_adapter(self) -> AbstractContextManager[None]:
        """Does nothing: what a server has is one model."""
        return nullcontext()

    def close(self) -> None:
        """Does nothing: connections are closed with the last answer."""

    def nll(self, chats: Sequence[Chat], *, last: bool = False) -> list[Scored]:
        """Raises InputError: a server does not tell the likelihood of a given answer."""
        raise InputError(
            f"{self.name}: is served; a server does not tell the likelihood of given texts. "
            "Name a folder or a hub id."
        )

    def generate(
        self, prompts: Sequence[Sequence[Message]], *, max_new_tokens: int = 256
    ) -> list[str]:
        """Answers at temperature 0; see `Subject`.

        A request that the server refuses has an empty answer, and a warning counts them.

        Raises:
            ProviderError: If the server fails for good, or refuses every request.
        """
        requests = [
            Request(tuple(prompt), max_tokens=max_new_tokens, temperature=0.0) for prompt in prompts
        ]
        found = self._sent(requests, _RETRIES)
        refused = [each for each in found if isinstance(each, RequestError)]
        if refused and len(refused) == len(found):
            raise ProviderError(f"{self.name}: refuses every request: {refused[0]}")
        if refused:
            warnings.warn(
                f"{self.name}: {len(refused):,} of {len(found):,} requests were refused; they "
                f"count as empty answers. The first: {refused[0]}",
                DatakitWarning,
                stacklevel=2,
            )
        return ["" if isinstance(each, RequestError) else each for each in found]

    def reach(self) -> None:
        """Finds out whether the server answers, as an OpenAI-compatible one, for this model.

        A server that does not list the model is sent one request, for an answer of one token.

        Raises:
            ProviderError: If it does not; says why, and what to do.
        """
        if self.model_name in listed(self.url):
            return
        hello = Request(({"role": "user", "content": "Hello"},), max_tokens=1, temperature=0.0)
        (found,) = self._sent([hello], retries=min(2, _RETRIES))
        if isinstance(found, RequestError) and found.reason == "no_answer":
            raise no_api(self.url, "its answer has another form")

    def _sent(self, requests: Sequence[Request], retries: int) -> list[str | RequestError]:
        try:
            with Loop() as loop:
                return loop.work(lambda: loop.run(self._all(requests, retries)))
        except ProviderError as error:
            raise explained(self.url, error) from None

    async def _all(self, requests: Sequence[Request], retries: int) -> list[str | RequestError]:
        provider = OpenAI(self.model_name, base_url=self.url, timeout=_SECONDS, retries=retries)
        slots = asyncio.Semaphore(self._concurrency)
        done = 0

        async def ask(request: Request) -> str | RequestError:
            nonlocal done
            async with slots:
                try:
                    answer = (await provider.send(request)).samples[0].text
                except RequestError as error:
                    return error
                finally:
                    done += 1
                    self.note(Count.of(done, len(requests), "answered"))
                return answer

        tasks = [asyncio.ensure_future(ask(each)) for each in requests]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await provider.close()


def open_served(
    ref: ModelRef,
    *,
    concurrency: int | None = None,
    note: Callable[[str], None] = silent,
) -> ServedSubject:
    """Makes a subject of a URL; asks the server for its model's name if none is given.

    The key is that of `OPENAI_API_KEY`, if it is set.

    Args:
        ref: The URL, and the model's name.
        concurrency: Most requests in flight.
        note: Is told in words how far the work is.

    Raises:
        InputError: If the URL has a query, or the server has several models and none is named.
        ProviderError: If the server does not answer.
    """
    if "?" in ref.path:
        # The paths of the API would be put behind it: no server understands that.
        raise InputError(
            f"{shown_model(ref.given)}: leave out what stands after the ?; requests cannot have "
            "it. A key belongs into the environment: OPENAI_API_KEY."
        )
    url = ref.path.rstrip("/")
    return ServedSubject(
        url, ref.name or _only_model(url), ref.given, concurrency=concurrency, note=note
    )


def _only_model(url: str) -> str:
    names = listed(url)
    if len(names) == 1:
        return names[0]
    told = f"it has {', '.join(names[:10])}" if names else "it does not tell what models it has"
    raise InputError(f"{url}: {told}. Write which one is meant after a #: {url}#NAME.")
