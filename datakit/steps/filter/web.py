"""filter.web: rules by which web pages are chosen, for documents."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from datakit.outcome import Drop
from datakit.quality import WEB_RULES
from datakit.record import Record
from datakit.step import step


@step("filter.web")
class Web:
    """Drops documents by the published rules for web pages; not meant for answers.

    Of good instruction data they drop 18 to 100 %: use `filter.quality` there.

    Args:
        rules: `gopher` and `gopher_repetition` (Rae et al. 2021), `c4` (Raffel et al. 2020),
            `fineweb` (Penedo et al. 2024).
        field: The field that has the document.
    """

    rules: Annotated[
        tuple[Literal["gopher", "gopher_repetition", "c4", "fineweb"], ...], Meta(min_length=1)
    ] = ("gopher", "gopher_repetition")
    field: Literal["instruction", "input", "output"] = "output"

    def check(self, record: Record) -> Drop | None:
        """Drops a record at the first rule that its document breaks."""
        text = str(getattr(record, self.field))
        return next((drop for rule in self.rules for drop in WEB_RULES[rule](text)), None)
