"""generate.prompt: new records by a prompt of the user's own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from datakit.errors import InputError, did_you_mean
from datakit.files import shown_path
from datakit.fingerprint import identity
from datakit.llm.form import Form, Item, form_of
from datakit.llm.llm import LLM
from datakit.outcome import Drop, Rejected
from datakit.prompts import fill, places, read_text
from datakit.prompts.fields import TEXTS, as_lines, value_of
from datakit.record import Record, digest
from datakit.step import FilePath, Resources, step

Field = Literal["instruction", "input", "output"]

# What belongs to the old question's answer alone.
_OLD = ("messages", "rejected", "label")


@step("generate.prompt")
class Prompt:
    """Makes new records by your own prompt, filled in with a record's fields.

    One record after the other is put into the prompt, and the answer becomes a new record, or
    several. Places are `{instruction}`, `{input}`, `{output}`, any other key of the records such
    as `{topic}`, `{meta.KEY}`, `{scores.KEY}`, and `{examples}` for other records of the pool, a
    JSON line each. A doubled `{{topic}}` is the text `{topic}`; all other braces are text. A
    record without one of the places is not asked about (`no_field`). What the answer does not
    give is taken over from the record. `meta.prompt` has the name of the prompt's file.

    Args:
        prompt: The file with the prompt.
        system: The system prompt; it may have places too.
        system_file: A file with the system prompt, instead.
        over: Which records are gone through: the `seeds`, or the `pool`, that is the seeds and
            what the pipeline has kept so far, but for what this prompt itself has made.
        again: Whether to begin again when all have been gone through; else no more is asked.
        examples: How many other records of the pool `{examples}` shows.
        answer: `json`, or `text` if the whole answer is the value of one field.
        into: With `answer: text`, that field.
        schema: A file with a JSON Schema of the answer; without one it is an object with the texts
            instruction, input and output.
        fields: Our fields to keys of the answer, such as {instruction: question}. Its other keys
            become keys of the record.
        many: Whether the answer is {"items": [...]} with any number of such objects; the schema
            is that of one.
        temperature: Sampling temperature; null where the model allows none.
        top_p: Share of the probability mass to sample from; null likewise.
        max_tokens: Most tokens of an answer.
        prefill: How the answer begins; the model goes on from there, and what it begins with is a
            part of the answer. Where the server has it: the embedded model, vLLM, llama.cpp.
        json_schema: Whether the schema is sent, which must then be strict (all keys required, no
            others); a server may lack it. The answer is checked in any case.
    """

    prompt: FilePath
    system: str | None = None
    system_file: FilePath | None = None
    over: Literal["seeds", "pool"] = "seeds"
    again: bool = False
    examples: Annotated[int, Meta(ge=0, le=64)] = 3
    answer: Literal["json", "text"] = "json"
    into: Field = "output"
    schema: FilePath | None = None
    fields: dict[Field, str] | None = None
    many: bool = False
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = 0.9
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = 0.95
    max_tokens: Annotated[int, Meta(ge=16)] = 2048
    prefill: Annotated[str, Meta(min_length=1)] | None = None
    json_schema: bool = True

    def __post_init__(self) -> None:
        self._check_texts()
        if self.prefill and self.answer == "json" and self.json_schema:
            raise ValueError(
                "prefill: a schema is that of a whole answer; set json_schema: false, or "
                "answer: text"
            )
        if self.answer == "text":
            for name in ("schema", "fields", "many"):
                if getattr(self, name):
                    raise ValueError(f"{name}: goes with answer: json")
        elif self.into != "output":
            raise ValueError("into: goes with answer: text")
        else:
            self._check_form()

    def _check_texts(self) -> None:
        if self.system is not None and self.system_file:
            raise ValueError("system_file: give system or system_file, not both")
        for name in ("prompt", "system_file"):
            path = getattr(self, name)
            try:
                empty = path is not None and not read_text(path).strip()
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
            if empty:
                raise ValueError(f"{name}: {shown_path(path)}: is empty")
        found = self._places()
        if not found:
            raise ValueError(
                f"prompt: {shown_path(self.prompt)}: has no place, so it would ask the same of "
                "all records; put one in, such as {instruction}"
            )
        if "examples" in found and not self.examples:
            raise ValueError("examples: is 0, but the prompt has {examples}")

    def _check_form(self) -> None:
        given = list((self.fields or {}).values())
        for key in given:
            if given.count(key) > 1:
                raise ValueError(f'fields: two of our fields cannot both be "{key}"')
        try:
            form = self._form()
        except ValueError as error:
            raise ValueError(f"schema: {error}") from None
        if self.json_schema:
            try:
                form.sent()
            except ValueError as error:
                where = shown_path(self.schema or "")
                raise ValueError(f"schema: {where}: {error}, or set json_schema: false") from None
        properties = form.item["properties"]
        for ours, key in (self.fields or {}).items():
            if key not in properties:
                near = did_you_mean(key, properties) or f"; there are {', '.join(properties)}"
                raise ValueError(f'fields: {ours}: the schema has no key "{key}"{near}')

    def _form(self) -> Form:
        given: dict[str, str] = {str(ours): key for ours, key in (self.fields or {}).items()}
        # A key that the user gives one of our fields is not another's as well.
        keys = {each: each for each in TEXTS if each not in given.values()} | given
        schema = read_text(self.schema) if self.schema else None
        names = tuple((each, keys[each]) for each in TEXTS if each in keys)
        return form_of(schema, shown_path(self.schema or ""), names, self.many)

    def _texts(self) -> tuple[str, str | None]:
        """Returns the prompt and the system prompt."""
        system = read_text(self.system_file) if self.system_file else self.system
        return read_text(self.prompt), system

    def _places(self) -> set[str]:
        prompt, system = self._texts()
        return places(f"{prompt}\n{system or ''}", any_field=True)

    async def make(
        self, seeds: Sequence[Record], llm: LLM, resources: Resources | None = None
    ) -> list[Record | Rejected]:
        """Makes the records of one request."""
        record = self._next(seeds, llm, resources)
        if record is None:
            return []
        named = self._places()
        self._check_seeds(named - {"examples"}, seeds, llm)
        values = {}
        for name in sorted(named - {"examples"}):
            value = value_of(record, name)
            if value is None:
                raw = Record.from_parents([record], instruction="")
                return [Rejected(raw, Drop("no_field", field=name))]
            values[name] = value
        shown: list[Record] = []
        if "examples" in named:
            shown = llm.draw([each for each in seeds if each.id != record.id], self.examples)
            values["examples"] = as_lines(shown)
        return await self._asked([record, *shown], values, llm)

    def _next(
        self, seeds: Sequence[Record], llm: LLM, resources: Resources | None
    ) -> Record | None:
        """Returns the record whose turn it is, or None if all have had theirs."""
        own = Path(self.prompt).name
        pool = self.over == "pool"
        listed = [
            each
            for each in seeds
            if each.id in llm.seeds or (pool and each.meta.get("prompt") != own)
        ]
        turn, at = divmod(llm.ordinal, len(listed)) if listed else (0, 0)
        if self.again or not listed:
            return listed[at] if listed else None
        if resources is None:
            return listed[at] if turn == 0 else None
        # What has had its turn is known to the run alone: nothing may have been kept of it, the
        # pool grows, and ordinals leave gaps where a round is short.
        gone = resources.open(_Gone, digest(identity(self))).ids
        for each in (*listed[at:], *listed[:at]):
            if each.id not in gone:
                gone.add(each.id)
                return each
        return None

    def _check_seeds(self, named: set[str], seeds: Sequence[Record], llm: LLM) -> None:
        """Refuses a place that no seed has; what has a dot may come from a step before.

        Raises:
            InputError: Names the file and its line.
        """
        if self.over == "pool":
            # Records of other steps may have it.
            return
        own = [each for each in seeds if each.id in llm.seeds]
        for name in sorted(each for each in named if "." not in each):
            if any(value_of(each, name) is not None for each in own):
                continue
            keys = sorted({*TEXTS, *(key for each in own for key in each.extra)})
            near = did_you_mean(name, keys) or f"; there are {', '.join(keys)}"
            raise InputError(f'{self._line_of(name)}: no seed has a field "{name}"{near}')

    def _line_of(self, name: str) -> str:
        for path in (self.prompt, self.system_file):
            for at, line in enumerate(read_text(path).splitlines() if path else (), 1):
                if path and name in places(line, any_field=True):
                    return f"{shown_path(path)}:{at}"
        return "generate.prompt.system"

    async def _asked(
        self, parents: list[Record], values: Mapping[str, str], llm: LLM
    ) -> list[Record | Rejected]:
        prompt, system = self._texts()
        held = self.answer == "json" and self.json_schema
        (answer,) = await llm.answers(
            fill(prompt, values, any_field=True),
            self._read_text if self.answer == "text" else self._form().read,
            system=fill(system, values, any_field=True) if system else None,
            schema=self._form().sent() if held else None,
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self.max_tokens,
            prefill=self.prefill,
        )
        if answer.value is None:
            return [answer.rejected(parents)]
        if not answer.value:
            return [answer.rejected(parents, Drop("no_items"))]
        return [self._made(parents, each) for each in answer.value]

    def _read_text(self, text: str) -> list[Item]:
        if not text.strip():
            raise ValueError("the answer is empty")
        return [Item(text, {self.into: text.strip()}, {})]

    def _made(self, parents: list[Record], item: Item) -> Record | Rejected:
        if item.wrong:
            shown = json.dumps(item.value, ensure_ascii=False)
            raw = Record.from_parents(parents, instruction="", output=shown)
            return Rejected(raw, Drop("unparsable", message=item.wrong[:300]))
        old = parents[0]
        texts = {name: getattr(old, name) for name in TEXTS} | dict(item.texts)
        kept = {key: value for key, value in old.extra.items() if key not in _OLD}
        record = Record.from_parents(parents, **texts, extra={**kept, **item.more})
        record = record.with_meta(prompt=Path(self.prompt).name)
        for name in ("instruction", "output"):
            if item.texts.get(name) == "":
                return Rejected(record, Drop("incomplete", missing=name))
        return record


class _Gone:
    """The records that a run has gone through."""

    def __init__(self, step: str) -> None:
        self.step = step
        self.ids: set[str] = set()
