"""One client asks for one answer to each of N instructions. Runs in that client's own environment.

    python clients.py raw|raw-parsed|datakit|distilabel|curator URL N LANES

Prints a line of JSON: seconds, CPU seconds (children too), answers, peak memory in MiB. No import
is counted.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[[], int]


def instructions(count: int) -> list[str]:
    """Returns what is asked."""
    return [
        f"How many boats are in harbour {n}? Say which of them are blue, and why." * 2
        for n in range(count)
    ]


def raw(url: str, count: int, lanes: int) -> Run:
    """The openai SDK as it comes, so many requests at a time."""
    import openai

    async def ask() -> int:
        client = openai.AsyncOpenAI(api_key="none", base_url=url)
        free = asyncio.Semaphore(lanes)

        async def one(text: str) -> bool:
            async with free:
                answer = await client.chat.completions.create(
                    model="m", messages=[{"role": "user", "content": text}], max_tokens=256
                )
                return bool(answer.choices[0].message.content)

        found = await asyncio.gather(*map(one, instructions(count)))
        await client.close()
        return sum(found)

    return lambda: asyncio.run(ask())


def datakit(url: str, count: int, lanes: int) -> Run:
    """A whole run: answers logged, records identified, the version and its report written."""
    import datakit as dk
    from datakit.config import parse_pipeline

    folder = Path(tempfile.mkdtemp())
    rows = folder / "asked.jsonl"
    rows.write_text(
        "".join(json.dumps({"instruction": each}) + "\n" for each in instructions(count))
    )
    pipeline = parse_pipeline(
        f"name: asked\nsource: {rows}\nteacher: {{provider: openai, model: m, base_url: '{url}', "
        f"concurrency: {lanes}}}\nsteps:\n  - generate.distill: {{max_tokens: 256}}\n"
    )
    # The SDK is imported at the first request otherwise.
    import openai  # noqa: F401

    return lambda: len(dk.run(pipeline, store=folder / "store"))


def distilabel(url: str, count: int, lanes: int) -> Run:
    """distilabel's pipeline of one TextGeneration."""
    from distilabel.models import OpenAILLM
    from distilabel.pipeline import Pipeline
    from distilabel.steps import LoadDataFromDicts
    from distilabel.steps.tasks import TextGeneration

    def run() -> int:
        with Pipeline("asked") as pipeline:
            load = LoadDataFromDicts(
                data=[{"instruction": each} for each in instructions(count)], batch_size=lanes
            )
            llm = OpenAILLM(
                model="m", base_url=url, api_key="none", generation_kwargs={"max_new_tokens": 256}
            )
            load >> TextGeneration(llm=llm, input_batch_size=lanes)
        found = pipeline.run(use_cache=False)
        return sum(bool(row["generation"]) for row in found["default"]["train"])

    return run


def curator(url: str, count: int, lanes: int) -> Run:
    """curator's LLM through its openai backend, with its rate limits out of the way."""
    os.environ |= {"OPENAI_API_KEY": "none", "CURATOR_DISABLE_CACHE": "1", "TELEMETRY_ENABLED": "0"}
    os.environ["CURATOR_CACHE_DIR"] = tempfile.mkdtemp()
    # Its tokenizer's table would be fetched; a package that it needs anyway has it in a folder.
    found = importlib.util.find_spec("litellm")
    if found and found.origin:
        folder = Path(found.origin).parent / "litellm_core_utils/tokenizers"
        os.environ.setdefault("TIKTOKEN_CACHE_DIR", str(folder))
    from bespokelabs import curator as package

    def run() -> int:
        limits: dict[str, Any] = {
            "max_requests_per_minute": 10**6,
            "max_tokens_per_minute": 10**9,
            "max_concurrent_requests": lanes,
        }
        llm = package.LLM(
            model_name="m",
            backend="openai",
            backend_params={"base_url": url, **limits},
            generation_params={"max_tokens": 256},
        )
        found = llm(instructions(count))
        return sum(bool(row["response"]) for row in getattr(found, "dataset", found))

    return run


CLIENTS = {"raw": raw, "datakit": datakit, "distilabel": distilabel, "curator": curator}


def _cpu() -> float:
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in both)


def main() -> None:
    """Runs one client and prints what it took."""
    name, url, count, lanes = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    run = CLIENTS[name](url, count, lanes)
    seconds, cpu = time.perf_counter(), _cpu()
    answers = run()
    took = {"seconds": time.perf_counter() - seconds, "cpu": _cpu() - cpu, "answers": answers}
    took["mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print("\n" + json.dumps(took))


if __name__ == "__main__":
    main()
