"""What a gold query's text tells: the keys of its order, its constants, which columns it compares.

Reads SQL with sqlglot, in this process; nothing here runs any SQL.
"""

from __future__ import annotations

import dataclasses
import logging
import re
from typing import TYPE_CHECKING

from datakit.errors import MissingExtraError

if TYPE_CHECKING:
    from sqlglot import exp

MAX_PARSED_CHARS = 20_000
_LAST_ORDER = re.compile(r"\border\s+by\b[^)]*\Z", re.IGNORECASE)
_CONSTANT = re.compile(r"'([^']{1,200})'|(?<![\w.])(\d{1,15}(?:\.\d{1,15})?)(?![\w.])")

Constant = tuple[str, int | float | str, bool]
Link = tuple[str, str, str, str]


@dataclasses.dataclass(frozen=True)
class Gold:
    """A gold query as the worker is given it.

    Attributes:
        plain: Its text.
        keyed: The same query without LIMIT, its ORDER BY keys added as columns; None where that
            cannot be written, and the order of the rows then counts as it is.
        keys: Positions of the keys in a row of `keyed`, negative from the end.
        extra: Columns at the end of `keyed` that were added.
        skip: The rows that OFFSET takes off.
        ordered: Whether it has an ORDER BY at its top level.
        constants: Column name (or empty), constant, and whether it is a pattern.
        links: Table (or empty), column, table, column that it compares.
    """

    plain: str
    keyed: str | None = None
    keys: tuple[int, ...] = ()
    extra: int = 0
    skip: int = 0
    ordered: bool = False
    constants: tuple[Constant, ...] = ()
    links: tuple[Link, ...] = ()

    def request(self) -> dict[str, object]:
        """Give what the worker reads."""
        hints = {"constants": self.constants, "links": self.links}
        names = ("plain", "keyed", "keys", "extra", "skip", "ordered")
        return {"gold": {name: getattr(self, name) for name in names}, "hints": hints}


def parse(query: str) -> exp.Query | None:
    """Read a query; None where sqlglot does not understand it.

    Raises:
        MissingExtraError: sqlglot is not installed.
    """
    try:
        import sqlglot
        from sqlglot import errors, exp
    except ImportError:
        raise MissingExtraError.of("sqlglot", "sql", "The test suites of SQL queries") from None
    if len(query) > MAX_PARSED_CHARS:
        return None
    # It tells the terminal of statements that it does not know; the caller learns it by None.
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    try:
        tree = sqlglot.parse_one(query, dialect="sqlite")
        if isinstance(tree, exp.Query):
            # What is nested too deep to be written is so here and not later.
            render(tree.copy())
            return tree
    except (errors.SqlglotError, RecursionError, ValueError):
        pass
    return None


def render(tree: exp.Expression) -> str:
    """Write a tree as SQL for SQLite."""
    from sqlglot import errors

    return str(
        tree.sql(dialect="sqlite", comments=False, unsupported_level=errors.ErrorLevel.IGNORE)
    )


def read(query: str, tree: exp.Query | None) -> Gold:
    """Describe a gold query.

    Args:
        query: Its text.
        tree: The same, parsed; None where it could not be.
    """
    if tree is None:
        words = [(one, number) for one, number in _CONSTANT.findall(query[:MAX_PARSED_CHARS])]
        found = [one or (float(number) if "." in number else int(number)) for one, number in words]
        constants = tuple(("", each, False) for each in dict.fromkeys(found))
        return Gold(query, ordered=bool(_LAST_ORDER.search(query)), constants=constants)
    order = tree.args.get("order")
    plain = Gold(query, ordered=order is not None, constants=_constants(tree), links=_links(tree))
    skip = _skip(tree)
    if skip is None:
        return plain
    bare = tree.copy()
    for part in ("limit", "offset"):
        bare.set(part, None)
    terms = order.expressions if order is not None else []
    keys = _key_columns(bare, [term.this for term in terms])
    if keys is None:
        return plain
    positions, added = keys
    if added:
        bare = bare.select(*added, copy=False)
    return dataclasses.replace(
        plain, keyed=render(bare), keys=positions, extra=len(added), skip=skip
    )


def _skip(tree: exp.Query) -> int | None:
    offset = tree.args.get("offset")
    if offset is None:
        return 0
    text = render(offset.expression)
    return int(text) if text.isdigit() else None


