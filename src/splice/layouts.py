"""Which columns of a flat row make which part of a nested one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, TypeAlias

from splice.description import Description, Field, Link
from splice.keyset import shows_exactly
from splice.reads import Computed, Many, One, Selection, Sort

__all__ = ["Cell", "Joins", "Layout", "Nest", "Path", "joins_of", "layout_of", "layout_of_children"]

Path: TypeAlias = tuple[str, ...]
"""The links from the model of a statement to the one that a column belongs to."""

Joins: TypeAlias = dict[Path, tuple[Link, Description]]
"""What a statement joins by an outer join each, parents before children."""

_Row: TypeAlias = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Cell:
    """One column of the flat row; `exact` in the form that positions and keys are compared in."""

    path: Path
    by: Field | Computed
    exact: bool


@dataclass(frozen=True, slots=True)
class Nest:
    """Where the parts of one nested dict stand in the flat row.

    `key` tells an absent row, whose key is NULL, and the parents of rows behind a to-many.
    """

    names: tuple[str, ...]
    fields: Callable[[_Row], tuple[Any, ...]]
    key: Callable[[_Row], tuple[Any, ...]]
    relations: tuple[tuple[One, Nest] | Many, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a statement, in order, and what becomes of them; `places` are those of the sort terms.

    `keyed` tells that rows may come twice, and are told apart by their key.
    """

    cells: tuple[Cell, ...]
    nest: Nest
    position: Callable[[_Row], tuple[Any, ...]]
    places: tuple[int, ...]
    keyed: bool = False


def layout_of(selection: Selection, order: Sequence[Sort], dialect: str) -> Layout:
    """Lay out what is shown of a row, and its place in an order."""
    cells = _Cells(dialect)
    nest = _nest(selection, (), cells)
    places = tuple(cells.add(_path_of(sort), sort.by, exact=True) for sort in order)
    return Layout(tuple(cells.found), nest, _picker(places), places)


def layout_of_children(many: Many, dialect: str) -> Layout:
    """Lay out the rows behind a link; with their key where a table between may name one of them twice."""
    cells = _Cells(dialect)
    repeats = not many.link.pairs and many.selection.description.unique
    nest = _nest(many.selection, (), cells, keyed=repeats)
    return Layout(tuple(cells.found), nest, _picker(()), (), keyed=repeats)


def joins_of(selection: Selection, order: Sequence[Sort] = ()) -> Joins:
    """What the columns of a layout are read from, besides the model itself."""
    return dict([*_joins_of_selection(selection, ()), *_joins_of_order(order)])


@dataclass(slots=True)
class _Cells:
    """The columns so far; one that is wanted twice is read once."""

    dialect: str
    found: dict[Cell, int] = field(default_factory=dict)

    def add(self, path: Path, by: Field | Computed, *, exact: bool) -> int:
        # Most columns are shown as exactly as they are compared.
        apart = exact and not (isinstance(by, Field) and shows_exactly(by.type, self.dialect))
        return self.found.setdefault(Cell(path, by, apart), len(self.found))


def _nest(selection: Selection, path: Path, cells: _Cells, *, keyed: bool = False) -> Nest:
    fields = tuple(cells.add(path, field, exact=False) for field in selection.fields)
    has_children = any(isinstance(part, Many) for part in selection.relations)
    key = selection.description.key if path or has_children or keyed else ()
    return Nest(
        names=tuple(field.name for field in selection.fields),
        fields=_picker(fields),
        key=_picker(tuple(cells.add(path, field, exact=True) for field in key)),
        relations=tuple(_part(part, path, cells) for part in selection.relations),
    )


def _part(part: One | Many, path: Path, cells: _Cells) -> tuple[One, Nest] | Many:
    if isinstance(part, Many):
        return part
    return part, _nest(part.selection, (*path, part.link.name), cells)


def _picker(places: tuple[int, ...]) -> Callable[[_Row], tuple[Any, ...]]:
    """What takes these columns out of a row, always as a tuple."""
    if len(places) == 1:
        only = places[0]
        return lambda row: (row[only],)
    return itemgetter(*places) if places else lambda _row: ()


def _path_of(sort: Sort) -> Path:
    return tuple(link.name for link, _ in sort.links)


def _joins_of_selection(selection: Selection, path: Path) -> Iterator[tuple[Path, tuple[Link, Description]]]:
    for part in selection.relations:
        if isinstance(part, One):
            inner = (*path, part.link.name)
            yield inner, (part.link, part.selection.description)
            yield from _joins_of_selection(part.selection, inner)


def _joins_of_order(order: Sequence[Sort]) -> Iterator[tuple[Path, tuple[Link, Description]]]:
    for sort in order:
        path = _path_of(sort)
        yield from ((path[: depth + 1], join) for depth, join in enumerate(sort.links))
