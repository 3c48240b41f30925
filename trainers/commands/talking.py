"""Models that go on with a chat: one loaded here, which answers word by word, or a served one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from trainers.examples import Message
from trainers.models import ModelRef
from trainers.tokens import encode_prompt

__all__ = ["LocalTalker", "ServedTalker"]

Write = Callable[[str], None]
_SECONDS = 600.0


class LocalTalker:
    """A model that is loaded here.

    Args:
        ref: Which.
        max_new_tokens: Most tokens of an answer.
        temperature: 0 is greedy.
        seed: Of what is drawn above 0.
        template: A chat template; empty is the model's own.
        note: Is told that it is loaded.
    """

    def __init__(
        self,
        ref: ModelRef,
        max_new_tokens: int,
        temperature: float,
        seed: int,
        template: str,
        note: Write,
    ) -> None:
        from trainers.evaluate.local import open_local

        self._subject = open_local(ref, template=template, note=note)
        import transformers

        transformers.set_seed(seed)
        self._most = max_new_tokens
        self._sampling: dict[str, Any] = {"do_sample": False}
        if temperature:
            self._sampling = {"do_sample": True, "temperature": temperature, "top_k": 0}
        config = self._subject.model.config
        self._context = getattr(config, "max_position_embeddings", None) or 10**9

    def fits(self, messages: Sequence[Message]) -> bool:
        """Returns whether chat and answer are within the model's context."""
        asked = encode_prompt(self._subject.tokenizer, messages)
        return len(asked) + self._most <= self._context

    def answer(self, messages: Sequence[Message], write: Write) -> None:
        """Answers, and writes each word as soon as it is whole."""
        import torch

        model = self._subject.model
        ids = torch.tensor(
            [encode_prompt(self._subject.tokenizer, messages)],
            device=next(model.parameters()).device,
        )
        with torch.inference_mode():
            model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=self._most,
                streamer=_streamer(self._subject.tokenizer, write),
                **self._sampling,
            )

    def close(self) -> None:
        """Lets go of the model."""
        self._subject.close()


def _streamer(tokenizer: Any, write: Write) -> Any:  # noqa: ANN401  a TextStreamer
    from transformers import TextStreamer

    class Streamer(TextStreamer):  # type: ignore[misc]
        """Hands words on instead of printing them."""

        def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
            if text:
                write(text)

    return Streamer(
        tokenizer, skip_prompt=True, skip_special_tokens=True, clean_up_tokenization_spaces=False
    )


class ServedTalker:
    """A model behind an OpenAI-compatible server; its answers come whole.

    Args:
        ref: The URL, and the model's name.
        max_new_tokens: Most tokens of an answer.
        temperature: 0 is greedy.
        seed: Of what is drawn above 0, where the server can.
    """

    def __init__(self, ref: ModelRef, max_new_tokens: int, temperature: float, seed: int) -> None:
        from datakit.llm.loop import Loop
        from datakit.llm.openai import OpenAI
        from trainers.evaluate.served import open_served

        served = open_served(ref)
        self._loop = Loop()
        self._provider = OpenAI(served.model_name, base_url=served.url, timeout=_SECONDS, retries=2)
        self._options = {"max_tokens": max_new_tokens, "temperature": temperature, "seed": seed}
        self._closed = False

    def fits(self, messages: Sequence[Message]) -> bool:
        """Returns True: only the server knows."""
        return True

    def answer(self, messages: Sequence[Message], write: Write) -> None:
        """Answers with one request."""
        from datakit.llm.request import Request

        request = Request(tuple(messages), **self._options)  # type: ignore[arg-type]
        response = self._loop.work(lambda: self._loop.run(self._provider.send(request)))
        write(response.samples[0].text)

    def close(self) -> None:
        """Closes the connections."""
        if not self._closed:
            self._closed = True
            self._loop.work(lambda: self._loop.run(self._provider.close()))
            self._loop.__exit__(None, None, None)
