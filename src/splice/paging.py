"""How pages are asked for, and what stands around their rows: one object for all resources of a convention."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, TypeAlias

from pydantic import BaseModel
from pydantic_core import to_json

from splice.cursors import Cursor, TooLong, encode
from splice.errors import Invalid, Issue, SetupError
from splice.grammar import Names
from splice.readable import MAX_OFFSET
from splice.reads import Position, ReadPlan
from splice.terms import Count

__all__ = ["Answered", "Neighbours", "Paging", "Rows", "TotalIs", "neighbours", "start_of"]

TotalIs: TypeAlias = Literal["exact", "at_least", "estimated"]


class _Rows:
    """Stands for the rows of a page in what `fill` returns; they are JSON already."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What is known of a page, for an envelope of one's own.

    `items` stands for the rows, and has to be put into the envelope as it is. `limit` and `offset` are in rows; the
    offset is None behind a cursor. `next` and `previous` are cursors, None where no page follows or comes before.
    `total` counts all rows that match, None where nobody asked; `total_is` tells whether that is exact, where another
    count than an exact one was asked for.
    """

    limit: int
    offset: int | None
    next: str | None
    previous: str | None
    total: int | None = None
    total_is: TotalIs | None = None
    items: Any = _Rows

    @property
    def number(self) -> int | None:
        """That of the page, from 1; None of one that a cursor led to."""
        return None if self.offset is None else self.offset // self.limit + 1

    @property
    def pages(self) -> int | None:
        """How many pages there are; None where the rows were not counted to the end."""
        counted = self.total_is in {None, "exact"}
        return -(-self.total // self.limit) if self.total is not None and counted else None


_ANY_PAGE: Final = Answered(limit=1, offset=0, next=None, previous=None, total=1)


@dataclass(frozen=True, slots=True)
class Paging:
    """Names of the parameters of a list, and its envelope.

    A parameter of None is not there: `Paging(page="page", cursor=None, offset=None)` has page numbers alone. The
    document of POST `/query` has the same names.

    Args:
        limit: Rows in a page.
        offset: Rows to skip.
        cursor: Where the page before ended.
        page: Number of the page, from 1; there is none unless it is named.
        count: Whether to count all rows that match.
        order_by: Sort terms.
        fields: What is shown of each row.
        expand: Which related rows are shown.
        default_limit: Rows in a page where nobody says how many.
        always_count: Count every list, also unasked: `exact`, `capped` or `estimated`.
        envelope: A generic model of one parameter, the row; it documents answers: `class Mine(BaseModel, Generic[T])`.
        fill: What to answer, by the names of the envelope: `lambda page: {"data": page.items, "pages": page.pages}`.

    Raises:
        SetupError: `envelope` and `fill` are not given together, or no parameter leads to a second page.
    """

    limit: str = "limit"
    offset: str | None = "offset"
    cursor: str | None = "cursor"
    page: str | None = None
    count: str | None = "count"
    order_by: str = "order_by"
    fields: str = "fields"
    expand: str = "expand"
    default_limit: int = 50
    always_count: Count | None = None
    envelope: type[BaseModel] | None = None
    fill: Callable[[Answered], Mapping[str, Any]] | None = None

    def __post_init__(self) -> None:
        if (self.envelope is None) != (self.fill is None):
            raise SetupError(
                "Paging needs envelope= and fill= together: the model documents what the function answers"
            )
        if self.cursor is None and self.offset is None and self.page is None:
            raise SetupError("Paging without cursor=, offset= and page= leads to the first page alone")
        for name in self.parameters:
            if not name or "." in name or "__" in name:
                raise SetupError(
                    f"Paging cannot call a parameter {name!r}: dots and double underscores are paths in a query"
                )
        if self.default_limit < 1:
            raise SetupError("Paging needs a default_limit of 1 or more rows")
        twice = sorted({name for name in self.parameters if self.parameters.count(name) > 1})
        if twice:
            raise SetupError(f"Paging gives several parameters one name: {', '.join(twice)}")
        if self.fill is not None and b"[0]" not in self.body(b"[0]", _ANY_PAGE):
            raise SetupError("fill= has to put page.items, as it is, into what it returns")

    @property
    def names(self) -> Names:
        """The names as the parser takes them."""
        return Names(
            limit=self.limit,
            offset=self.offset,
            cursor=self.cursor,
            page=self.page,
            count=self.count,
            order_by=self.order_by,
            fields=self.fields,
            expand=self.expand,
        )

    def body(self, items: bytes, answered: Answered) -> bytes:
        """The answer to a list request; `items` is a JSON array."""
        if self.fill is not None:
            return _written(self.fill(answered), items)
        return _written(_standard(answered, cursors=self.cursor is not None), items)

    def address(self, answered: Answered, *, back: bool) -> Mapping[str, str] | None:
        """The parameters that lead to a neighbour of a page; None where there is no such page."""
        token = answered.previous if back else answered.next
        if token is None:
            return None
        if self.cursor is not None:
            return {self.cursor: token}
        offset = (answered.offset or 0) + (-answered.limit if back else answered.limit)
        if offset > MAX_OFFSET:
            return None
        if self.page is not None:
            return {self.page: str(max(offset, 0) // answered.limit + 1)}
        return {str(self.offset): str(max(offset, 0))}

    @property
    def positions(self) -> Sequence[str]:
        """The parameters that say where a page begins."""
        return [name for name in (self.cursor, self.offset, self.page) if name is not None]

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of all parameters that are there."""
        counted = () if self.count is None else (self.count,)
        return (self.limit, *self.positions, *counted, self.order_by, self.fields, self.expand)


