"""filter.python_tests: keeps Python code that passes its tests, run in a jail."""

from __future__ import annotations

import re
from typing import Annotated, Any

from msgspec import Meta

from datakit.jail import jail_missing, open_jail
from datakit.outcome import Drop
from datakit.record import Record
from datakit.step import Resources, step
from datakit.text import clip

_FENCED = re.compile(r"^[ \t]*```[ \t]*(\w*)[^\n]*\n(.*?)^[ \t]*```", re.DOTALL | re.MULTILINE)
_PYTHON = ("", "py", "python", "python3")


@step("filter.python_tests")
class PythonTests:
    """Drops records whose output is not Python that passes its tests.

    Code and tests run in one namespace, in a jail of bubblewrap: without network, without the
    machine's files, with limits on time, memory and processes. Without bubblewrap nothing is run,
    and the pipeline is refused. Of an output with code fences those for Python count. The standard
    library alone is there. A program that is made to cheat its tests can do so; one that fails
    them by accident is found.

    Args:
        tests: Where the tests are: `input`, or a key of the record or of its `meta`, with a text or
            a list of texts (`assert f(1) == 2`).
        setup: A key with code that runs before, such as imports; a record may lack it.
        seconds: Processor time of one record.
        memory_mb: Mebibytes of address space of one record.
    """

    tests: str = "tests"
    setup: str = "setup"
    seconds: Annotated[int, Meta(ge=1, le=600)] = 5
    memory_mb: Annotated[int, Meta(ge=64)] = 512

    def __post_init__(self) -> None:
        if missing := jail_missing():
            raise ValueError(f"runs code that nobody has read, and only in bubblewrap; {missing}")

    def check(self, record: Record, resources: Resources) -> Drop | None:
        """Drops a record whose code fails, with the exception."""
        tests = _text(record, self.tests)
        if not tests.strip():
            return Drop("no_tests", key=self.tests)
        code = _code(record.output)
        if not code.strip():
            return Drop("no_code", text=clip(record.output))
        parts = [("setup", _text(record, self.setup)), ("code", code), ("tests", tests)]
        ran = resources.open(open_jail, self.seconds, self.memory_mb).run(parts)
        if not ran.reason:
            return None
        reason = "tests_failed" if (ran.reason, ran.part) == ("raised", "tests") else ran.reason
        return Drop(
            f"code_{reason}" if reason != "tests_failed" else reason,
            part=ran.part,
            message=clip(ran.message),
        )


def _text(record: Record, key: str) -> str:
    value: Any = record.input if key == "input" else record.extra.get(key, record.meta.get(key, ""))
    if isinstance(value, list):
        return "\n".join(str(each) for each in value)
    return value if isinstance(value, str) else ""


def _code(output: str) -> str:
    if "```" not in output:
        return output
    return "\n".join(text for name, text in _FENCED.findall(output) if name.lower() in _PYTHON)
