"""generate.self_instruct: new records after the pattern of those that there are."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta

from datakit.llm.client import LLM
from datakit.llm.request import Sample
from datakit.outcome import Drop, Rejected
from datakit.record import Record
from datakit.step import step

_FIELDS = ("instruction", "input", "output")
_ITEM = {
    "type": "object",
    "properties": {key: {"type": "string"} for key in _FIELDS},
    "required": list(_FIELDS),
    "additionalProperties": False,
}
_SCHEMA = {
    "type": "object",
    "properties": {"examples": {"type": "array", "items": _ITEM}},
    "required": ["examples"],
    "additionalProperties": False,
}
_SYSTEM = (
    "You write training examples for a language model. Each has an instruction, an input (which "
    "may be empty) and the correct output. Write new ones that fit the examples in domain, form "
    "and difficulty, but ask for something else, in other words."
)
_TOKENS_PER_EXAMPLE = 768


@step("generate.self_instruct")
class SelfInstruct:
    """Makes new records by showing the teacher a few and asking for more (Self-Instruct).

    Most examples are the user's own seeds, a few are records made before, so that the set can
    wander without running away: Wang et al. 2022, arXiv 2212.10560. A chat model is asked for a
    JSON list; a base model continues a numbered list of questions and answers, which is within
    reach of a small one. Where seeds share their `input` (a database schema, a text), all examples
    of a prompt have the same one, and a base model's new record gets it too.

    Args:
        examples: Examples in a prompt.
        machine_examples: At most so many of them were made by a model.
        samples: Answers drawn from each prompt of the completion form.
        per_request: New examples asked for in each request of the chat form.
        form: `chat`, `completion`, or `auto` for what suits the teacher.
        same_input: Whether all examples of a prompt share their input; null: if the seeds do.
        temperature: Sampling temperature; null where the model allows none.
        top_p: Share of the probability mass to sample from; null likewise.
        max_tokens: Most tokens of an answer; null: 200, or what `per_request` examples need.
        json_schema: Whether the chat form sends a JSON Schema; a server may lack it.
        system: The system prompt of the chat form.
    """

    examples: Annotated[int, Meta(ge=1, le=64)] = 5
    machine_examples: Annotated[int, Meta(ge=0, le=64)] = 2
    samples: Annotated[int, Meta(ge=1, le=64)] = 4
    per_request: Annotated[int, Meta(ge=1, le=64)] = 4
    form: Literal["auto", "chat", "completion"] = "auto"
    same_input: bool | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = 0.9
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = 0.95
    max_tokens: Annotated[int, Meta(ge=16)] | None = None
    json_schema: bool = True
    system: str = _SYSTEM

    async def make(self, seeds: Sequence[Record], llm: LLM) -> list[Record | Rejected]:
        """Makes the records of one request."""
        shown, shared = self._examples(seeds, llm)
        form = llm.form if self.form == "auto" else self.form
        if form == "chat":
            return await self._chat(shown, llm)
        return await self._complete(shown, shared, llm)

    def _examples(self, seeds: Sequence[Record], llm: LLM) -> tuple[list[Record], bool]:
        groups: dict[str, list[Record]] = {}
        for record in seeds:
            groups.setdefault(record.input, []).append(record)
        groups.pop("", None)
        shared = self.same_input
        if shared is None:
            shared = any(len(group) > 1 for group in groups.values())
        if shared and groups:
            # In turn, so that every input gets its share of requests.
            seeds = list(groups.values())[llm.ordinal % len(groups)]
        human = [record for record in seeds if record.id in llm.seeds]
        machine = [record for record in seeds if record.id not in llm.seeds]
        few = min(self.machine_examples, self.examples - 1) if human else self.examples
        made = llm.rng.sample(machine, min(few, len(machine)))
        shown = llm.rng.sample(human, min(self.examples - len(made), len(human))) + made
        llm.rng.shuffle(shown)
        return shown, bool(shared and groups)

    async def _complete(
        self, shown: list[Record], shared: bool, llm: LLM
    ) -> list[Record | Rejected]:
        number = len(shown) + 1
        prompt = _list_shared(shown) if shared else _list_whole(shown)
        stop = [f"Question {number + 1}:" if shared else f"Example {number + 1}"]
        if not any("\n\n" in text for each in shown for text in (each.instruction, each.output)):
            # A small model that leaves the list rambles on; a blank line ends an answer earlier.
            stop.append("\n\n")
        samples = await llm.complete(
            prompt,
            n=self.samples,
            stop=tuple(stop),
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self.max_tokens or 200,
        )
        made: list[Record | Rejected] = []
        for sample in samples:
            fields = _read_shared(sample.text, number) if shared else _read_whole(sample.text)
            if shared and fields:
                fields["input"] = shown[0].input
            made.append(_record(shown, sample, fields))
        return made

    async def _chat(self, shown: list[Record], llm: LLM) -> list[Record | Rejected]:
        listed = [{key: getattr(record, key) for key in _FIELDS} for record in shown]
        message = (
            "Examples:\n"
            + "\n".join(json.dumps(each, ensure_ascii=False) for each in listed)
            + f'\n\nWrite {self.per_request} new ones as JSON: {{"examples": [{{"instruction": '
            + '..., "input": ..., "output": ...}, ...]}. Only the JSON.'
        )
        sample = (
            await llm.chat(
                message,
                system=self.system,
                temperature=self.temperature,
                top_p=self.top_p,
                max_tokens=self.max_tokens or _TOKENS_PER_EXAMPLE * self.per_request,
                schema=_SCHEMA if self.json_schema else None,
            )
        )[0]
        items = _items(sample.text)
        if sample.finish == "length":
            # The last item is the one that was cut; it is shown as such.
            whole: list[Record | Rejected] = [
                _record(shown, Sample(sample.text), _texts(item)) for item in items
            ]
            return [*whole, _record(shown, Sample(sample.text[-2000:], "length"), None)]
        if not items:
            return [_record(shown, sample, None)]
        return [_record(shown, sample, _texts(item), item) for item in items]


def _list_shared(shown: Sequence[Record]) -> str:
    # What changes least comes first, so that servers find the beginning in their prompt cache.
    parts = [shown[0].input, ""]
    for number, record in enumerate(shown, 1):
        parts += [f"Question {number}: {record.instruction}", f"Answer {number}: {record.output}"]
        parts.append("")
    return "\n".join([*parts, f"Question {len(shown) + 1}:"])


def _list_whole(shown: Sequence[Record]) -> str:
    parts = []
    for number, record in enumerate(shown, 1):
        given = [f"Input: {record.input}"] if record.input else []
        parts += [f"Example {number}", f"Instruction: {record.instruction}", *given]
        parts += [f"Output: {record.output}", ""]
    return "\n".join([*parts, f"Example {len(shown) + 1}", "Instruction:"])


def _read_shared(text: str, number: int) -> dict[str, str] | None:
    question, mark, answer = text.partition(f"\nAnswer {number}:")
    return {"instruction": question.strip(), "output": answer.strip()} if mark else None


def _read_whole(text: str) -> dict[str, str] | None:
    question, mark, answer = text.partition("\nOutput:")
    instruction, _, given = question.partition("\nInput:")
    fields = {"instruction": instruction, "input": given, "output": answer}
    return {key: value.strip() for key, value in fields.items()} if mark else None


def _items(text: str) -> list[Any]:
    """Reads the items of a JSON answer, those before the cut if it was cut short."""
    found = re.search(r'"examples"\s*:\s*\[', text) or re.search(r"\[", text)
    decoder, items = json.JSONDecoder(), []
    at = found.end() if found else 0
    while found and (start := text.find("{", at)) >= 0:
        try:
            item, at = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            break
        items.append(item)
    return items


def _texts(item: Any) -> dict[str, str] | None:  # noqa: ANN401
    fields = {key: item.get(key, "") for key in _FIELDS}
    if not all(isinstance(value, str) for value in fields.values()):
        return None
    return {key: value.strip() for key, value in fields.items()}


def _record(
    shown: Sequence[Record], sample: Sample, fields: dict[str, str] | None, item: object = None
) -> Record | Rejected:
    raw = Record.from_parents(
        shown, instruction="", output=sample.text if item is None else json.dumps(item)
    )
    if sample.finish == "refused":
        return Rejected(raw, Drop("refused"))
    if sample.finish == "length":
        return Rejected(raw, Drop("cut_short", chars=len(sample.text)))
    if fields is None:
        return Rejected(raw, Drop("unparsable"))
    record = Record.from_parents(shown, **fields)
    if not record.instruction or not record.output:
        missing = "output" if record.instruction else "instruction"
        return Rejected(record, Drop("incomplete", missing=missing))
    return record
