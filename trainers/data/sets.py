"""Public sets: what each is, under which terms, and how its rows become records.

An adapter sees rows whose columns are there and of the right type; what it cannot use it returns
as `Refused`, so that it is counted. A new set is an adapter and a row of the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from datakit.record import Record
from datakit.rows import Row
from trainers.data import helpsteer2, hh_rlhf, oasst1, plain
from trainers.examples import Refused

__all__ = ["SETS", "Adapter", "PublicSet", "Want"]

Want = Literal["chat", "pair", "label"]
Adapter = Callable[[Iterable[Row]], Iterator[tuple[str, Record | Refused]]]


@dataclass(frozen=True)
class PublicSet:
    """A public dataset.

    Args:
        name: Its short name.
        id: Its id on the hub.
        license: The licence that its card states, as an SPDX name.
        terms: What else a user should know before training on it.
        columns: Columns that its rows have.
        gives: What it gives, the usual one first, each with its adapter.
        splits: Its splits on the hub.
        config: Its configuration there, if it has several.
        optional: Columns that may be missing or null.
        unpack: Takes rows of the set's other form apart, before columns are checked.
    """

    name: str
    id: str
    license: str
    terms: str
    columns: Mapping[str, type]
    gives: Mapping[Want, Adapter]
    splits: tuple[str, ...] = ("train",)
    config: str | None = None
    optional: Mapping[str, type] = field(default_factory=dict)
    unpack: Callable[[Iterable[Row]], Iterator[Row]] | None = None


_MODEL_MADE = "Made with OpenAI's text-davinci-003, whose terms of use apply beside it."
_ALPACA = {"instruction": str, "input": str, "output": str}

_ALL = (
    PublicSet(
        name="dolly-15k",
        id="databricks/databricks-dolly-15k",
        license="CC-BY-SA-3.0",
        terms="Written by people. Share-alike. Contexts quote Wikipedia.",
        columns={"instruction": str, "context": str, "response": str},
        optional={"category": str},
        gives={"chat": plain.dolly},
    ),
    PublicSet(
        name="oasst1",
        id="OpenAssistant/oasst1",
        license="Apache-2.0",
        terms="Written and ranked by volunteers, in 35 languages; some messages are a model's.",
        columns={"message_id": str, "text": str, "role": str},
        optional={
            "parent_id": str,
            "lang": str,
            "rank": int,
            "deleted": bool,
            "review_result": bool,
            "synthetic": bool,
            "model_name": str,
            "tree_state": str,
        },
        gives={"chat": oasst1.chats, "pair": oasst1.pairs},
        splits=("train", "validation"),
        unpack=oasst1.flat,
    ),
    PublicSet(
        name="alpaca",
        id="tatsu-lab/alpaca",
        license="CC-BY-NC-4.0",
        terms=f"Not for commercial use. {_MODEL_MADE}",
        columns=_ALPACA,
        gives={"chat": plain.alpaca},
    ),
    PublicSet(
        name="alpaca-cleaned",
        id="yahma/alpaca-cleaned",
        license="CC-BY-4.0",
        terms=f"Its card says so; tatsu-lab/alpaca, its source, is CC-BY-NC-4.0. {_MODEL_MADE}",
        columns=_ALPACA,
        gives={"chat": plain.alpaca},
    ),
    PublicSet(
        name="code_alpaca_20k",
        id="sahil2801/CodeAlpaca-20k",
        license="CC-BY-4.0",
        terms=f"Its card says so; its repository on GitHub says CC-BY-NC-4.0. {_MODEL_MADE}",
        columns=_ALPACA,
        gives={"chat": plain.alpaca},
    ),
    PublicSet(
        name="gsm8k",
        id="openai/gsm8k",
        license="MIT",
        terms="Written by people. The test split is a benchmark: do not train on it.",
        columns={"question": str, "answer": str},
        gives={"chat": plain.gsm8k},
        splits=("train", "test"),
        config="main",
    ),
    PublicSet(
        name="helpsteer2",
        id="nvidia/HelpSteer2",
        license="CC-BY-4.0",
        terms="Answers of models, rated by people; most prompts are from ShareGPT.",
        columns={"prompt": str, "response": str, **dict.fromkeys(helpsteer2.SCORES, int)},
        gives={"pair": helpsteer2.pairs, "chat": helpsteer2.chats},
        splits=("train", "validation"),
    ),
    PublicSet(
        name="hh-rlhf",
        id="Anthropic/hh-rlhf",
        license="MIT",
        terms="Texts that may upset. Its authors say that it is not meant for supervised training.",
        columns={"chosen": str, "rejected": str},
        gives={"pair": hh_rlhf.pairs},
        splits=("train", "test"),
    ),
    PublicSet(
        name="orca_dpo_pairs",
        id="Intel/orca_dpo_pairs",
        license="Apache-2.0",
        terms="Answers of models; the questions are from Open-Orca/OpenOrca.",
        columns={"question": str, "chosen": str, "rejected": str},
        optional={"system": str},
        gives={"pair": plain.orca_dpo},
    ),
)

SETS: Mapping[str, PublicSet] = {name: each for each in _ALL for name in (each.name, each.id)}
"""Every set under its short name and under its id on the hub."""
