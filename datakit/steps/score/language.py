"""score.language: which language a record is in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta

from datakit.language import Backend, judged_text, open_detector
from datakit.record import Record
from datakit.step import FilePath, Resources, step


@step("score.language")
class Language:
    """Adds `lang`, the language of the prose in some fields, and `lang_prob`, its probability.

    `lang` is `und` where there are too few letters to tell. Code, which has no language of this
    kind, is left out.

    Args:
        fields: Fields that are judged, as one text.
        backend: `fasttext`, or `lingua`; as for `filter.language`.
        among: Of lingua, the languages to choose between; empty means all that it knows.
        model: Of fastText, a language model (.ftz or .bin); empty means lid.176.
    """

    fields: Annotated[tuple[Literal["instruction", "input", "output"], ...], Meta(min_length=1)] = (
        "instruction",
        "input",
    )
    backend: Backend = "fasttext"
    among: tuple[str, ...] = ()
    model: FilePath = FilePath("")

    def score(self, records: Sequence[Record], resources: Resources) -> list[dict[str, Any]]:
        """Returns `lang` and `lang_prob` of each record."""
        detector = resources.open(open_detector, self.model, self.backend, self.among)
        found = (detector.detect(judged_text(record, self.fields)) for record in records)
        return [{"lang": lang, "lang_prob": round(prob, 4)} for lang, prob in found]
