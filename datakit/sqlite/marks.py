"""What a query on one database came to, as one letter of the worker's reply.

Used on both sides, so it imports the standard library only.
"""

from __future__ import annotations

SAME = "="
# Right, but not with the rows stored in the opposite order.
LUCKY = "o"
OTHER = "x"
UNTRIED = "-"
# Of a database: the gold query gives two answers on it.
UNSTABLE = "~"

FAULTS = {
    "s": "syntax_error",
    "n": "no_such_column",
    "q": "not_a_query",
    "f": "forbidden",
    "t": "timeout",
    "r": "runtime_error",
}
TIMEOUT = "t"
LETTERS = {reason: letter for letter, reason in FAULTS.items()}
