"""generate.from_documents: questions and answers that a passage of a document proves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta

from datakit.documents import (
    Chunk,
    cut,
    find_files,
    find_quote,
    paragraphs_around,
    plain,
    read_documents,
)
from datakit.errors import InputError
from datakit.files import shown_path
from datakit.fingerprint import content_sha256
from datakit.llm.answers import read_json
from datakit.llm.llm import LLM
from datakit.outcome import Drop, Rejected
from datakit.prompts import Prompts, fill
from datakit.record import Record
from datakit.step import FilePath, FilesPath, Resources, step

_FIELDS = ("question", "answer", "quote")
_SCHEMA = {
    "type": "object",
    "properties": {
        "pairs": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {key: {"type": "string"} for key in _FIELDS},
                "required": list(_FIELDS),
                "additionalProperties": False,
            },
        }
    },
    "required": ["pairs"],
    "additionalProperties": False,
}
_SYSTEM = (
    "You write questions and answers for a training set from documents. You prove each answer by "
    "a quote that is copied exactly."
)
_TOKENS_PER_PAIR = 512
_SHOWN = 300


@step("generate.from_documents")
class FromDocuments:
    """Makes questions and answers from documents, each proved by a quote that is looked up.

    Files are cut into chunks, and each request has one of them, in the order of the files, until
    all had their turn. An answer comes with the span that proves it; a quote that does not stand
    in the chunk makes the pair `ungrounded`, whatever it says. `meta.source` has the file and the
    span's place in the document's text (for HTML and PDF: in the text taken out of it) and the
    pages of a PDF. Records have the documents' licence beside that of the seeds, which are shown as
    examples of the style and are the parents.

    Args:
        path: A file (.md, .txt, .html, .pdf), or a folder with such files, also in its folders.
        chunk_chars: Most characters of a chunk.
        overlap_chars: Most characters that a chunk repeats of the one before; at most half of it.
        per_chunk: Questions asked for in each request.
        min_quote: Least characters of a quote, and of a chunk that is worth a request.
        license: Licence of the documents, an SPDX id or expression; null if it is not known, and
            then that of the records is not known either.
        context: What becomes the `input`: the `chunk`, `quote` for the paragraphs that the quote
            stands in, or `none`; then the questions stand alone.
        examples: Seeds shown in a prompt.
        again: Whether to begin anew when all chunks had their turn.
        temperature: Sampling temperature; null where the model allows none.
        top_p: Share of the probability mass to sample from; null likewise.
        max_tokens: Most tokens of an answer; null: 512 for each question.
        json_schema: Whether a JSON Schema is sent; a server may lack it.
        system: The system prompt.
        prompts: Files of your own for the prompts `with_text` and `without_text` (context: none).
    """

    path: FilesPath
    chunk_chars: Annotated[int, Meta(ge=200)] = 2000
    overlap_chars: Annotated[int, Meta(ge=0)] = 200
    per_chunk: Annotated[int, Meta(ge=1, le=64)] = 3
    min_quote: Annotated[int, Meta(ge=1)] = 20
    license: Annotated[str, Meta(min_length=1)] | None = None
    context: Literal["chunk", "quote", "none"] = "chunk"
    examples: Annotated[int, Meta(ge=1, le=64)] = 2
    again: bool = False
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = 0.7
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    max_tokens: Annotated[int, Meta(ge=16)] | None = None
    json_schema: bool = True
    system: str = _SYSTEM
    prompts: dict[str, FilePath] | None = None

    TEXTS: ClassVar = Prompts(
        "from_documents", with_text={"chunk", "count"}, without_text={"chunk", "count"}
    )

    def __post_init__(self) -> None:
        """Looks for the files; they are read when the first request is planned."""
        if not self.path:
            raise ValueError("path: name a file or a folder")
        if self.overlap_chars > self.chunk_chars // 2:
            raise ValueError(
                f"overlap_chars: must be at most half of chunk_chars, {self.chunk_chars // 2}"
            )
        if self.min_quote > self.chunk_chars:
            raise ValueError(f"min_quote: must be at most chunk_chars, {self.chunk_chars}")
        for key, call in (
            ("path", lambda: find_files(self.path)),
            ("prompts", lambda: self.TEXTS.check(self.prompts)),
        ):
            try:
                call()
            except ValueError as error:
                raise ValueError(f"{key}: {error}") from None

    @property
    def per_request(self) -> int:
        """Records that a request gives, for the plan."""
        return self.per_chunk

    def expected(self, seeds: Sequence[Record], llm: LLM) -> tuple[float, float]:
        """Returns about how many records and requests one call comes to, for a plan."""
        return self.per_chunk, 1

    async def make(
        self, seeds: Sequence[Record], llm: LLM, resources: Resources
    ) -> list[Record | Rejected]:
        """Makes the records of one chunk."""
        chunks = resources.open(
            _chunks, str(self.path), self.chunk_chars, self.overlap_chars, self.min_quote
        )
        if isinstance(chunks, InputError):
            raise chunks
        if llm.ordinal >= len(chunks) and not self.again:
            return []
        chunk = chunks[llm.ordinal % len(chunks)]
        shown = llm.draw(seeds, self.examples)
        values = {
            "chunk": chunk.text,
            "count": str(self.per_chunk),
            "examples": "\n".join(map(_line, shown)),
            "min_quote": str(self.min_quote),
        }
        name = "without_text" if self.context == "none" else "with_text"
        (answer,) = await llm.answers(
            fill(self.TEXTS.text(name, self.prompts), values),
            _read,
            system=self.system,
            schema=_SCHEMA if self.json_schema else None,
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self.max_tokens or _TOKENS_PER_PAIR * self.per_chunk,
        )
        if answer.value:
            return [self._record(item, chunk, shown) for item in answer.value]
        why = answer.drop or Drop("no_question")
        refused = answer.rejected(shown, why).record
        return [Rejected(refused.with_meta(source=self._place(chunk, chunk.start, chunk.end)), why)]

    def _record(self, item: object, chunk: Chunk, shown: Sequence[Record]) -> Record | Rejected:
        texts = _texts(item)
        whole = self._place(chunk, chunk.start, chunk.end)
        if texts is None:
            raw = Record.from_parents(shown, instruction="", output=json.dumps(item))
            return Rejected(
                raw.with_meta(source=whole), Drop("unparsable", message="not a question")
            )
        quote = texts["quote"]
        record = Record.from_parents(
            shown, instruction=texts["question"], output=texts["answer"]
        ).with_meta(source=whole)
        if missing := [key for key in ("question", "answer") if not texts[key]]:
            return Rejected(record, Drop("incomplete", missing=missing[0]))
        if (length := len(plain(quote))) < self.min_quote:
            drop = Drop("short_quote", chars=length, min_quote=self.min_quote, quote=quote)
            return Rejected(record, drop)
        found = find_quote(quote, chunk.text)
        if found is None:
            return Rejected(record, Drop("ungrounded", quote=quote[:_SHOWN], **whole))
        start, end = chunk.start + found[0], chunk.start + found[1]
        exact = {**self._place(chunk, start, end), "quote": chunk.document.text[start:end]}
        return record.replace(input=self._input(chunk, *found)).with_meta(source=exact)

    def _place(self, chunk: Chunk, start: int, end: int) -> dict[str, Any]:
        pages = chunk.document.pages_of(start, end)
        place = {"file": chunk.document.file, "start": start, "end": end}
        return {**place, "license": self.license, **({"pages": pages} if pages else {})}

    def _input(self, chunk: Chunk, start: int, end: int) -> str:
        if self.context == "quote":
            return paragraphs_around(chunk.text, start, end)
        return chunk.text if self.context == "chunk" else ""


def _chunks(path: str, size: int, overlap: int, least: int) -> tuple[Chunk, ...] | InputError:
    """Returns the chunks; or what is wrong, so that it is found once and not by every request."""
    try:
        return _cut_all(path, content_sha256(path), size, overlap, least)
    except InputError as error:
        return error


# A plan and a run read the same documents, and PDFs are slow.
@lru_cache(maxsize=2)
def _cut_all(path: str, sha256: str, size: int, overlap: int, least: int) -> tuple[Chunk, ...]:
    found = [
        chunk
        for document in read_documents(path)
        for chunk in cut(document, size, overlap)
        if len(" ".join(chunk.text.split())) >= least
    ]
    if not found:
        few = f"{shown_path(path)}: no document in it has {least} characters; see min_quote."
        raise InputError(few)
    return tuple(found)


def _line(record: Record) -> str:
    shown = {"question": record.instruction, "answer": record.output}
    return json.dumps(shown, ensure_ascii=False)


def _texts(item: object) -> dict[str, str] | None:
    if not isinstance(item, dict):
        return None
    texts = {key: item.get(key, "") for key in _FIELDS}
    if not all(isinstance(value, str) for value in texts.values()):
        return None
    return {key: value.strip() for key, value in texts.items()}


def _read(text: str) -> list[Any]:
    value = read_json(text)
    found = value.get("pairs") if isinstance(value, dict) else value
    if not isinstance(found, list):
        raise ValueError("there is no list of pairs")
    return found
