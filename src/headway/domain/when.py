"""The `when` language: `branch == 'main' and changed('src/**')`. Read by Python's own parser, never evaluated by it.

An expression is a small tree of frozen values; `pipeline.when` says whether it holds and why. Grammar in words:

    names      branch, tag (text; empty where there is none), dirty (true or false)
    functions  changed('GLOB', …)          true when one of the commit's files is taken in by a glob
               matches(TEXT, 'GLOB', …)    true when the text is taken in by a glob, as in matches(tag, 'v*')
    literals   'text', True, False, ('a', 'b'), ['a', 'b']
    operators  ==  !=  in  not in  and  or  not  ( )
"""

import ast
import difflib
import warnings
from dataclasses import dataclass
from typing import Literal, TypeAlias

from headway.base.globs import Unreadable, read_rule

#: Characters; a longer condition belongs into a script.
LONGEST = 1000
#: Levels of the tree.
DEEPEST = 30

_TEXTS = ("branch", "tag")
_FLAGS = ("dirty",)
NAMES = (*_TEXTS, *_FLAGS)
FUNCTIONS = ("changed", "matches")
_OPERATORS = "==, !=, in, not in, and, or, not"
_ALLOWED = f"{', '.join(NAMES)}, changed('glob'), matches(tag, 'glob'), 'text', True, False and {_OPERATORS}"


class WhenInvalid(ValueError):
    """A condition that cannot be read. `column` counts characters from 1; `allowed` says what may stand there.

    `near` is the word that was probably meant.
    """

    def __init__(self, message: str, column: int, allowed: str = _ALLOWED, near: str | None = None) -> None:
        self.message = f"{message}; did you mean '{near}'?" if near else f"{message}; allowed: {allowed}"
        super().__init__(f"{self.message} (at character {column})")
        self.column = column
        self.allowed = allowed
        self.near = near


@dataclass(frozen=True, slots=True)
class Text:
    value: str


@dataclass(frozen=True, slots=True)
class Flag:
    value: bool


@dataclass(frozen=True, slots=True)
class Name:
    """`branch`, `tag` or `dirty`."""

    name: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """`==` and `!=` of two texts or two flags; `in` of a text in a text or among texts."""

    left: "Expression"
    operator: Literal["==", "!=", "in", "not in"]
    right: "Expression | tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Changed:
    globs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Matches:
    text: "Expression"
    globs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Not:
    operand: "Expression"


@dataclass(frozen=True, slots=True)
class Joined:
    operator: Literal["and", "or"]
    operands: "tuple[Expression, ...]"


Expression: TypeAlias = Text | Flag | Name | Comparison | Changed | Matches | Not | Joined
Kind: TypeAlias = Literal["text", "flag"]


def parse_when(text: str) -> Expression:
    """The condition that `text` writes down; it always yields true or false.

    Raises WhenInvalid with the column and what is allowed.
    """
    if len(text) > LONGEST:
        raise WhenInvalid(f"the condition is longer than {LONGEST} characters", LONGEST, f"up to {LONGEST}")
    for column, character in enumerate(text, 1):
        if character in "\\#" or not character.isprintable():
            raise WhenInvalid(f"found {character!r}", column, f"one line without {character!r}")
    stripped = text.lstrip()
    reader = _Reader(stripped, len(text) - len(stripped))
    tree = reader.tree()
    return reader.condition(tree, 0)


