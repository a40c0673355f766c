"""JSON document → Query: boolean trees, long lists, and all that a query string says. Has never heard of a model.

document = { "filter": F, "order_by": [path], "limit": rows, …, "fields": [name], "expand": [way] / { way: document } }
F        = { path: value / path "__" operator: value / "and": [F] / "or": [F] / "not": F / path: F }, all members hold
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from splice.errors import Invalid, Issue, MalformedBody
from splice.grammar import (
    LISTS,
    MAX_ISSUES,
    MAX_WAY,
    NAMES,
    Draft,
    Names,
    Role,
    count_of,
    is_way,
    issue,
    operator_of,
    order_of,
    shown_name,
)
from splice.terms import COUNTS, All, AnyOf, Condition, Filter, Not, Place, Query, Related, Scalar

__all__ = ["MAX_DEPTH", "parse_document"]

MAX_DEPTH: Final = 10
"""Objects inside of each other in one filter."""

_FILTER: Final = "filter"
_MOST_PARTS: Final = 1_000
"""Objects, conditions and names; far fewer are planned."""
_MAX_ROWS: Final = 10**9
_EXACT: Final = 2**53


class _Members(list[tuple[str, Any]]):
    """A JSON object as it stands: names may be there twice."""


def parse_document(raw: bytes, names: Names = NAMES) -> Query:
    """Read a query from JSON.

    Args:
        raw: The document, in UTF-8.
        names: How the settings are spelt.

    Raises:
        MalformedBody: It is no JSON, or nested too deeply to be read.
        Invalid: It is no query; every fault is listed, with a JSON Pointer to it.
    """
    said, root, reading = _load(raw), Draft(Place(pointer="")), _Reading(names.roles)
    reading.query(said, "", root)
    reading.finish()
    return root.query()


def _load(raw: bytes) -> Any:
    try:
        return json.loads(
            raw.decode(), object_pairs_hook=_Members, parse_constant=_refuse, parse_int=_integer
        )
    except (ValueError, RecursionError) as error:
        raise MalformedBody("The body is not valid JSON") from error


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def _integer(text: str) -> int | float:
    # Beyond every column; Python itself refuses the longest with an error of another kind.
    return int(text) if len(text) <= 400 else float("inf")


@dataclass
class _Reading:
    """Walks a document, and collects what is wrong with it."""

    roles: Mapping[str, Role]
    issues: list[Issue] = field(default_factory=list)
    depth: int = 0
    parts: int = 0

    def fault(self, pointer: str, detail: str, code: str, hint: str | None = None) -> None:
        self.issues.append(issue(Place(pointer=pointer), detail, code, hint))
        if len(self.issues) == MAX_ISSUES:
            self.finish()

    def finish(self) -> None:
        """Refuse the document if anything is wrong with it."""
        if self.issues:
            raise Invalid("The query is not valid", issues=self.issues)

    def take(self, pointer: str) -> None:
        """Take one more part of the query; nobody writes that many by hand, and each costs its time."""
        self.parts += 1
        if self.parts > _MOST_PARTS:
            detail = f"A query has at most {_MOST_PARTS} parts"
            self.issues = [issue(Place(pointer=pointer), detail, "too-many-conditions")]
            self.finish()

    # The query.

    def query(self, said: Any, pointer: str, draft: Draft) -> None:
        for name, value, at in self.members(said, pointer):
            role = self.roles.get(name)
            if name == _FILTER:
                draft.filters.extend(self.filters(value, at, 1))
            elif role is None:
                near = difflib.get_close_matches(shown_name(name), [_FILTER, *self.roles], n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join([_FILTER, *self.roles])}"
                self.fault(at, f"A query has no member {shown_name(name)!r}", "unknown-member", hint)
            else:
                _SETTINGS[role](self, value, at, role, draft)

    def members(self, said: Any, pointer: str) -> Iterator[tuple[str, Any, str]]:
        """The members of an object with their pointers; each once."""
        if not isinstance(said, _Members):
            self.fault(pointer, "Input should be a JSON object", "dict-type")
            return
        seen: set[str] = set()
        for name, value in said:
            at = f"{pointer}/{_escaped(name)}"
            if name in seen:
                self.fault(at, "The object has this member twice", "repeated-member", "name it once")
            elif _is_text(name):
                yield name, value, at
            else:
                self.fault(pointer, "A name is no text that can be stored", "invalid-text")
            seen.add(name)

    def rows(self, value: Any, at: str, role: Role, draft: Draft) -> None:
        number = _whole(value)
        if type(number) is int and 0 <= number < _MAX_ROWS:
            draft.set(role, number, Place(pointer=at))
        else:
            what = "the number of a page" if role == "page" else "a whole number of rows"
            self.fault(at, f"Input should be {what}", "invalid-number")

    def cursor(self, value: Any, at: str, role: Role, draft: Draft) -> None:
        if isinstance(value, str) and value and _is_text(value):
            draft.set(role, value, Place(pointer=at))
        else:
            self.fault(at, "Input should be a cursor", "invalid-cursor", "take it from the page before")

    def count(self, value: Any, at: str, role: Role, draft: Draft) -> None:
        if isinstance(value, str) and count_of(value) is not None:
            draft.set(role, value, Place(pointer=at))
        else:
            self.fault(at, "This way to count is not known", "invalid-count", f"one of {', '.join(COUNTS)}")

    def order(self, value: Any, at: str, _role: Role, draft: Draft) -> None:
        terms = [(text, Place(pointer=place)) for text, place in self.texts(value, at)]
        for term in order_of(terms):
            if term.path:
                draft.order.append(term)
            else:
                self.fault(term.at.pointer or at, "A sort term is empty", "invalid-order", 'as in ["-year"]')

    def fields(self, value: Any, at: str, _role: Role, draft: Draft) -> None:
        named = [name for name, place in self.texts(value, at) if self.is_way(name, place)]
        draft.show(named, Place(pointer=at))

    def expand(self, value: Any, at: str, _role: Role, draft: Draft) -> None:
        if isinstance(value, _Members):
            for name, inner, place in self.members(value, at):
                self.take(place)
                if self.is_way(name, place):
                    self.inner(inner, place, draft.relation(name.split("."), Place(pointer=place)))
            return
        for name, place in self.texts(value, at):
            if self.is_way(name, place):
                draft.relation(name.split("."), Place(pointer=place))

    def inner(self, said: Any, pointer: str, draft: Draft) -> None:
        """The query of a relation that is shown."""
        if self.depth >= MAX_DEPTH:
            self.fault(pointer, f"Relations are shown at most {MAX_DEPTH} deep", "too-deep")
            return
        self.depth += 1
        self.query(said, pointer, draft)
        self.depth -= 1

    def is_way(self, name: str, at: str) -> bool:
        if is_way(name.split(".")):
            return True
        detail = f"Names joined by dots are none of them empty, and at most {MAX_WAY}"
        self.fault(at, detail, "invalid-path", "as in author.name")
        return False

    def texts(self, value: Any, pointer: str) -> Iterator[tuple[str, str]]:
        if type(value) is not list:
            self.fault(pointer, "Input should be a JSON array", "list-type")
            return
        for number, text in enumerate(value):
            at = f"{pointer}/{number}"
            self.take(at)
            if isinstance(text, str) and _is_text(text):
                yield text, at
            else:
                self.fault(at, "Input should be text", "string-type")

    # The filter.

    def filters(self, said: Any, pointer: str, depth: int) -> Iterator[Filter]:
        if depth > MAX_DEPTH:
            self.fault(pointer, f"A filter is at most {MAX_DEPTH} objects deep", "too-deep")
            return
        self.take(pointer)
        for name, value, at in self.members(said, pointer):
            self.take(at)
            found = self.member(name, value, at, depth)
            if found is not None:
                yield found

    def member(self, name: str, value: Any, at: str, depth: int) -> Filter | None:
        if name in {"and", "or"}:
            return self.several(name, value, at, depth)
        if name == "not":
            return Not(self.one(value, at, depth))
        if isinstance(value, _Members):
            return Related(name, self.one(value, at, depth), Place(pointer=at))
        return self.condition(name, value, at)

    def one(self, said: Any, pointer: str, depth: int) -> Filter:
        """An object as one part: its only member, or all of its members."""
        parts = tuple(self.filters(said, pointer, depth + 1))
        return parts[0] if len(parts) == 1 else All(parts)

    def several(self, name: str, said: Any, pointer: str, depth: int) -> Filter | None:
        if type(said) is not list or not said:
            hint = f'as in {{"{name}": [{{"id": 1}}, {{"id": 2}}]}}'
            self.fault(pointer, "Input should be an array of filters, one or more", "list-type", hint)
            return None
        parts = tuple(self.one(part, f"{pointer}/{number}", depth) for number, part in enumerate(said))
        return All(parts) if name == "and" else AnyOf(parts)

    def condition(self, name: str, value: Any, at: str) -> Filter | None:
        path, operator = operator_of(name)
        if operator in LISTS:
            if type(value) is not list or not value:
                self.fault(at, f"{operator} takes an array of values, one or more", "list-type")
                return None
            values = [self.scalar(part, f"{at}/{number}", path) for number, part in enumerate(value)]
        else:
            values = [self.scalar(value, at, path)]
        return Condition(
            path, operator, tuple(part for part in values if part is not None), Place(pointer=at)
        )

    def scalar(self, value: Any, at: str, path: str) -> Scalar | None:
        if value is None:
            hint = f'ask with {{"{shown_name(path)}__isnull": true}}'
            self.fault(at, "null matches nothing", "null-value", hint)
        elif isinstance(value, list):
            hint = f'for several values ask with {{"{shown_name(path)}__in": […]}}'
            self.fault(at, "Input should be a single value", "scalar-type", hint)
        elif isinstance(value, str) and not _is_text(value):
            self.fault(at, "Input is no text that can be stored", "invalid-text")
        elif isinstance(value, float) and value in {float("inf"), float("-inf")}:
            self.fault(at, "Input should be a finite number", "finite-number")
        else:
            scalar: Scalar = _whole(value)
            return scalar
        return None


def _whole(value: Any) -> Any:
    """JSON does not tell 3.0 from 3; beyond 2**53 a double is not exact."""
    exact = isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT
    return int(value) if exact else value


def _is_text(value: str) -> bool:
    """Whether it is text: JSON can spell half of a surrogate pair, which is none."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _escaped(name: str) -> str:
    """A name as a token of a JSON Pointer (RFC 6901)."""
    return name.encode(errors="replace").decode().replace("~", "~0").replace("/", "~1")[:200]


_SETTINGS: Final[Mapping[Role, Callable[[_Reading, Any, str, Role, Draft], None]]] = MappingProxyType(
    {
        "limit": _Reading.rows,
        "offset": _Reading.rows,
        "page": _Reading.rows,
        "cursor": _Reading.cursor,
        "count": _Reading.count,
        "order": _Reading.order,
        "fields": _Reading.fields,
        "expand": _Reading.expand,
    }
)
