"""Checks one query after another; the worker process does the work."""

from __future__ import annotations

import dataclasses

from datakit.sqlite.client import MESSAGE_CHARS, MIN_MEMORY_MB, Client

MAX_CHARS = 2_000_000
MAX_STEPS = 50_000_000
BACKSTOP_SECONDS = 30.0

_REASONS = frozenset(
    {
        "always_empty", "bad_schema", "forbidden", "no_such_column", "not_a_query",
        "runtime_error", "syntax_error", "timeout",
    }
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What is wrong with one query on one schema.

    Attributes:
        ok: Whether the query runs and finds rows, on its own or on a generated database.
        reason: None if ok, else one of `syntax_error`, `no_such_column` (or table),
            `not_a_query` (not exactly one SELECT, WITH or VALUES), `always_empty`, `timeout`
            (also out of memory, more than `max_rows` rows, and anything past SQLite's size
            limits), `forbidden`, `bad_schema` and `runtime_error` (anything else).
        message: The evidence, SQLite's own message where it has one; at most 300 characters.
        rows: Rows on the record's own database; 0 with ok when only a generated one has rows.
    """

    ok: bool
    reason: str | None
    message: str
    rows: int


class Sandbox(Client):
    """Checks hostile SQL in one worker process, which starts at the first check.

    Safe to share between threads (checks then wait for each other); after a fork the child
    process starts a worker of its own.
    """

    def __init__(
        self,
        max_steps: int = MAX_STEPS,
        memory_mb: int = 256,
        max_rows: int = 10_000,
        variants: int = 4,
        *,
        timeout: float = BACKSTOP_SECONDS,
    ) -> None:
        """Set the limits; nothing is started.

        Args:
            max_steps: Instructions of SQLite's virtual machine for one check, the generated
                databases included. A count, not a time, so that a verdict does not depend on
                how busy the machine is; 50 million take 0.5 to 3 s.
            memory_mb: Mebibytes of address space for the worker, at least 64.
            max_rows: More rows than this are a fault (`timeout`).
            variants: Generated databases on which a query that finds no row is tried.
            timeout: Seconds of wall-clock time after which a worker is killed. Far more than the
                steps take: it is there for what takes time without steps, and is tried twice.

        Raises:
            RuntimeError: This system has no `resource` module (Windows).
            ValueError: A limit is out of range.
        """
        enough = max_steps >= 1 and memory_mb >= MIN_MEMORY_MB and max_rows >= 1 and variants >= 0
        if not (enough and timeout > 0):
            raise ValueError(
                f"want max_steps >= 1, memory_mb >= {MIN_MEMORY_MB}, max_rows >= 1, variants >= 0, "
                f"timeout > 0; got {max_steps}, {memory_mb}, {max_rows}, {variants}, {timeout}"
            )
        settings: dict[str, float | str] = {
            "serve": "judge",
            "steps": max_steps,
            "memory_mb": memory_mb,
            "max_rows": max_rows,
            "variants": variants,
        }
        super().__init__(settings, timeout=timeout)

    def check(self, schema: str, query: str) -> Verdict:
        """Run `schema`, then `query`, in a fresh in-memory database.

        Args:
            schema: CREATE and INSERT statements; may be empty.
            query: One SELECT, WITH or VALUES statement.

        Raises:
            RuntimeError: The worker does not start.
            ValueError: The sandbox is closed.
        """
        if max(len(schema), len(query)) > MAX_CHARS:
            return Verdict(False, "timeout", f"text of more than {MAX_CHARS} characters", 0)
        return _read_verdict(self._request({"schema": schema, "query": query}))


def _read_verdict(answer: dict[str, object]) -> Verdict:
    reason, message, rows = (answer.get(name) for name in ("reason", "message", "rows"))
    # A worker that hostile SQL has taken over may say anything but "ok" in any words.
    if reason is not None and reason not in _REASONS:
        return Verdict(False, "runtime_error", "the worker gave an unknown reason", 0)
    return Verdict(
        ok=reason is None and isinstance(rows, int),
        reason=None if reason is None else str(reason),
        message=str(message)[:MESSAGE_CHARS],
        rows=rows if isinstance(rows, int) else 0,
    )