class _Reader:
    def __init__(self, text: str, indent: int) -> None:
        self.text = text
        self.indent = indent

    def tree(self) -> ast.expr:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                return ast.parse(self.text, mode="eval").body
        except SyntaxError as error:
            column = max(1, min(error.offset or 1, len(self.text) + 1))
            near = "==" if self.text[column - 1 : column] == "=" else None
            raise WhenInvalid("the condition cannot be read", self.indent + column, near=near) from None
        except (ValueError, MemoryError, RecursionError):
            raise WhenInvalid("the condition cannot be read", self.indent + 1) from None

    def wrong(
        self, message: str, node: ast.AST, allowed: str = _ALLOWED, near: list[str] | None = None
    ) -> WhenInvalid:
        # Python counts the columns of its tree in UTF-8 bytes.
        before = self.text.encode("utf-8", "surrogatepass")[: getattr(node, "col_offset", 0)]
        column = self.indent + len(before.decode("utf-8", "replace")) + 1
        return WhenInvalid(message, column, allowed, near[0] if near else None)

    def condition(self, node: ast.expr, depth: int) -> Expression:
        """An expression that is true or false."""
        expression, kind = self.expression(node, depth)
        if kind != "flag":
            shown = self.shown(node)
            raise self.wrong(
                f"{shown} is text, not true or false", node, f"a comparison, as in {shown} == '…'"
            )
        return expression

    def shown(self, node: ast.expr) -> str:
        found = ast.get_source_segment(self.text, node) or "this"
        return found if len(found) <= 40 else found[:39] + "…"

    def expression(self, node: ast.expr, depth: int) -> tuple[Expression, Kind]:
        if depth > DEEPEST:
            raise self.wrong(f"the condition is nested deeper than {DEEPEST} levels", node)
        match node:
            case ast.Constant(value=bool(value)):
                return Flag(value), "flag"
            case ast.Constant(value=str(value)):
                return Text(value), "text"
            case ast.Name(id=name):
                return self.name(node, name)
        return self.composed(node, depth + 1), "flag"

    def composed(self, node: ast.expr, depth: int) -> Expression:
        """What is made of smaller expressions; all of these are true or false."""
        match node:
            case ast.Call():
                return self.call(node, depth)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return Not(self.condition(operand, depth))
            case ast.BoolOp(op=operator, values=values):
                word: Literal["and", "or"] = "and" if isinstance(operator, ast.And) else "or"
                return Joined(word, tuple(self.condition(value, depth) for value in values))
            case ast.Compare():
                return self.comparison(node, depth)
        raise self.wrong(f"{self.shown(node)} means nothing here", node)

    def name(self, node: ast.expr, name: str) -> tuple[Expression, Kind]:
        if name in NAMES:
            return Name(name), "flag" if name in _FLAGS else "text"
        near = difflib.get_close_matches(name, (*NAMES, *FUNCTIONS, "True", "False"), n=1)
        raise self.wrong(f"'{name}' is no name that is known here", node, near=near)

    def comparison(self, node: ast.Compare, depth: int) -> Expression:
        if len(node.ops) != 1:
            raise self.wrong("this compares more than two values", node, "two of them, joined by and")
        left, left_kind = self.expression(node.left, depth)
        written = node.comparators[0]
        operator = _COMPARISONS.get(type(node.ops[0]))
        if operator is None:
            raise self.wrong(f"{self.shown(node)} compares in a way that is not known here", node)
        if operator in ("==", "!="):
            right, right_kind = self.expression(written, depth)
            if left_kind != right_kind:
                raise self.wrong(
                    f"{self.shown(node)} compares text with true or false", node, "like with like"
                )
            return Comparison(left, operator, right)
        if left_kind != "text":
            raise self.wrong(
                f"{self.shown(node.left)} is true or false, not text", node, "text in a list of text"
            )
        return Comparison(left, operator, self.among(written, depth))

    def among(self, node: ast.expr, depth: int) -> Expression | tuple[Expression, ...]:
        """What stands to the right of `in`: several texts, or one in which to look."""
        if isinstance(node, ast.Tuple | ast.List):
            return tuple(self.of_text(element, depth) for element in node.elts)
        return self.of_text(node, depth)

    def of_text(self, node: ast.expr, depth: int) -> Expression:
        expression, kind = self.expression(node, depth)
        if kind != "text":
            raise self.wrong(f"{self.shown(node)} is true or false, not text", node, "text")
        return expression

    def call(self, node: ast.Call, depth: int) -> Expression:
        name = node.func.id if isinstance(node.func, ast.Name) else None
        if name not in FUNCTIONS:
            near = difflib.get_close_matches(name or "", FUNCTIONS, n=1)
            raise self.wrong(f"{self.shown(node.func)}() is no function that is known here", node, near=near)
        if node.keywords:
            raise self.wrong(f"{name}() takes no named values", node, f"{name}('glob', …)")
        if name == "changed":
            return Changed(self.globs(node, node.args, "changed('glob', …)"))
        if len(node.args) < 2:
            raise self.wrong("matches() needs a text and a glob", node, "matches(tag, 'glob', …)")
        text = self.of_text(node.args[0], depth)
        return Matches(text, self.globs(node, node.args[1:], "matches(tag, 'glob', …)"))

    def globs(self, call: ast.Call, nodes: list[ast.expr], allowed: str) -> tuple[str, ...]:
        if not nodes:
            raise self.wrong("a glob is missing", call, allowed)
        found: list[str] = []
        for node in nodes:
            if not (isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.strip()):
                raise self.wrong(f"{self.shown(node)} is no glob in quotes", node, allowed)
            try:
                read_rule(node.value)
            except Unreadable:
                raise self.wrong(f"{self.shown(node)} is no glob", node, allowed) from None
            found.append(node.value)
        return tuple(found)


_COMPARISONS: dict[type[ast.cmpop], Literal["==", "!=", "in", "not in"]] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.In: "in",
    ast.NotIn: "not in",
}
