"""filter.length: drops what is too short or too long."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta

from datakit.counting import open_counter
from datakit.outcome import Drop
from datakit.record import Record
from datakit.step import FileRef, Resources, step
from datakit.text import words

Least = Annotated[int, Meta(ge=0)] | None
Most = Annotated[int, Meta(ge=1)] | None


@step("filter.length")
class Length:
    """Drops records with a field that is shorter or longer than asked.

    Args:
        min_chars: Fewest characters, after stripping.
        max_chars: Most characters, after stripping.
        min_words: Fewest words; of scripts without spaces a run of letters is one.
        max_words: Most words.
        min_tokens: Fewest tokens of the tokenizer.
        max_tokens: Most tokens of the tokenizer.
        tokenizer: Whose tokens are counted: a hub id, a folder with a `tokenizer.json`, or that
            file. It must be named if tokens are asked for.
        fields: Fields that are measured, each on its own.
    """

    min_chars: Annotated[int, Meta(ge=0)] = 1
    max_chars: Annotated[int, Meta(ge=1)] = 8_000
    min_words: Least = None
    max_words: Most = None
    min_tokens: Least = None
    max_tokens: Most = None
    tokenizer: FileRef = FileRef("")
    fields: Annotated[tuple[Literal["instruction", "input", "output"], ...], Meta(min_length=1)] = (
        "output",
    )

    def __post_init__(self) -> None:
        for unit in ("chars", "words", "tokens"):
            least, most = getattr(self, f"min_{unit}"), getattr(self, f"max_{unit}")
            if least is not None and most is not None and least > most:
                raise ValueError(f"min_{unit} ({least}) is over max_{unit} ({most})")
        if (self.min_tokens is not None or self.max_tokens is not None) and not self.tokenizer:
            raise ValueError("tokenizer: name one, such as gpt2 or a folder; tokens are its own")

    def check(self, record: Record, resources: Resources | None = None) -> Drop | None:
        """Drops a record whose field is out of range."""
        resources = resources or Resources()
        for field in self.fields:
            for unit, count in self._measures(getattr(record, field).strip(), resources):
                least, most = getattr(self, f"min_{unit}"), getattr(self, f"max_{unit}")
                if least is not None and count < least:
                    return Drop("too_short", field=field, **{unit: count, f"min_{unit}": least})
                if most is not None and count > most:
                    return Drop("too_long", field=field, **{unit: count, f"max_{unit}": most})
        return None

    def _measures(self, text: str, resources: Resources) -> Iterator[tuple[str, int]]:
        yield "chars", len(text)
        if self.min_words is not None or self.max_words is not None:
            yield "words", len(words(text))
        if self.min_tokens is not None or self.max_tokens is not None:
            yield "tokens", resources.open(open_counter, self.tokenizer)(text)
