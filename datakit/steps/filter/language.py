"""filter.language: keeps the languages that are wanted."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from datakit.language import UNKNOWN, Backend, judged_text, open_detector
from datakit.outcome import Drop
from datakit.record import Record
from datakit.step import FilePath, Resources, step
from datakit.text import clip


@step("filter.language")
class Language:
    """Drops records whose prose is surely in another language.

    One that the model is not sure of is kept, and so is a text of too few letters to tell, unless
    `unknown` says otherwise. Code, which has no language of this kind, is left out.

    Args:
        keep: Languages that are kept, by their ISO 639 codes: `en`, `de`, `zh`.
        min_prob: Lowest probability at which the model is believed.
        fields: Fields that are judged, as one text.
        unknown: What becomes of a text that is too short to tell: `keep`, or `drop` it as
            `unknown_language`.
        backend: `fasttext`, or `lingua`, which is slower, and more exact between few languages.
        among: Of lingua, the languages to choose between; empty means all that it knows.
        model: Of fastText, a language model (.ftz or .bin); empty means lid.176.
    """

    keep: Annotated[tuple[str, ...], Meta(min_length=1)] = ("en",)
    min_prob: Annotated[float, Meta(ge=0, le=1)] = 0.6
    fields: Annotated[tuple[Literal["instruction", "input", "output"], ...], Meta(min_length=1)] = (
        "instruction",
        "input",
    )
    unknown: Literal["keep", "drop"] = "keep"
    backend: Backend = "fasttext"
    among: tuple[str, ...] = ()
    model: FilePath = FilePath("")

    def __post_init__(self) -> None:
        for lang in self.keep:
            if not (lang.isascii() and lang.islower() and 2 <= len(lang) <= 3):
                raise ValueError(f'keep holds language codes such as "en", not "{lang}"')
        if self.among and self.backend != "lingua":
            raise ValueError("among: goes with backend: lingua; fastText chooses between all")
        if self.model and self.backend != "fasttext":
            raise ValueError("model: goes with backend: fasttext; lingua brings its own")
        if self.among and not set(self.keep) <= set(self.among):
            missing = sorted(set(self.keep) - set(self.among))[0]
            raise ValueError(f'among: lacks "{missing}", which keep has')

    def check(self, record: Record, resources: Resources) -> Drop | None:
        """Drops a record in another language."""
        text = judged_text(record, self.fields)
        detector = resources.open(open_detector, self.model, self.backend, self.among)
        lang, prob = detector.detect(text)
        if lang == UNKNOWN and self.unknown == "drop":
            return Drop("unknown_language", keep=list(self.keep), text=clip(text))
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
