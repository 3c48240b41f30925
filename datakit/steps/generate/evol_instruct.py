"""generate.evol_instruct: instructions rewritten step by step, harder or rarer each time."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, get_args

from msgspec import Meta

from datakit.errors import did_you_mean
from datakit.llm.answers import Answer, read_json
from datakit.llm.llm import LLM
from datakit.outcome import Drop, Rejected
from datakit.prompts import Prompts, fill
from datakit.record import Record
from datakit.step import FilePath, step
from datakit.text import collapse, fold, words

Operator = Literal[
    "constraints", "deepen", "concretize", "reasoning", "complicate_input", "breadth"
]
# These may change the input; after the others it is the same.
_WITH_INPUT = ("complicate_input", "breadth")
# Words of a prompt that an instruction shows only if it was copied from the prompt.
_LEAKS = ("given prompt", "rewritten prompt", "created prompt", "<instruction>", "</instruction>")
_SORRY, _SORRY_WORDS = "sorry", 80
# How many times as likely a record that was evolved least is taken as each of the others. All the
# chance must not be theirs: some cannot be evolved, and would be asked about for ever.
_DUE = 4
# What belongs to the old question's answer alone.
_OLD = ("messages", "rejected", "label")
# Without "no" and the single letters, which may be answers.
_FUNCTION_WORDS = (
    "the an and or but nor if then else than so as of at by for from in into on onto off out over "
    "to up down with without about above below under between through during before after again "
    "further once is am are was were be been being have has had having do does did doing can could "
    "may might must shall should will would it its itself he him his himself she her hers herself "
    "they them their theirs themselves we us our ours ourselves you your yours yourself yourselves "
    "me my mine myself this that these those there here who whom whose which what when where why "
    "how any each few more most other some such only own same too very just not also because while "
    "until against both all don isn aren wasn weren hasn haven hadn doesn didn won wouldn couldn "
    "shouldn mustn needn ll re ve"
)
_STOP_WORDS = frozenset(_FUNCTION_WORDS.split())


@step("generate.evol_instruct")
class EvolInstruct:
    """Makes new records by rewriting an instruction, harder or rarer each time (Evol-Instruct).

    Five operators work in depth (a constraint more, deeper, more concrete, more steps of
    reasoning, data to work on), one in breadth (another instruction of the domain); which one is
    drawn, all alike. The teacher answers what it has written. An evolved record can be evolved
    again. As in the original, it is eliminated if the teacher finds it equal to the old one
    (`not_evolved`), if its answer says sorry in few words (`refused_in_words`) or nothing at all
    (`no_words`), or if it has words of our prompt (`leaked_prompt`); the old record stays in the
    pool and may be drawn again. Records that were evolved least come first. `meta.evolution` has
    `round`, `operator` and, as `of`, the id of the old record.

    Xu et al. 2023, arXiv 2304.12244; https://github.com/nlpxucan/WizardLM, Evol_Instruct.

    Args:
        rounds: Most evolutions of a record, one after the other.
        operators: Those that are drawn from: `constraints`, `deepen`, `concretize`, `reasoning`,
            `complicate_input`, `breadth`.
        answer: Whether the teacher answers the new instruction; else its output is empty.
        judge: Whether the teacher is asked if old and new are equal.
        temperature: Sampling temperature; null where the model allows none. The judge has 0.
        top_p: Share of the probability mass to sample from; null likewise.
        max_tokens: Most tokens of an answer.
        json_schema: Whether a JSON Schema is sent; a server may lack it.
        prompts: Files with prompts of your own, by operator, or for `judge`. Places: {instruction}
            and {input}; for the judge {new_instruction} and {new_input} too.
    """

    rounds: Annotated[int, Meta(ge=1, le=64)] = 4
    operators: Annotated[tuple[Operator, ...], Meta(min_length=1)] = get_args(Operator)
    answer: bool = True
    judge: bool = True
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = 1.0
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = 0.95
    max_tokens: Annotated[int, Meta(ge=16)] = 2048
    json_schema: bool = True
    prompts: dict[str, FilePath] | None = None

    TEXTS: ClassVar = Prompts(
        "evol_instruct",
        **{name: {"instruction"} for name in get_args(Operator)},
        judge={"instruction", "new_instruction"},
    )

    def __post_init__(self) -> None:
        for name, count in Counter(self.operators).items():
            if count > 1:
                raise ValueError(f"operators: {name} is there twice; each is as likely as another")
        try:
            self.TEXTS.check(self.prompts)
        except ValueError as error:
            raise ValueError(f"prompts: {error}") from None

    def expected(self, seeds: Sequence[Record], llm: LLM) -> tuple[float, float]:
        """Returns about how many records and requests one call comes to, for a plan."""
        return 1, 1 + self.answer + self.judge

    async def make(self, seeds: Sequence[Record], llm: LLM) -> list[Record | Rejected]:
        """Evolves one record."""
        old = self._chosen(seeds, llm)
        if old is None:
            return []
        operator = llm.choose("evolution.operator", self.operators)
        with_input = operator in _WITH_INPUT
        (answer,) = await llm.answers(
            fill(self.TEXTS.text(operator, self.prompts), _texts(old)),
            lambda text: _read_prompt(text, with_input),
            schema=self._schema(
                instruction="string", **({"input": "string"} if with_input else {})
            ),
            **self._sampling(),
        )
        evolution = {"round": _round_of(old) + 1, "operator": operator, "of": old.id}
        if answer.value is None:
            rejected = answer.rejected([old])
            return [Rejected(rejected.record.with_meta(evolution=evolution), rejected.drop)]
        new = _child(old, operator, answer.value).with_meta(evolution=evolution)
        if drop := _leaked(old, new) or _unchanged(old, new):
            return [Rejected(new, drop)]
        return [await self._tried(old, new, llm)]

    async def _tried(self, old: Record, new: Record, llm: LLM) -> Record | Rejected:
        """Returns what has passed the eliminations that ask the teacher, with its answer."""
        if self.answer:
            system = new.extra.get("system")
            (answer,) = await llm.answers(
                new.prompt,
                str.strip,
                system=system if isinstance(system, str) else None,
                **self._sampling(),
            )
            new = new.replace(output=answer.text.strip())
            if drop := _of_request("answer", answer) or _says_sorry(new) or _says_nothing(new):
                return Rejected(new, drop)
        if self.judge:
            judged = await self._judged(old, new, llm)
            if judged.value is None or judged.value:
                return Rejected(new, _of_request("judge", judged) or Drop("not_evolved", of=old.id))
        return new

    async def _judged(self, old: Record, new: Record, llm: LLM) -> Answer[bool]:
        texts = _texts(old) | {f"new_{name}": text for name, text in _texts(new).items()}
        sampling = self._sampling()
        if self.temperature is not None:
            sampling |= {"temperature": 0.0}
        (answer,) = await llm.answers(
            fill(self.TEXTS.text("judge", self.prompts), texts),
            _read_verdict,
            schema=self._schema(equal="boolean"),
            **sampling,
        )
        return answer

    def _sampling(self) -> dict[str, Any]:
        return {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
        }

    def _schema(self, **types: str) -> dict[str, Any] | None:
        if not self.json_schema:
            return None
        return {
            "type": "object",
            "properties": {name: {"type": kind} for name, kind in types.items()},
            "required": list(types),
            "additionalProperties": False,
        }

    def _chosen(self, seeds: Sequence[Record], llm: LLM) -> Record | None:
        """Returns the record to evolve, or None if all have been evolved as often as they may be.

        Those of which least has come are taken in turn: at first the seeds, then what came of
        them and the seeds that were eliminated, and so on.
        """
        there = [record for record in seeds if _round_of(record) < self.rounds]
        if not there:
            return None
        came = Counter(_evolution(record).get("of") for record in seeds)
        least = min(came[record.id] for record in there)
        due = [record for record in there if came[record.id] == least]
        others = [record for record in there if came[record.id] > least]
        weight = _DUE * len(due)
        group = due if llm.rng.random() * (weight + len(others)) < weight else others
        turn, at = divmod(llm.ordinal, len(group))
        # A round may end before its turn does; the next must not begin with the same records.
        return group[(at + random.Random(turn).randrange(len(group))) % len(group)]


def _evolution(record: Record) -> Mapping[str, Any]:
    found = record.meta.get("evolution")
    return found if isinstance(found, dict) and isinstance(found.get("of", ""), str) else {}


def _round_of(record: Record) -> int:
    count = _evolution(record).get("round")
    return count if isinstance(count, int) and not isinstance(count, bool) and count > 0 else 0


def _texts(record: Record) -> dict[str, str]:
    return {"instruction": record.instruction, "input": record.input}


def _child(old: Record, operator: str, texts: Mapping[str, str]) -> Record:
    # Who adds nothing to the input may leave it out.
    given = texts.get("input", old.input) if operator != "breadth" else texts.get("input", "")
    return Record.from_parents(
        [old],
        instruction=texts["instruction"],
        input=given,
        extra={key: value for key, value in old.extra.items() if key not in _OLD},
    )


def _read_prompt(text: str, with_input: bool) -> dict[str, str]:
    value = read_json(text)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    names = ("instruction", "input") if with_input else ("instruction",)
    found = {name: value[name] for name in names if name in value}
    for name, each in found.items():
        if not isinstance(each, str):
            raise ValueError(f"{name} is not a text")
    if not found.get("instruction", "").strip():
        near = did_you_mean("instruction", value)
        raise ValueError(f"there is no instruction{near}")
    return {name: each.strip() for name, each in found.items()}


def _read_verdict(text: str) -> bool:
    value = read_json(text)
    equal = value.get("equal") if isinstance(value, dict) else value
    if not isinstance(equal, bool):
        raise ValueError('"equal" is not true or false')
    return equal


def _of_request(name: str, answer: Answer[Any]) -> Drop | None:
    """Returns an answer's own reason, with the name of the request."""
    if answer.drop is None:
        return None
    return Drop(answer.drop.reason, **answer.drop.detail, request=name)


def _leaked(old: Record, new: Record) -> Drop | None:
    before, after = collapse(fold(old.prompt)), collapse(fold(new.prompt))
    for leak in _LEAKS:
        # What the old one says itself is no leak.
        if leak in after and leak not in before:
            return Drop("leaked_prompt", found=leak)
    return None


def _unchanged(old: Record, new: Record) -> Drop | None:
    if collapse(fold(old.prompt)) == collapse(fold(new.prompt)):
        return Drop("not_evolved", of=old.id, score=1.0)
    return None


def _says_sorry(record: Record) -> Drop | None:
    count = len(record.output.split())
    if count < _SORRY_WORDS and _SORRY in fold(record.output):
        return Drop("refused_in_words", found=_SORRY, words=count, below=_SORRY_WORDS)
    return None


def _says_nothing(record: Record) -> Drop | None:
    if _STOP_WORDS.issuperset(words(record.output)):
        return Drop("no_words", chars=len(record.output))
    return None