def _key_columns(
    tree: exp.Query, terms: list[exp.Expression]
) -> tuple[tuple[int, ...], list[exp.Expression]] | None:
    """Find the keys among the columns, or the expressions to add; None where neither works."""
    from sqlglot import exp

    columns = tree.selects
    starred = any(isinstance(each, exp.Star) or each.is_star for each in columns)
    names = [each.alias_or_name.lower() for each in columns]
    texts = [render(each.unalias()) for each in columns]
    closed = not isinstance(tree, exp.Select) or tree.args.get("distinct") is not None
    places: list[int | None] = []
    added: list[exp.Expression] = []
    for term in terms:
        at = None if starred else _place(term, names, texts)
        if at is None:
            folded = isinstance(term, exp.Collate)
            aliases = {each.alias.lower() for each in columns if each.alias}
            inside = {each.name.lower() for each in term.find_all(exp.Column) if not each.table}
            # SQLite may read an alias here as a column of that name, or the other way round.
            if closed or term.is_number or inside & aliases:
                return None
            added.append(exp.Lower(this=term.this.copy()) if folded else term.copy())
        places.append(at)
    missing = iter(range(-len(added), 0))
    return tuple(next(missing) if at is None else at for at in places), added


def _place(term: exp.Expression, names: list[str], texts: list[str]) -> int | None:
    from sqlglot import exp

    if term.is_int:
        at = int(term.name) - 1
        return at if 0 <= at < len(names) else None
    if isinstance(term, exp.Column) and not term.table and names.count(term.name.lower()) == 1:
        return names.index(term.name.lower())
    text = render(term)
    return texts.index(text) if text in texts else None


def _constants(tree: exp.Query) -> tuple[Constant, ...]:
    from sqlglot import exp

    found: list[Constant] = []
    for literal in tree.find_all(exp.Literal):
        value = _value(literal)
        if value is None or literal.find_ancestor(exp.Limit, exp.Offset, exp.Order):
            continue
        around = literal.find_ancestor(exp.Predicate, exp.Case, exp.Func, exp.Select)
        columns = {each.name for each in around.find_all(exp.Column)} if around else set()
        if around is None or isinstance(around, exp.Select):
            columns = set()
        pattern = isinstance(around, exp.Like | exp.ILike | exp.Glob)
        found += [(name, value, pattern) for name in sorted(columns) or [""]]
    return tuple(dict.fromkeys(found))


def _value(literal: exp.Literal) -> int | float | str | None:
    text = str(literal.this)
    if literal.is_string:
        return text[:200]
    try:
        value = int(text) if text.isdigit() else float(text)
    except ValueError:
        return None
    value = -value if literal.parent is not None and literal.parent.key == "neg" else value
    return value if abs(value) < 2**62 else None


def _links(tree: exp.Query) -> tuple[Link, ...]:
    from sqlglot import exp

    tables = {
        each.alias_or_name.lower(): each.name for each in tree.find_all(exp.Table) if each.name
    }

    def place(column: exp.Expression) -> tuple[str, str]:
        named = column.args.get("table")
        return (tables.get(named.name.lower(), "") if named is not None else ""), column.name

    found: list[Link] = []
    for each in tree.find_all(exp.Binary):
        if isinstance(each, exp.Predicate):
            one, other = _column(each.this), _column(each.expression)
            if one is not None and other is not None:
                found.append((*place(one), *place(other)))
    for inside in tree.find_all(exp.In):
        query = inside.args.get("query")
        one = _column(inside.this)
        other = _column(query) if query is not None else None
        if one is not None and other is not None:
            found.append((*place(one), *place(other)))
    for pair in tree.find_all(exp.SetOperation):
        for one, other in zip(pair.left.selects, pair.right.selects, strict=False):
            ours, theirs = _column(one), _column(other)
            if ours is not None and theirs is not None:
                found.append((*place(ours), *place(theirs)))
    return tuple(dict.fromkeys(found))


def _column(node: exp.Expression | None) -> exp.Column | None:
    """Give the one column in an expression, such as that of MAX(day); None if there are more."""
    from sqlglot import exp

    if isinstance(node, exp.Subquery):
        node = node.this
    if isinstance(node, exp.Select):
        node = node.selects[0] if len(node.selects) == 1 else None
    found = [] if node is None else list(node.find_all(exp.Column))
    return found[0] if len({render(each) for each in found}) == 1 else None
