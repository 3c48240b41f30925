"""contamination.paraphrase: drops records that a teacher says are a benchmark's item reworded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from msgspec import Meta

from datakit.benchmark import check_against, open_nearest, question
from datakit.embedding import DEFAULT_MODEL
from datakit.judge.texts import question_of
from datakit.llm.answers import read_json
from datakit.llm.llm import LLM
from datakit.outcome import Drop
from datakit.overlap import Item
from datakit.prompts import Prompts, fill
from datakit.record import Record
from datakit.step import DataRef, FilePath, FileRef, Resources, step
from datakit.text import clip

_CLIPPED = 500


@step("contamination.paraphrase")
class Paraphrase:
    """Drops records that a teacher says are a benchmark's item in other words.

    A paraphrase or a translation shares no run of words with its item, so `contamination.by_length`
    cannot see it, and no cosine tells a rewording from a question of the same kind. So the nearest
    items are found by their embeddings, and the teacher decides on those (Yang et al. 2023,
    https://arxiv.org/abs/2311.04850). Put it after the other contamination step, which costs
    nothing, and name a teacher that can do it: the embedded model says it of every second question,
    whatever it is. Of ten reworded items of GSM8K all were the nearest, of four with other names
    and numbers one (`python -m tests.benchmarks.contamination.rephrased`).

    Records get the score `nearest_item`, the cosine of the nearest item. A record that is nearer
    than `floor` to none costs no request. One whose verdict could not be had is dropped: `refused`,
    `cut_short` or `unparsable`.

    Args:
        against: Benchmarks with their texts: files of items, hub datasets (`owner/name`), versions,
            or names, which are fetched from the hub.
        count: Items that the teacher is asked about, for each record: the nearest ones.
        floor: Lowest cosine that the teacher is asked about.
        model: The embedding model; for translations one of several languages, such as
            `sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2`.
        temperature: Sampling temperature; null where the model allows none.
        max_tokens: Most tokens of a verdict with its reason.
        json_schema: Whether a JSON Schema is sent; a server may lack it.
        prompts: A file with a text of your own, as `same`, with the places {question} and {item}.
    """

    against: Annotated[tuple[DataRef, ...], Meta(min_length=1)]
    count: Annotated[int, Meta(ge=1, le=20)] = 1
    floor: Annotated[float, Meta(ge=-1, le=1)] = 0.5
    model: FileRef = FileRef(DEFAULT_MODEL)
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = 0.0
    max_tokens: Annotated[int, Meta(ge=16)] = 512
    json_schema: bool = True
    prompts: dict[str, FilePath] | None = None

    TEXTS: ClassVar[Prompts] = Prompts("paraphrase", same={"question", "item"})

    def __post_init__(self) -> None:
        check_against(self.against)
        try:
            self.TEXTS.check(self.prompts)
        except ValueError as error:
            raise ValueError(f"prompts: {error}") from None

    async def score(
        self, records: Sequence[Record], llm: LLM, resources: Resources
    ) -> list[dict[str, Any] | Drop]:
        """Returns the cosine of the nearest item, or the drop of a record that rewords one."""
        (record,) = records
        nearest = resources.open(open_nearest, self.model, *self.against)
        asked = question_of(record)
        found = nearest.of(asked, self.count)
        for item, cosine in found:
            if cosine < self.floor:
                break
            verdict = await self._same(llm, asked, question(item))
            if isinstance(verdict, Drop):
                return [verdict]
            if verdict[0]:
                return [_drop(item, cosine, verdict[1])]
        return [{"nearest_item": round(found[0][1], 4)}]

    async def _same(self, llm: LLM, asked: str, item: str) -> tuple[bool, str] | Drop:
        (answer,) = await llm.answers(
            fill(self.TEXTS.text("same", self.prompts), {"question": asked, "item": item}),
            _read,
            schema=_SCHEMA if self.json_schema else None,
            temperature=self.temperature,
            max_tokens=self.max_tokens,
        )
        if answer.value is None:
            return answer.drop or Drop("unparsable")
        return answer.value


def _drop(item: Item, cosine: float, why: str) -> Drop:
    return Drop(
        "contaminated",
        of=item.name,
        score=round(cosine, 4),
        side="question",
        rule="paraphrase",
        item=clip(question(item), _CLIPPED),
        why=clip(why, _CLIPPED),
    )


_SCHEMA = {
    "type": "object",
    # Servers that keep to a schema write the keys in its order.
    "properties": {"reason": {"type": "string"}, "same": {"type": "boolean"}},
    "required": ["reason", "same"],
    "additionalProperties": False,
}


def _read(text: str) -> tuple[bool, str]:
    value: Any = read_json(text)
    same = value.get("same") if isinstance(value, dict) else None
    if not isinstance(same, bool):
        raise ValueError('"same" is neither true nor false')
    return same, str(value.get("reason", ""))
