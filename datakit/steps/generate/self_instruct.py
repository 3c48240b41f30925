"""generate.self_instruct: new records after the pattern of those that there are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from msgspec import Meta

from datakit.fields import FilePath
from datakit.instruct import lists, rules
from datakit.instruct.reading import instances_of, record_of, texts_of
from datakit.instruct.styles import INSTANCE, INSTANCE_TOKENS, INSTANCES, STYLES
from datakit.llm.llm import LLM
from datakit.llm.request import Sample
from datakit.outcome import Drop, Rejected
from datakit.prompts import Prompts, fill
from datakit.record import Record
from datakit.step import step

if TYPE_CHECKING:
    from datakit.instruct.likeness import Refusal

_SYSTEM = (
    "You write training examples for a language model. Each has an instruction, an input (which "
    "may be empty) and the correct output. Write new ones that fit the examples in domain, form "
    "and difficulty, but ask for something else, in other words."
)


_TOKENS_PER_EXAMPLE = 768

_Made = list[Record | Rejected]


def _strict(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _several(name: str, keys: Sequence[str]) -> dict[str, Any]:
    """Returns the schema of a list of texts by key; their order is that of writing."""
    item = _strict({key: {"type": "string"} for key in keys})
    return _strict({name: {"type": "array", "items": item}})


@step("generate.self_instruct")
class SelfInstruct:
    """Makes new records by showing the teacher a few and asking for more (Self-Instruct).

    Three styles, each with the constants of its source where a value is left as `style`:

    - `original` (Wang et al. 2022, arXiv 2212.10560, yizhongw/self-instruct): new instructions
      after 8 that are shown, up to 2 of them made before; of each it is asked whether it is a
      classification; then its instances, the output first for a classification.
    - `alpaca` (Taori et al. 2023, tatsu-lab/stanford_alpaca): instruction, input and output at
      once, after 3 seeds.
    - `list`: a base model goes on with a list of examples; within reach of a small one.

    `original` and `alpaca` refuse an instruction that their rules refuse (length, words for what a
    text model cannot make; a rule that one seed in ten breaks does not hold), or that is too much
    like one that is there already (ROUGE-L). Where seeds share their `input` (a database schema, a
    text), all examples of a prompt have the same one; `alpaca` and `list` can do that.

    Args:
        style: `original`, `alpaca`, `list`, or `auto`: `list` for a base model, `alpaca` where
            examples share their input, else `original`.
        examples: Examples in a prompt (8, 3, 5).
        machine_examples: At most so many of them were made by a model (2, 0, 2).
        samples: Answers drawn from each prompt of the style `list`.
        per_request: New examples asked for in each request of the others (8, 20).
        same_input: Whether all examples of a prompt share their input; null: if the seeds do.
        rouge: Highest ROUGE-L F with an instruction that there is already; null: any.
        rules: Whether the rules hold.
        temperature: Sampling temperature (0.7, 1, 0.9); null where the model allows none.
        top_p: Share of the probability mass to sample from (0.5, 1, 0.95); null likewise.
        presence_penalty: Makes a token less likely once it is there (2, none, none).
        max_tokens: Most tokens of an answer (1024, 3072, 200).
        json_schema: Whether a JSON Schema is sent; a server may lack it.
        system: The system prompt of the style `alpaca`.
        prompts: Your own texts, by the names that `datakit steps generate.self_instruct --prompt`
            shows.
    """

    style: Literal["auto", "original", "alpaca", "list"] = "auto"
    examples: Annotated[int, Meta(ge=1, le=64)] | Literal["style"] = "style"
    machine_examples: Annotated[int, Meta(ge=0, le=64)] | Literal["style"] = "style"
    samples: Annotated[int, Meta(ge=1, le=64)] = 4
    per_request: Annotated[int, Meta(ge=1, le=64)] | Literal["style"] = "style"
    same_input: bool | None = None
    rouge: Annotated[float, Meta(ge=0, le=1)] | None = 0.7
    rules: bool = True
    temperature: Annotated[float, Meta(ge=0, le=2)] | Literal["style"] | None = "style"
    top_p: Annotated[float, Meta(gt=0, le=1)] | Literal["style"] | None = "style"
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | Literal["style"] | None = "style"
    max_tokens: Annotated[int, Meta(ge=16)] | Literal["style"] = "style"
    json_schema: bool = True
    system: str = _SYSTEM
    prompts: dict[str, FilePath] | None = None

    TEXTS: ClassVar = Prompts(
        "self_instruct",
        instructions={"tasks"},
        classification={"instruction"},
        input_first={"instruction"},
        output_first={"instruction"},
        examples={"examples"},
    )

    def __post_init__(self) -> None:
        """Checks the user's prompts."""
        try:
            self.TEXTS.check(self.prompts)
        except ValueError as error:
            raise ValueError(f"prompts: {error}") from None

    async def make(self, seeds: Sequence[Record], llm: LLM) -> list[Record | Rejected]:
        """Makes the records of one request."""
        style = self._style(seeds, llm)
        if style == "original":
            return await self._original(seeds, self._examples(seeds, llm, style), llm)
        shared = self._shared(seeds)
        if shared:
            # In turn, so that every input gets its share of requests.
            groups = list(_by_input(seeds).values())
            own = groups[llm.ordinal % len(groups)]
        shown = self._examples(own if shared else seeds, llm, style)
        if style == "list":
            return await self._list(shown, shared, llm)
        return await self._alpaca(seeds, shown, llm)

    def expected(self, seeds: Sequence[Record], llm: LLM) -> tuple[float, float]:
        """Returns about how many records and requests one call comes to, for a plan."""
        style = self._style(seeds, llm)
        if style == "list":
            return self.samples, 1
        asked = self._own("per_request", style)
        # Of each instruction, whether it classifies, and its instances.
        return asked, 1 + 2 * asked if style == "original" else 1

    def _style(self, seeds: Sequence[Record], llm: LLM) -> str:
        if self.style != "auto":
            return self.style
        if llm.form == "completion":
            return "list"
        return "alpaca" if self._shared(seeds) else "original"

    def _shared(self, seeds: Sequence[Record]) -> bool:
        groups = _by_input(seeds)
        if self.same_input is None:
            return any(len(group) > 1 for group in groups.values())
        return self.same_input and bool(groups)

    def _own(self, field: str, style: str) -> Any:  # noqa: ANN401  as the field
        value = getattr(self, field)
        return getattr(STYLES[style], field) if value == "style" else value

    def _examples(self, seeds: Sequence[Record], llm: LLM, style: str) -> list[Record]:
        count, machines = self._own("examples", style), self._own("machine_examples", style)
        human = [record for record in seeds if record.id in llm.seeds]
        machine = [record for record in seeds if record.id not in llm.seeds]
        made = llm.draw(machine, min(machines, count - 1) if human else count)
        shown = llm.draw(human, count - len(made)) + made
        llm.rng.shuffle(shown)
        return shown

    def _refusal(self, seeds: Sequence[Record], llm: LLM, words: Sequence[str]) -> Refusal:
        from datakit.instruct.likeness import Refusal

        return Refusal(seeds, llm.seeds, words, ruled=self.rules, most=self.rouge)

    def _sampling(self, style: str) -> dict[str, Any]:
        names = ("temperature", "top_p", "presence_penalty", "max_tokens")
        values = {name: self._own(name, style) for name in names}
        if style == "alpaca" and self.max_tokens == "style":
            # For its 20 examples; fewer need less.
            few = _TOKENS_PER_EXAMPLE * self._own("per_request", style)
            values["max_tokens"] = min(values["max_tokens"], few)
        return values

    async def _list(self, shown: list[Record], shared: bool, llm: LLM) -> _Made:
        number = len(shown) + 1
        prompt = lists.list_shared(shown) if shared else lists.list_whole(shown)
        stop = [f"Question {number + 1}:" if shared else f"Example {number + 1}"]
        if not any("\n\n" in text for each in shown for text in (each.instruction, each.output)):
            # A small model that leaves the list rambles on; a blank line ends an answer earlier.
            stop.append("\n\n")
        samples = await llm.complete(
            prompt, n=self.samples, stop=tuple(stop), **self._sampling("list")
        )
        made: _Made = []
        for sample in samples:
            read = lists.read_whole(sample.text)
            if shared and (read := lists.read_shared(sample.text, number)):
                read["input"] = shown[0].input
            made.append(record_of(shown, sample, read))
        return made

    async def _alpaca(self, seeds: Sequence[Record], shown: list[Record], llm: LLM) -> _Made:
        listed = [{key: getattr(record, key) for key in lists.FIELDS} for record in shown]
        message = fill(
            self.TEXTS.text("examples", self.prompts),
            {
                "examples": "\n".join(json.dumps(each, ensure_ascii=False) for each in listed),
                "count": str(self._own("per_request", "alpaca")),
            },
        )
        schema = _several("examples", lists.FIELDS) if self.json_schema else None
        (sample,) = await llm.chat(
            message, system=self.system, schema=schema, **self._sampling("alpaca")
        )
        items = lists.examples_of(sample.text)
        made = [record_of(shown, Sample(sample.text), texts_of(item), item) for item in items]
        if sample.finish == "length":
            # The last item is the one that was cut; it is shown as such.
            made.append(record_of(shown, Sample(sample.text[-2000:], "length"), None))
        elif not items or sample.finish == "refused":
            made = [record_of(shown, sample, None)]
        refusal = self._refusal(seeds, llm, rules.ALPACA)
        return [refusal.of(each) for each in made]

    async def _original(self, seeds: Sequence[Record], shown: list[Record], llm: LLM) -> _Made:
        first = len(shown) + 1
        message = fill(
            self.TEXTS.text("instructions", self.prompts),
            {
                "tasks": lists.numbered([record.instruction for record in shown]),
                "count": str(self._own("per_request", "original")),
                "first": str(first),
            },
        )
        (sample,) = await llm.chat(message, **self._sampling("original"))
        cut = sample.finish == "length"
        found = lists.read_numbered(sample.text, first, cut=cut)
        if sample.finish == "refused" or not found:
            return [record_of(shown, sample, None)]
        refusal = self._refusal(seeds, llm, rules.ORIGINAL)
        made: _Made = []
        for instruction in found:
            if drop := refusal.why(instruction):
                bare = Record.from_parents(shown, instruction=instruction)
                made.append(Rejected(bare, drop))
            else:
                made += await self._instances(shown, instruction, llm)
        return made

    async def _instances(self, shown: list[Record], instruction: str, llm: LLM) -> _Made:
        """Asks for the instances of one task."""
        told = {"instruction": instruction, "count": str(INSTANCES)}
        text = fill(self.TEXTS.text("classification", self.prompts), told)
        (sample,) = await llm.chat(text, temperature=0.0, max_tokens=16)
        classifies = sample.text.strip().lower().startswith("yes")
        name = "output_first" if classifies else "input_first"
        keys = ("output", "input") if classifies else ("input", "output")
        answers = await llm.answers(
            fill(self.TEXTS.text(name, self.prompts), told),
            instances_of,
            schema=_several("instances", keys) if self.json_schema else None,
            max_tokens=INSTANCE_TOKENS[classifies],
            **INSTANCE,
        )
        if (given := answers[0].value) is None:
            bare = Record.from_parents(shown, instruction=instruction, output=answers[0].text)
            return [Rejected(bare, answers[0].drop or Drop("unparsable"))]
        outputs: dict[str, set[str]] = {}
        for each, output in given:
            outputs.setdefault(each, set()).add(output)
        made: _Made = []
        for each, output in dict.fromkeys(given[:INSTANCES]):
            record = Record.from_parents(
                shown, instruction=instruction, input=each, output=output
            ).with_meta(classification=classifies)
            drop = rules.instance(each, output)
            if len(outputs[each]) > 1:
                drop = Drop("contradictory", outputs=len(outputs[each]))
            made.append(Rejected(record, drop) if drop else record)
        return made


def _by_input(seeds: Sequence[Record]) -> dict[str, list[Record]]:
    groups: dict[str, list[Record]] = {}
    for record in seeds:
        groups.setdefault(record.input, []).append(record)
    groups.pop("", None)
    return groups