class Rows(Protocol):
    """The ends of a page that was read."""

    @property
    def has_more(self) -> bool: ...

    @property
    def first(self) -> Position | None: ...

    @property
    def last(self) -> Position | None: ...


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Cursors of the pages after and before one, None where there is none."""

    next: str | None
    previous: str | None


def neighbours(plan: ReadPlan, rows: Rows) -> Neighbours:
    """The cursors on both sides of a page that was read by a plan.

    Rows that were deleted meanwhile may leave a neighbour empty; the one behind is then the last page.
    """
    if not plan.description.walkable:
        return _by_number(plan, rows)
    backward = plan.position is not None and plan.position.backward
    began = plan.position is not None or plan.offset > 0
    follows, precedes = (True, rows.has_more) if backward else (rows.has_more, began)
    return Neighbours(
        next=_token(plan, rows.last, backward=False) if follows else None,
        previous=_token(plan, rows.first, backward=True) if precedes else None,
    )


def start_of(plan: ReadPlan) -> int | None:
    """How many rows come before the page; None where a cursor has led there."""
    return plan.offset if plan.position is None else plan.position.skipped


def _by_number(plan: ReadPlan, rows: Rows) -> Neighbours:
    """Where no key tells rows apart, pages are told apart by the number of rows before them."""
    start = start_of(plan) or 0
    before, behind = Position(skipped=max(start - plan.limit, 0)), Position(skipped=start + plan.limit)
    return Neighbours(
        next=_token(plan, behind, backward=False) if rows.has_more else None,
        previous=_token(plan, before, backward=False) if start else None,
    )


def _token(plan: ReadPlan, position: Position | None, *, backward: bool) -> str | None:
    if position is None:
        return None
    try:
        return encode(Cursor(position.values, backward, position.skipped, plan.fingerprint))
    except TooLong:
        detail = "A row at the end of this page has a value to sort by that is too long for a cursor"
        hint = "sort by something shorter, or by the key"
        raise Invalid(issues=[Issue(detail, "not-sortable", hint, parameter="order_by")]) from None


def _standard(answered: Answered, *, cursors: bool) -> Mapping[str, Any]:
    said: dict[str, Any] = {"items": answered.items} | ({"next": answered.next} if cursors else {})
    if answered.total is not None:
        said["total"] = answered.total
    if answered.total_is is not None:
        said["total_is"] = answered.total_is
    return said


def _written(value: Any, items: bytes) -> bytes:
    """JSON in which the rows, written before, take the place that was kept for them."""
    if value is _Rows:
        return items
    if isinstance(value, Mapping):
        members = (to_json(str(name)) + b":" + _written(part, items) for name, part in value.items())
        return b"{" + b",".join(members) + b"}"
    if isinstance(value, BaseModel):
        return _written(dict(value), items)
    if isinstance(value, list | tuple):
        return b"[" + b",".join(_written(part, items) for part in value) + b"]"
    return to_json(value)
