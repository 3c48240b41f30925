"""What a study's page is about, where that is not the variants as such."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from datakit.report.markup import Markup

__all__ = ["Angle", "Chapter"]


@dataclass(frozen=True)
class Chapter:
    """A chapter of its own.

    Args:
        id: Of its section.
        title: In the contents.
        body: The section.
    """

    id: str
    title: str
    body: Markup


@dataclass(frozen=True)
class Angle:
    """Sizes, steps or cutoffs: what stands on the first screen, and the chapters before the others.

    Args:
        kind: What the page is: `Ablation`.
        verdicts: In words, the first one largest.
        heading: Of the picture.
        picture: The picture on the first screen.
        chapters: Of its own.
        notes: What holds for all of it, in sentences.
        more: Id of the chapter that has all verdicts.
    """

    kind: str
    verdicts: Sequence[str]
    heading: str
    picture: Markup
    chapters: Sequence[Chapter] = ()
    notes: Sequence[str] = ()
    more: str = "pairs"
