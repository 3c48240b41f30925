"""Mutants of a gold query: small changes, each of which makes another query.

The operators are those of mutation testing for SQL (Tuya, Suárez-Cabal, de la Riva 2007), as Zhong,
Yu and Klein (2020, arXiv 2010.02840) use their like to distil test suites. A mutant that no
database tells from the gold query may mean the same; one that a database tells apart is a mistake
that a model can no longer make unseen.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from datakit.sqlite.gold import render

if TYPE_CHECKING:
    from sqlglot import exp

MAX_MUTANTS = 120
MAX_SWAPS = 2
# Each mutant takes a copy of the tree.
MAX_NODES = 1_500

_Item = TypeVar("_Item")

# Lower-case table name to pairs of a column's name and kind.
Columns = Mapping[str, Sequence[tuple[str, str]]]
_Operator = Callable[["exp.Expression", Columns], Iterator["exp.Expression | None"]]

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_COMPARED = {
    "lt": ("lte", "gte", "eq"),
    "lte": ("lt", "gt", "eq"),
    "gt": ("gte", "lte", "eq"),
    "gte": ("gt", "lt", "eq"),
    "eq": ("neq", "lte", "gte"),
    "neq": ("eq", "lt", "gt"),
}
_EXCHANGED = {
    "add": ("sub",), "sub": ("add",), "mul": ("div",), "div": ("mul",),
    "and": ("or",), "or": ("and",),
    "sum": ("avg", "max", "count"), "avg": ("sum", "max"), "min": ("max",), "max": ("min",),
    "union": ("intersect", "except"), "intersect": ("union", "except"),
    "except": ("union", "intersect"),
    "rank": ("denserank", "rownumber"), "denserank": ("rank", "rownumber"),
    "rownumber": ("rank", "denserank"), "lag": ("lead",), "lead": ("lag",),
    "firstvalue": ("lastvalue",), "lastvalue": ("firstvalue",), "upper": ("lower",),
    "lower": ("upper",),
}  # fmt: skip
_NEGATED = ("is", "in", "like", "glob", "between", "exists")
_WRAPPERS = (
    "coalesce", "round", "cast", "upper", "lower", "abs", "trim", "not", "neg", "replace",
)  # fmt: skip


def mutate(tree: exp.Query, columns: Columns) -> list[str]:
    """Write the mutants of a query, at most `MAX_MUTANTS` of them, spread evenly if there are more.

    Args:
        tree: The query.
        columns: The columns of each table, to exchange those of one kind.

    Returns:
        Different texts, none of them the query's own; some may not run. None for a query of more
        than `MAX_NODES` nodes.
    """
    nodes = list(tree.walk())
    if len(nodes) > MAX_NODES:
        return []
    changes = [
        (at, changed)
        for at, node in enumerate(nodes)
        for operator in _OPERATORS
        for changed in operator(node, columns)
    ]
    # Twice as many as asked for, as some come out the same.
    found = dict.fromkeys(_put(tree, *each) for each in _spread(changes, 2 * MAX_MUTANTS))
    found.pop(render(tree), None)
    return _spread(list(found), MAX_MUTANTS)


def _spread(listed: list[_Item], most: int) -> list[_Item]:
    if len(listed) <= most:
        return listed
    return [listed[at * len(listed) // most] for at in range(most)]


def _put(tree: exp.Query, at: int, changed: exp.Expression | None) -> str:
    """Write the tree with its node number `at` changed; None takes it out."""
    copy = tree.copy()
    node = next(each for number, each in enumerate(copy.walk()) if number == at)
    if changed is None:
        node.pop()
    elif node is copy:
        return render(changed)
    else:
        node.replace(changed)
    return render(copy)


def _with(node: exp.Expression, **parts: object) -> exp.Expression:
    copy = node.copy()
    for name, part in parts.items():
        copy.set(name, part)
    return copy


def _as(node: exp.Expression, key: str) -> exp.Expression:
    from sqlglot import exp

    kinds = {kind.key: kind for kind in vars(exp).values() if hasattr(kind, "key")}
    return kinds[key](**node.copy().args)


def _compare(node: exp.Expression, _: Columns) -> Iterator[exp.Expression]:
    for key in _COMPARED.get(node.key, ()):
        yield _as(node, key)


def _exchange(node: exp.Expression, _: Columns) -> Iterator[exp.Expression]:
    for key in _EXCHANGED.get(node.key, ()):
        changed = _as(node, key)
        if key in ("intersect", "except"):
            changed.set("distinct", True)
        yield changed


def _constant(node: exp.Expression, _: Columns) -> Iterator[exp.Expression]:
    from sqlglot import exp

    if not isinstance(node, exp.Literal) or node.find_ancestor(exp.Order):
        return
    text = str(node.this)
    if not node.is_string:
        whole = text.isdigit()
        value = int(text) if whole else float(text)
        for moved in (value + 1, value - 1):
            yield exp.Literal.number(moved)
    elif isinstance(node.parent, exp.Like | exp.Glob):
        sign = "%" if isinstance(node.parent, exp.Like) else "*"
        bare = text.strip(sign)
        for each in (bare, bare + sign, sign + bare, sign + bare + sign):
            yield exp.Literal.string(each)
    elif _DATE.match(text):
        for days in (1, -1):
            yield exp.Literal.string(_move(text, days))
    elif "%" not in text:
        for each in (text.swapcase(), text[:-1], text + " "):
            yield exp.Literal.string(each)


def _move(text: str, days: int) -> str:
    try:
        day = datetime.date.fromisoformat(text[:10]) + datetime.timedelta(days)
    except (ValueError, OverflowError):
        return text + "x"
    return day.isoformat() + text[10:]


def _drop(node: exp.Expression, _: Columns) -> Iterator[exp.Expression | None]:
    """One side of a condition, a clause, a term of a list, or what a function does."""
    from sqlglot import exp

    if isinstance(node, exp.And | exp.Or):
        yield node.this.copy()
        yield node.expression.copy()
    if isinstance(node, exp.Where | exp.Having | exp.Group | exp.Order | exp.Limit | exp.Offset):
        yield None
    if isinstance(node, exp.Group | exp.Order | exp.In | exp.Coalesce):
        terms = node.expressions
        for at in range(len(terms) if len(terms) > 1 else 0):
            left = [each.copy() for number, each in enumerate(terms) if number != at]
            yield _with(node, expressions=left)
    if node.key in _WRAPPERS and isinstance(node.this, exp.Expression):
        yield node.this.copy()
    if isinstance(node, exp.Window) and node.args.get("partition_by"):
        yield _with(node, partition_by=None)
    if isinstance(node, exp.Case):
        if node.args.get("default") is not None:
            yield _with(node, default=None)
        for branch in node.args["ifs"] if len(node.args["ifs"]) > 1 else []:
            left = [each.copy() for each in node.args["ifs"] if each is not branch]
            yield _with(node, ifs=left)


def _negate(node: exp.Expression, _: Columns) -> Iterator[exp.Expression]:
    from sqlglot import exp

    if node.key in _NEGATED and not isinstance(node.parent, exp.Not):
        yield exp.Not(this=node.copy())
    if isinstance(node, exp.Between):
        low, high = node.args["low"], node.args["high"]
        for first, second in ((exp.GT, exp.LTE), (exp.GTE, exp.LT)):
            above = first(this=node.this.copy(), expression=low.copy())
            below = second(this=node.this.copy(), expression=high.copy())
            yield exp.Paren(this=exp.And(this=above, expression=below))
    if node.key in _COMPARED and isinstance(node.this, exp.Column):
        # As if NULL were a value that fits.
        empty = exp.Is(this=node.this.copy(), expression=exp.Null())
        yield exp.Paren(this=exp.Or(this=node.copy(), expression=empty))


def _repeat(node: exp.Expression, _: Columns) -> Iterator[exp.Expression]:
    """DISTINCT, UNION ALL, and what COUNT counts."""
    from sqlglot import exp

    if isinstance(node, exp.Select):
        yield _with(node, distinct=None if node.args.get("distinct") else exp.Distinct())
    if isinstance(node, exp.Union):
        yield _with(node, distinct=not node.args.get("distinct"))
    if isinstance(node, exp.Count | exp.Sum | exp.Avg):
        inside = node.this
        if isinstance(inside, exp.Distinct):
            yield _with(node, this=inside.expressions[0].copy())
        elif isinstance(inside, exp.Star):
            query = node.find_ancestor(exp.Select)
            seen = {render(each): each for each in query.find_all(exp.Column)} if query else {}
            for column in list(seen.values())[: MAX_SWAPS * 2]:
                yield _with(node, this=column.copy())
        else:
            yield _with(node, this=exp.Distinct(expressions=[inside.copy()]))
    if isinstance(node, exp.Count) and not isinstance(node.this, exp.Star):
        yield _with(node, this=exp.Star())


def _join(node: exp.Expression, _: Columns) -> Iterator[exp.Expression]:
    from sqlglot import exp

    if isinstance(node, exp.Join) and (node.args.get("on") or node.args.get("using")):
        if node.side:
            yield _with(node, side=None, kind=None)
        else:
            yield _with(node, side="LEFT", kind=None)


def _order(node: exp.Expression, _: Columns) -> Iterator[exp.Expression]:
    from sqlglot import exp

    if isinstance(node, exp.Ordered):
        # Said outright, sqlglot would keep the place of NULLs.
        yield exp.Ordered(
            this=node.this.copy(), desc=not node.args.get("desc"), nulls_first=node.args.get("desc")
        )


def _swap(node: exp.Expression, columns: Columns) -> Iterator[exp.Expression]:
    """Another column of the same kind, or the same column of another table in a join."""
    from sqlglot import exp

    if not isinstance(node, exp.Column) or isinstance(node.this, exp.Star):
        return
    query = node.find_ancestor(exp.Select)
    if query is None:
        return
    tables = {each.alias_or_name.lower(): each.name.lower() for each in query.find_all(exp.Table)}
    mine = [tables.get(node.table.lower(), "")] if node.table else list(tables.values())
    near: dict[str, None] = {}
    for table in mine:
        known = {name.lower(): kind for name, kind in columns.get(table, ())}
        kind = known.get(node.name.lower())
        near |= dict.fromkeys(
            name for name, other in columns.get(table, ()) if kind and _alike(kind, other)
        )
    others = [name for name in near if name.lower() != node.name.lower()]
    for name in others[:MAX_SWAPS]:
        yield _with(node, this=exp.to_identifier(name))
    for alias, table in tables.items() if node.table else ():
        has = any(name.lower() == node.name.lower() for name, _ in columns.get(table, ()))
        if has and alias != node.table.lower():
            yield _with(node, table=exp.to_identifier(alias))


def _alike(one: str, other: str) -> bool:
    numbers, texts = ("int", "real", "bool"), ("text", "date")
    return one == other or {one, other} <= set(numbers) or {one, other} <= set(texts)


_OPERATORS: tuple[_Operator, ...] = (
    _compare, _exchange, _constant, _drop, _negate, _repeat, _join, _order, _swap,
)  # fmt: skip
