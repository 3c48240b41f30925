"""filter.quality: drops answers that are broken whatever the question."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from datakit.outcome import Drop
from datakit.quality import faults
from datakit.record import Record
from datakit.step import step


@step("filter.quality")
class Quality:
    """Drops answers that are broken whatever was asked: empty, refused, looping, leaked, cut short.

    Rules for web pages (`filter.web`) drop 18 to 100 % of good short answers; these drop under 1 %.

    Args:
        max_repeated: Largest share of the words that stand in a run of 8 words that occurs 3
            times; 1 turns it off. Above it: `repetitive`.
        min_alnum: Smallest share of letters and digits among the visible characters of an output
            of 20 and more; 0 turns it off. Below it: `low_alnum`.
        refusals: Drop answers that open with a refusal, in any of a dozen languages: `refusal`.
        disclaimers: Drop answers that open by saying that a machine gives them: `disclaimer`.
        echoes: Drop answers that only repeat the instruction or the input: `echo`.
        leaks: Drop what has the marks of a prompt template: `template_leak`.
        cut_short: Drop answers with a code fence that is not closed, or with a `finish_reason`
            that says so: `cut_short`. An answer without a full stop is none.
        placeholders: Drop answers such as `N/A` or `[your answer here]`: `placeholder`.
        mojibake: Drop answers that were decoded wrongly, such as `schÃ¶n`: `mojibake`.
    """

    max_repeated: Annotated[float, Meta(ge=0, le=1)] = 0.3
    min_alnum: Annotated[float, Meta(ge=0, le=1)] = 0.1
    refusals: bool = True
    disclaimers: bool = True
    echoes: bool = True
    leaks: bool = True
    cut_short: bool = True
    placeholders: bool = True
    mojibake: bool = True

    def check(self, record: Record) -> Drop | None:
        """Drops a record at the first fault that is found."""
        asked = {
            "refusal": self.refusals,
            "disclaimer": self.disclaimers,
            "echo": self.echoes,
            "template_leak": self.leaks,
            "cut_short": self.cut_short,
            "placeholder": self.placeholders,
            "mojibake": self.mojibake,
        }
        for fault, amount in faults(record):
            if fault.reason == "repetitive":
                if amount > self.max_repeated:
                    return Drop(fault.reason, **fault.detail, max_repeated=self.max_repeated)
            elif fault.reason == "low_alnum":
                if 1 - amount < self.min_alnum:
                    return Drop(fault.reason, **fault.detail, min_alnum=self.min_alnum)
            elif asked.get(fault.reason, True):
                return fault
        return None
