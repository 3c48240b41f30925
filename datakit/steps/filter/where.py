"""filter.where: keeps the records for which an expression is true."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from datakit.outcome import Drop
from datakit.record import Record
from datakit.step import step
from datakit.text import clip

__all__ = ["Where", "number_of"]

_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}
_CONTEXT = (ast.Load, ast.And, ast.Or, ast.Not, ast.USub, ast.Mult)
_FIELDS = ("instruction", "input", "output")
_ALLOWED = (
    'comparisons, "and", "or", "not", "in", "*", numbers, texts in quotes, lists, names, len(...)'
)
_MAX_CHARS = 1_000


@step("filter.where")
class Where:
    """Drops records for which an expression is not true, such as `ifd < 1 and len(output) > 20`.

    A name is a field (`instruction`, `input`, `output`), a measured score, or a key of `meta`. A
    record that lacks it is dropped with the reason `no_score`.

    Args:
        expression: Comparisons, `and`, `or`, `not`, `in`, numbers and their products, texts in
            quotes, lists, names and `len(...)`.
    """

    expression: str

    def __post_init__(self) -> None:
        _parse(self.expression)

    def check(self, record: Record) -> Drop | None:
        """Drops a record for which the expression is not true, with the values it looked at."""
        seen: dict[str, Any] = {}
        try:
            if _value(_parse(self.expression), record, seen):
                return None
        except _MissingError as error:
            return Drop("no_score", expression=self.expression, missing=str(error))
        except TypeError as error:
            message = str(error)
            return Drop("not_comparable", expression=self.expression, values=seen, message=message)
        return Drop("where", expression=self.expression, values=seen)


def number_of(expression: str, record: Record) -> float | None:
    """Returns what an expression such as `ifd` or `len(output)` is of a record.

    Args:
        expression: As `filter.where` takes it.
        record: The record.

    Returns:
        None if the record lacks it, or if it is no finite number.

    Raises:
        ValueError: If the expression is none.
    """
    try:
        value = _value(_parse(expression), record, {})
    except (_MissingError, TypeError):
        return None
    return float(value) if type(value) in (int, float) and math.isfinite(value) else None


class _MissingError(Exception):
    pass


@lru_cache(maxsize=64)
def _parse(text: str) -> ast.expr:
    if len(text) > _MAX_CHARS:
        raise ValueError(f"the expression is longer than {_MAX_CHARS} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        for node in ast.walk(tree):
            _allow(node, text)
    except SyntaxError as error:
        at = f" at character {error.offset}" if error.offset else ""
        raise ValueError(f'"{text}" is not an expression{at}; there are {_ALLOWED}') from None
    except (RecursionError, MemoryError):
        raise ValueError("the expression is nested too deeply") from None
    return tree


def _allow(node: ast.AST, text: str) -> None:
    match node:
        case ast.Call(func=ast.Name(id="len"), args=[_], keywords=[]):
            return
        case ast.Constant(value=str() | int() | float()):
            return
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float())):
            return
        case ast.UnaryOp(op=ast.Not()):
            return
        case ast.BinOp(op=ast.Mult()):
            return
        case ast.BoolOp() | ast.Compare() | ast.Name() | ast.List() | ast.Tuple():
            return
        case _ if isinstance(node, (*_CONTEXT, *_COMPARE)):
            return
    shown = ast.unparse(node) if isinstance(node, ast.expr) else type(node).__name__
    raise ValueError(f'"{shown}" is not allowed in "{text}"; there are {_ALLOWED}')


def _value(node: ast.expr, record: Record, seen: dict[str, Any]) -> Any:  # noqa: ANN401  any JSON
    def of(part: ast.expr) -> Any:  # noqa: ANN401
        return _value(part, record, seen)

    match node:
        case ast.Constant():
            return node.value
        case ast.Name():
            return _look_up(node.id, record, seen)
        case ast.List() | ast.Tuple():
            return [of(part) for part in node.elts]
        case ast.UnaryOp(op=ast.Not()):
            return not of(node.operand)
        case ast.UnaryOp():
            return -of(node.operand)
        case ast.BinOp():
            return _product(of(node.left), of(node.right))
        case ast.BoolOp(op=ast.And()):
            return all(of(part) for part in node.values)
        case ast.BoolOp():
            return any(of(part) for part in node.values)
        case ast.Call():
            length = len(of(node.args[0]))
            seen[ast.unparse(node)] = length
            return length
        case ast.Compare():
            return _compared(node, of)
    raise AssertionError(node)


def _product(left: object, right: object) -> float:
    # A text times a number would be a longer text, of any length.
    if not isinstance(left, int | float) or not isinstance(right, int | float):
        raise TypeError("only numbers can be multiplied")
    try:
        return left * right
    except OverflowError:
        raise TypeError("the product is too large") from None


def _compared(node: ast.Compare, of: Callable[[ast.expr], Any]) -> bool:
    left = of(node.left)
    for sign, part in zip(node.ops, node.comparators, strict=True):
        right = of(part)
        if not _COMPARE[type(sign)](left, right):
            return False
        left = right
    return True


def _look_up(name: str, record: Record, seen: dict[str, Any]) -> Any:  # noqa: ANN401  any JSON
    if name in _FIELDS:
        value = getattr(record, name)
    elif name in record.scores:
        value = record.scores[name]
    elif name in record.meta:
        value = record.meta[name]
    else:
        raise _MissingError(name)
    seen[name] = clip(value) if isinstance(value, str) else value
    return value
