"""generate.topic_grid: new records for every topic, persona and seed, from the tail."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from msgspec import Meta

from datakit.llm.answers import read_json
from datakit.llm.llm import LLM
from datakit.outcome import Drop, Rejected
from datakit.prompts import Prompts, fill
from datakit.record import Record
from datakit.step import FilePath, step
from datakit.topics import cell, leaves, read_personas, read_topics

_FIELDS = ("instruction", "input", "output")
_SYSTEM = (
    "You write training examples for a language model: tasks that people really have, each with a "
    "correct and complete answer."
)
_TOKENS_PER_TASK = 768
_ANYBODY = "anybody who works in this field"


@step("generate.topic_grid")
class TopicGrid:
    """Makes new records for a grid of topics, personas and seeds, from the tail of what is likely.

    Each request has a cell: a topic, a persona (Persona Hub: Ge et al. 2024, arXiv 2406.20094) and
    one of the user's seeds as an example. All cells have their turn before one comes again. The
    teacher is asked for several tasks at once with their probabilities, and for improbable ones
    (Verbalized Sampling: Zhang et al. 2025, arXiv 2510.01171), as a model that is asked for one
    gives the same few. All of them become records, with `topic`, `persona` and the `probability`
    that the teacher gave in their `meta`. Without topics each call first asks for some.

    Args:
        topics_file: A file with the topics: YAML or JSON as for `topics`, else one in each line.
        topics: A list of topics, or a mapping of each to its subtopics, nested at will; the
            leaves are used. With neither this nor a file the teacher names topics.
        personas_file: A file with a persona in each line, or `.jsonl` with the key `persona`.
        personas: Descriptions of who asks.
        candidates: Tasks asked for in each request.
        tail: The probability that each of them shall be below. It is said, not enforced.
        verbalized: Whether to ask for several with their probabilities; false: for one task.
        topics_per_call: Topics that a call asks for where there are none; it uses one of them.
        examples: Seeds shown when topics are asked for.
        temperature: Sampling temperature; null where the model allows none.
        top_p: Share of the probability mass to sample from; null likewise.
        max_tokens: Most tokens of an answer; null: 768 for each task.
        json_schema: Whether a JSON Schema is sent; a server may lack it.
        system: The system prompt.
        prompts: Files of your own for the prompts `tail`, `single` and `topics`.
    """

    topics_file: FilePath | None = None
    topics: tuple[Any, ...] | dict[str, Any] | None = None
    personas_file: FilePath | None = None
    personas: tuple[Annotated[str, Meta(min_length=1)], ...] | None = None
    candidates: Annotated[int, Meta(ge=1, le=64)] = 5
    tail: Annotated[float, Meta(gt=0, le=1)] = 0.10
    verbalized: bool = True
    topics_per_call: Annotated[int, Meta(ge=1, le=64)] = 8
    examples: Annotated[int, Meta(ge=1, le=64)] = 5
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = 1.0
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    max_tokens: Annotated[int, Meta(ge=16)] | None = None
    json_schema: bool = True
    system: str = _SYSTEM
    prompts: dict[str, FilePath] | None = None

    TEXTS: ClassVar = Prompts(
        "topic_grid",
        tail={"topic", "candidates", "tail"},
        single={"topic"},
        topics={"examples", "count"},
    )

    def __post_init__(self) -> None:
        """Reads the files once, so that what is wrong in them is said before anything is asked."""
        for name in ("topics", "personas"):
            if getattr(self, name) is not None and getattr(self, f"{name}_file"):
                raise ValueError(f"{name}_file: give {name} or {name}_file, not both")
        for key, call in (
            ("topics" if self.topics is not None else "topics_file", self._topics),
            ("personas_file", self._personas),
            ("prompts", lambda: self.TEXTS.check(self.prompts)),
        ):
            try:
                call()
            except ValueError as error:
                raise ValueError(f"{key}: {error}") from None
        if self.personas is not None and not self._personas():
            raise ValueError("personas: there is none in it; leave the key out")

    @property
    def per_request(self) -> float:
        """Records that a request gives, for the plan; where topics are asked for, it takes two."""
        requests = 1 if self.topics is not None or self.topics_file else 2
        return self._asked_for / requests

    def expected(self, seeds: Sequence[Record], llm: LLM) -> tuple[float, float]:
        """Returns about how many records and requests one call comes to, for a plan."""
        given = bool(self.topics or self.topics_file)
        return self.candidates if self.verbalized else 1, 1 if given else 2

    async def make(self, seeds: Sequence[Record], llm: LLM) -> list[Record | Rejected]:
        """Makes the records of one cell."""
        topics, personas = self._topics(), self._personas()
        own = [seed for seed in seeds if seed.id in llm.seeds] or list(seeds)
        topic_at, pair = cell(llm.ordinal, len(topics) or 1, (len(personas) or 1) * len(own))
        persona_at, seed_at = divmod(pair, len(own))
        persona, seed = personas[persona_at] if personas else None, own[seed_at]
        if topics:
            return await self._tasks(seed, topics[topic_at], persona, llm)
        shown = llm.draw(own, self.examples)
        said = await self._name_topics(shown, llm)
        if isinstance(said, Rejected):
            return [said]
        return await self._tasks(seed, llm.rng.choice(said), persona, llm)

    @property
    def _asked_for(self) -> int:
        return self.candidates if self.verbalized else 1

    @property
    def _most_tokens(self) -> int:
        # For topics, too: a plan is made from the first request of a call.
        return self.max_tokens or _TOKENS_PER_TASK * self._asked_for

    def _topics(self) -> tuple[str, ...]:
        if self.topics is not None:
            return leaves(self.topics)
        return read_topics(self.topics_file) if self.topics_file else ()

    def _personas(self) -> tuple[str, ...]:
        if self.personas_file:
            return read_personas(self.personas_file)
        stripped = (" ".join(each.split()) for each in self.personas or ())
        return tuple(dict.fromkeys(each for each in stripped if each))

    async def _name_topics(self, shown: Sequence[Record], llm: LLM) -> list[str] | Rejected:
        values = {"examples": "\n".join(map(_line, shown)), "count": str(self.topics_per_call)}
        (answer,) = await llm.answers(
            fill(self.TEXTS.text("topics", self.prompts), values),
            _read_topics,
            system=self.system,
            schema=_object("topics", {"type": "string"}) if self.json_schema else None,
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self._most_tokens,
        )
        return answer.value if answer.value is not None else answer.rejected(shown)

    async def _tasks(
        self, seed: Record, topic: str, persona: str | None, llm: LLM
    ) -> list[Record | Rejected]:
        values = {
            "example": _line(seed),
            "topic": topic,
            "persona": persona or _ANYBODY,
            "candidates": str(self.candidates),
            "tail": f"{self.tail:.2f}" if self.tail >= 0.01 else f"{self.tail:g}",
        }
        name = "tail" if self.verbalized else "single"
        (answer,) = await llm.answers(
            fill(self.TEXTS.text(name, self.prompts), values),
            _read_tasks,
            system=self.system,
            schema=_schema(self.verbalized) if self.json_schema else None,
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self._most_tokens,
        )
        about: dict[str, Any] = {"topic": topic, "persona": persona}
        if answer.value is None:
            refused = answer.rejected([seed])
            return [Rejected(refused.record.with_meta(**about), refused.drop)]
        return [self._record(seed, item, about) for item in answer.value]

    def _record(self, seed: Record, item: object, about: dict[str, Any]) -> Record | Rejected:
        if not isinstance(item, dict) or not all(
            isinstance(item.get(key, ""), str) for key in _FIELDS
        ):
            raw = Record.from_parents([seed], instruction="", output=json.dumps(item))
            return Rejected(raw.with_meta(**about), Drop("unparsable", message="not a task"))
        if self.verbalized:
            about = {**about, "probability": _probability(item.get("probability"))}
        texts = {key: item.get(key, "").strip() for key in _FIELDS}
        record = Record.from_parents([seed], **texts).with_meta(**about)
        if not record.instruction or not record.output:
            missing = "output" if record.instruction else "instruction"
            return Rejected(record, Drop("incomplete", missing=missing))
        return record


def _line(record: Record) -> str:
    shown = {key: getattr(record, key) for key in _FIELDS}
    return json.dumps(shown, ensure_ascii=False)


def _probability(value: object) -> float | None:
    """Returns what the teacher gave, if it is a probability at all."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and 0 <= value <= 1 else None  # type: ignore[arg-type,operator]


def _read_tasks(text: str) -> list[Any]:
    value = read_json(text)
    found = value.get("tasks") if isinstance(value, dict) else value
    if not isinstance(found, list) or not found:
        raise ValueError("there is no list of tasks")
    return found


def _read_topics(text: str) -> list[str]:
    value = read_json(text)
    found = value.get("topics") if isinstance(value, dict) else value
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise ValueError("there is no list of topics")
    topics = list(dict.fromkeys(" ".join(each.split()) for each in found if each.strip()))
    if not topics:
        raise ValueError("the list of topics is empty")
    return topics


def _object(key: str, item: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {key: {"type": "array", "items": item}},
        "required": [key],
        "additionalProperties": False,
    }


def _schema(verbalized: bool) -> dict[str, Any]:
    properties = {key: {"type": "string"} for key in _FIELDS}
    if verbalized:
        properties["probability"] = {"type": "number"}
    item = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return _object("tasks", item)
