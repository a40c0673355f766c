"""Plan → SQL. Pure: nothing here runs a statement; the dialect decides only where the databases differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import sqlalchemy as sa
from sqlalchemy.orm import aliased, lazyload, undefer
from sqlalchemy.sql.elements import ColumnElement

from splice.conditions import Entity, adapted, attribute, is_key, where
from splice.description import Constraint, Description, Field, Relation
from splice.keyset import Branch, Form, Term, beyond, branches, form_of, order_by, reversed_terms
from splice.layouts import Cell, Joins, Layout, Path, joins_of, layout_of, layout_of_children
from splice.plan import MAX_RELATED_ROWS
from splice.reads import Compare, Computed, Either, Every, Many, Negation, ReadPlan, Selection, Sort, Test

__all__ = [
    "children_of",
    "count_rows",
    "count_some",
    "has_row",
    "lock_entity",
    "parent_of",
    "reselect_entity",
    "select_children",
    "select_entities",
    "select_entity",
    "select_matching",
    "select_page",
]

_MAX_BRANCHED_ROWS: Final = 5_000
"""Rows that may be sorted once more to put two branches one after the other."""

_Statement: TypeAlias = sa.Select[Any]
_Column: TypeAlias = ColumnElement[Any]


def select_page(plan: ReadPlan, dialect: str) -> _Statement:
    """The page as flat rows, laid out as `layout_of(plan.selection, plan.order, dialect)` says.

    There is one row more than the page has, which tells whether rows follow. Going backward the rows come in reversed
    order.
    """
    page = _page_of(plan, plan.selection, dialect)
    parts = _branches(page)
    if len(parts) > 1:
        return _one_after_the_other(page, parts)
    return _windowed(_select_part(page, page.columns(), parts[0]), plan)


def select_entities(plan: ReadPlan, dialect: str) -> _Statement:
    """The same page as ORM entities, each followed by the values of its sort terms."""
    page = _page_of(plan, Selection(plan.description, ()), dialect)
    # Labelled: SQLAlchemy takes a coerced column for the column itself, and finds only one of the two in a row.
    shown = [term.form.shown(term.column).label(None) for term in page.terms]
    whole = Branch(None, page.terms, _start(plan))
    return _windowed(_select_part(page, [plan.description.model, *shown], whole), plan)


def count_rows(plan: ReadPlan, dialect: str) -> _Statement:
    """How many rows match, whatever the page: a window count would be wrong past the last one."""
    statement = sa.select(sa.func.count()).select_from(plan.description.model)
    return statement.where(*where(plan.test, plan.description, plan.description.model, dialect))


def count_some(plan: ReadPlan, most: int, dialect: str) -> _Statement:
    """How many rows match, where no more than `most` and one are looked at."""
    some = select_matching(plan, dialect).limit(most + 1).subquery()
    return sa.select(sa.func.count()).select_from(some)


def select_matching(plan: ReadPlan, dialect: str) -> _Statement:
    """Every row that matches, and nothing of it: for what only counts."""
    model = plan.description.model
    found: _Statement = sa.select(sa.literal_column("1").label("found")).select_from(model)
    return found.where(*where(plan.test, plan.description, model, dialect))


def select_children(
    parent: Description, many: Many, parent_keys: Sequence[Sequence[Any]], dialect: str
) -> _Statement:
    """The rows behind a link for all of these parents: the parent's key, then the row, in the order of the relation.

    The row is laid out as `layout_of_children(many, dialect)` says. Keys are taken and given in the form in which pages
    read them. There are at most `MAX_RELATED_ROWS` and one.
    """
    child = aliased(many.selection.description.model, flat=True)
    sources = _sources(child, many.selection, many.order)
    family = _Family(parent, aliased(parent.model, flat=True), many, sources, dialect)
    limit = many.limit if many.link.many else 1
    if limit is None:
        statement = family.join([*family.key(), *family.columns()])
        statement = statement.where(_is_among(family, parent_keys), *family.conditions()).order_by(
            *family.order()
        )
    elif dialect == "postgresql" and many.link.pairs and _is_of_its_own_columns(many.test):
        statement = _first_of_each_parent(family, parent_keys, limit)
    else:
        statement = _first_of_each_part(family, parent_keys, limit)
    return statement.limit(MAX_RELATED_ROWS + 1)


def select_entity(description: Description, key: Sequence[Any], dialect: str) -> sa.Select[Any]:
    """One ORM entity; what the session has changed and not flushed yet stays as it is."""
    return sa.select(description.model).where(*is_key(description, description.model, key, dialect))


def reselect_entity(description: Description, key: Sequence[Any], dialect: str) -> sa.Select[Any]:
    """The same as it is stored now; whoever runs it has flushed what was changed."""
    return select_entity(description, key, dialect).execution_options(populate_existing=True)


def has_row(description: Description, key: Sequence[Any], dialect: str) -> sa.Select[Any]:
    """Whether there is a row of this key."""
    return sa.select(sa.exists().where(*is_key(description, description.model, key, dialect)))


def lock_entity(description: Description, key: Sequence[Any], dialect: str) -> sa.Select[Any]:
    """The same under the row lock, where the database has any; every column is loaded, and no relation."""
    statement = reselect_entity(description, key, dialect).options(lazyload("*"), undefer("*"))
    # Only this table: PostgreSQL refuses a lock on the empty side of an outer join.
    return statement.with_for_update(of=description.model)


def children_of(relation: Relation, parent: Mapping[str, Any]) -> sa.Select[Any]:
    """Whether a relation has any row left."""
    pairs = zip(relation.remote, relation.local, strict=True)
    return sa.select(sa.exists().where(*(remote == parent[local] for remote, local in pairs)))


def parent_of(
    description: Description, constraint: Constraint, values: Mapping[str, Any]
) -> sa.Select[Any] | None:
    """Whether the row exists that a foreign key asks for; None where one part of the key is NULL."""
    wanted = [values.get(name) for name in constraint.fields]
    if not wanted or any(value is None for value in wanted):
        return None
    columns = [description.fields[name].column for name in constraint.fields]
    targets = [next(iter(column.foreign_keys)).column for column in columns]
    return sa.select(
        sa.exists().where(*(target == value for target, value in zip(targets, wanted, strict=True)))
    )


@dataclass(frozen=True, slots=True)
class _Sources:
    """What a statement reads from: the model itself, under no path, and what is joined to it."""

    entities: Mapping[Path, Entity]
    joins: tuple[Any, ...]

    @property
    def root(self) -> Entity:
        return self.entities[()]

    def select(self, columns: Sequence[Any]) -> _Statement:
        return self.join(sa.select(*columns).select_from(self.root))

    def join(self, statement: _Statement) -> _Statement:
        for join in self.joins:
            statement = statement.outerjoin(join)
        return statement


def _sources(root: Entity, selection: Selection, order: Sequence[Sort]) -> _Sources:
    joins: Joins = joins_of(selection, order)
    entities: dict[Path, Entity] = {(): root}
    # Under an alias each: a model may be joined to itself, and twice.
    entities.update((path, aliased(description.model, flat=True)) for path, (_, description) in joins.items())
    return _Sources(
        entities,
        tuple(getattr(entities[path[:-1]], path[-1]).of_type(entities[path]) for path in joins),
    )


def _column(cell: Cell, sources: _Sources, dialect: str) -> _Column:
    column, form = _read(cell.by, sources.entities[cell.path], dialect)
    # Labelled: SQLAlchemy takes a coerced column for the column itself, and finds only one of the two in a row.
    return form.shown(column).label(None) if cell.exact else column


def _read(by: Field | Computed, entity: Entity, dialect: str) -> tuple[_Column, Form]:
    if isinstance(by, Computed):
        column = adapted(by.build(), entity)
        return column, form_of(column.type, dialect)
    return attribute(entity, by), form_of(by.type, dialect)


def _sorted(order: Sequence[Sort], sources: _Sources, dialect: str) -> tuple[Term, ...]:
    return tuple(_term(sort, sources, dialect) for sort in order)


def _term(sort: Sort, sources: _Sources, dialect: str) -> Term:
    entity = sources.entities[tuple(link.name for link, _ in sort.links)]
    column, form = _read(sort.by, entity, dialect)
    return Term(column, form, descending=sort.descending, nullable=sort.nullable)


def _start(plan: ReadPlan) -> tuple[Any, ...] | None:
    position = plan.position
    return None if position is None or position.skipped is not None else position.values


def _is_backward(plan: ReadPlan) -> bool:
    return plan.position is not None and plan.position.backward


def _window(plan: ReadPlan) -> tuple[int, int]:
    """How many rows are read, and how many of those that match are skipped before them."""
    skipped = plan.position.skipped if plan.position is not None else None
    return plan.limit + 1, plan.offset if skipped is None else skipped


@dataclass(frozen=True, slots=True)
class _Page:
    """A plan, with what its statement reads from and sorts by."""

    plan: ReadPlan
    dialect: str
    layout: Layout
    sources: _Sources
    terms: tuple[Term, ...]

    def columns(self) -> list[_Column]:
        return [_column(cell, self.sources, self.dialect) for cell in self.layout.cells]


def _page_of(plan: ReadPlan, selection: Selection, dialect: str) -> _Page:
    sources = _sources(plan.description.model, selection, plan.order)
    terms = _sorted(plan.order, sources, dialect)
    is_reversed = _start(plan) is not None and _is_backward(plan)
    return _Page(
        plan=plan,
        dialect=dialect,
        layout=layout_of(selection, plan.order, dialect),
        sources=sources,
        terms=reversed_terms(terms) if is_reversed else terms,
    )


def _branches(page: _Page) -> list[Branch]:
    # By a column of a relation no index of this table sorts, and far into the rows a second sort is no gain.
    order = page.plan.order
    if (order and order[0].links) or sum(_window(page.plan)) > _MAX_BRANCHED_ROWS:
        return [Branch(None, page.terms, _start(page.plan))]
    return branches(page.terms, _start(page.plan), page.dialect)


def _windowed(statement: _Statement, plan: ReadPlan) -> _Statement:
    limit, offset = _window(plan)
    return statement.limit(limit).offset(offset)


def _select_part(page: _Page, columns: Sequence[Any], branch: Branch) -> _Statement:
    description = page.plan.description
    matching = where(page.plan.test, description, description.model, page.dialect)
    statement = page.sources.select(columns).where(*matching, *_bounds(branch, page.dialect))
    return statement.order_by(*order_by(branch.terms, page.dialect))


def _bounds(branch: Branch, dialect: str) -> Iterator[ColumnElement[bool]]:
    if branch.condition is not None:
        yield branch.condition
    if branch.values is not None:
        yield beyond(branch.terms, branch.values, dialect)


def _one_after_the_other(page: _Page, parts: Sequence[Branch]) -> _Statement:
    """Each branch read by its index as far as the page may reach, and only what they give sorted together."""
    together = sa.union_all(
        *(sa.select(_limited(page, branch, number)) for number, branch in enumerate(parts))
    ).subquery()
    *columns, part = together.columns
    first, *rest = (
        replace(term, column=term.form.sorted(columns[place]))
        for term, place in zip(page.terms, page.layout.places, strict=True)
    )
    terms = [replace(first, nullable=False), *rest]
    return _windowed(sa.select(*columns).order_by(part, *order_by(terms, page.dialect)), page.plan)


def _limited(page: _Page, branch: Branch, number: int) -> sa.Subquery:
    part = sa.literal_column(str(number), sa.Integer()).label("part")
    statement = _select_part(page, [*_numbered(page.columns()), part], branch)
    return statement.limit(sum(_window(page.plan))).subquery()


def _numbered(columns: Sequence[_Column]) -> list[_Column]:
    """Under names that no two share."""
    return [column.label(f"c{number}") for number, column in enumerate(columns)]


@dataclass(frozen=True, slots=True)
class _Family:
    """Parents and the rows behind one of their links; `above` is the alias of the parents."""

    parent: Description
    above: Entity
    many: Many
    sources: _Sources
    dialect: str

    def key(self) -> list[_Column]:
        return [form.shown(column) for column, form in self._key()]

    def compared_key(self) -> list[_Column]:
        return [form.compared(column) for column, form in self._key()]

    def columns(self) -> list[_Column]:
        layout = layout_of_children(self.many, self.dialect)
        return [_column(cell, self.sources, self.dialect) for cell in layout.cells]

    def join(self, columns: Sequence[_Column]) -> _Statement:
        link = getattr(self.above, self.many.link.name).of_type(self.sources.root)
        return self.sources.join(sa.select(*columns).select_from(self.above).join(link))

    def conditions(self) -> list[ColumnElement[bool]]:
        return where(self.many.test, self.many.selection.description, self.sources.root, self.dialect)

    def order(self) -> list[_Column]:
        return order_by(_sorted(self.many.order, self.sources, self.dialect), self.dialect)

    def _key(self) -> list[tuple[_Column, Form]]:
        return [_read(field, self.above, self.dialect) for field in self.parent.key]


def _is_of_its_own_columns(test: Test) -> bool:
    """Whether a test has no subquery: inside of LATERAL, SQLAlchemy takes the tables of one for a cartesian product."""
    match test:
        case Every(parts) | Either(parts):
            return all(map(_is_of_its_own_columns, parts))
        case Negation(part):
            return _is_of_its_own_columns(part)
    return isinstance(test, Compare)


def _is_among(family: _Family, keys: Sequence[Sequence[Any]]) -> ColumnElement[bool]:
    own = family.compared_key()
    if len(own) == 1:
        return own[0].in_([key[0] for key in keys])
    return sa.tuple_(*own).in_([tuple(key) for key in keys])


def _first_of_each_part(family: _Family, keys: Sequence[Sequence[Any]], limit: int) -> _Statement:
    order = family.order()
    # By way of a table between, a row may come twice: both have the same rank, and are one row to whoever reads them.
    repeats = not family.many.link.pairs and family.many.selection.description.unique and order
    rank = sa.func.dense_rank() if repeats else sa.func.row_number()
    nth = rank.over(partition_by=family.key(), order_by=order or None).label("nth")
    ranked = family.join([*_numbered([*family.key(), *family.columns()]), nth])
    ranked = ranked.where(_is_among(family, keys), *family.conditions())
    *columns, place = ranked.subquery().columns
    return sa.select(*columns).where(place <= limit).order_by(place)


def _first_of_each_parent(family: _Family, keys: Sequence[Sequence[Any]], limit: int) -> _Statement:
    """For each parent a scan of its own, which an index ends after a few rows; ranking would read all of them."""
    order, child = family.order(), family.sources.root
    pairs = (
        getattr(child, remote) == getattr(family.above, local) for local, remote in family.many.link.pairs
    )
    nth = sa.func.row_number().over(order_by=order or None).label("nth")
    rows = family.sources.select([*_numbered(family.columns()), nth]).where(*pairs, *family.conditions())
    *columns, place = rows.order_by(*order).limit(limit).lateral().columns
    statement = sa.select(*family.key(), *columns).select_from(family.above).join(place.table, sa.true())
    return statement.where(_is_among(family, keys)).order_by(place)
