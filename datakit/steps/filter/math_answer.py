"""filter.math_answer: keeps answers whose result is the right one, as mathematics has it."""

from __future__ import annotations

import threading
from typing import Annotated, Any

from msgspec import Meta

from datakit.errors import MissingExtraError
from datakit.numbers import final
from datakit.outcome import Drop
from datakit.record import Record
from datakit.step import step
from datakit.text import clip


@step("filter.math_answer")
class MathAnswer:
    """Drops records whose output does not come to the right result: 1/2 is 0.5, x + 1 is 1 + x.

    Results are read and compared by math-verify (https://github.com/huggingface/Math-Verify): the
    last box, what follows `####`, or the last expression.

    Args:
        reference: Where the right answer is: `input`, or a key of the record or of its `meta`.
        seconds: Time after which a comparison is given up; what it hangs on is no answer.
    """

    reference: str = "reference"
    seconds: Annotated[int, Meta(ge=1)] = 5

    def check(self, record: Record) -> Drop | None:
        """Drops a record with another result, or with none."""
        wanted = _text(record, self.reference)
        if not wanted.strip():
            return Drop("no_reference", key=self.reference)
        right = self._parsed(wanted)
        if not right:
            return Drop("no_reference", key=self.reference, text=clip(wanted))
        found = self._parsed(record.output)
        if not found:
            return Drop("no_result", expected=clip(final(wanted)))
        if self._equal(right, found):
            return None
        return Drop("wrong_result", found=clip(str(found[0])), expected=clip(final(wanted)))

    def _parsed(self, text: str) -> list[Any]:
        # Behind the mark of GSM8K is the result and nothing else.
        result = final(text) if "####" in text else text
        parsed: list[Any] = _library().parse(result, parsing_timeout=self._time())
        return parsed

    def _equal(self, right: list[Any], found: list[Any]) -> bool:
        return bool(_library().verify(right, found, timeout_seconds=self._time()))

    def _time(self) -> int | None:
        # It is kept by a signal, which only the main thread can be sent.
        return self.seconds if threading.current_thread() is threading.main_thread() else None


def _library() -> Any:  # noqa: ANN401  the package's types are not the interpreter's
    try:
        import math_verify
    except ImportError:
        raise MissingExtraError.of("math-verify", "math", "filter.math_answer") from None
    return math_verify


def _text(record: Record, key: str) -> str:
    value: Any = record.input if key == "input" else record.extra.get(key, record.meta.get(key, ""))
    return str(value) if isinstance(value, str | int | float) else ""
