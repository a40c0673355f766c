"""Query → plan: names resolved, values typed, limits checked, the order made stable."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, TypeAlias

import sqlalchemy as sa
from pydantic import Field as Limit
from pydantic import TypeAdapter, ValidationError

from splice import cursors
from splice.description import Description, Field, Link
from splice.errors import Invalid, Issue, UnknownField, UnknownParameter
from splice.fingerprints import fingerprint
from splice.grammar import MAX_ISSUES, MAX_SHOWN, issue
from splice.issues import first_issue
from splice.operators import LIKE, is_comparable, operators_of, takes
from splice.readable import MAX_HOPS, MAX_OFFSET, CustomFilter, Readable, Way, ways
from splice.reads import (
    ChildOf,
    Compare,
    Computed,
    Custom,
    Either,
    Every,
    Exists,
    KeyIs,
    Many,
    Negation,
    One,
    Position,
    ReadPlan,
    Selection,
    Sort,
    Test,
)
from splice.suggestions import (
    comparable_names,
    unknown_condition,
    unknown_relation,
    unknown_shown,
    unknown_sort,
)
from splice.terms import All, AnyOf, Condition, Expand, Filter, Not, Order, Place, Query, Related, Scalar
from splice.values import value_type

__all__ = [
    "MAX_COLUMNS",
    "MAX_CONDITIONS",
    "MAX_EXISTS",
    "MAX_EXPANDED",
    "MAX_EXPAND_DEPTH",
    "MAX_NESTED",
    "MAX_ORDER",
    "MAX_ORDER_HOPS",
    "MAX_PATTERN",
    "MAX_QUERY_VALUES",
    "MAX_RELATED_ROWS",
    "MAX_VALUES",
    "invalid_cursor",
    "plan_children",
    "plan_read",
    "plan_row",
]

MAX_VALUES: Final = 1_000
"""Values in one list."""
MAX_QUERY_VALUES: Final = 5_000
"""Values in one query, so that many lists cannot exceed what a driver binds."""
MAX_CONDITIONS: Final = 200
MAX_NESTED: Final = 6
"""Relations inside of each other in one filter: SQLite's parser gives up at 9."""
MAX_EXISTS: Final = 20
"""Relations in all the filters of one query."""
MAX_PATTERN: Final = 1_000
"""Characters of a piece of text that is looked for."""
MAX_EXPAND_DEPTH: Final = 4
MAX_EXPANDED: Final = 20
"""Relations that are shown in one answer."""
MAX_ORDER: Final = 10
"""Sort terms of one list."""
MAX_ORDER_HOPS: Final = 10
"""Relations in all sort terms of a list: each is a join, and databases bound their number."""
MAX_COLUMNS: Final = 1_000
"""Columns that are read for one row, those of relations to one row included."""
MAX_RELATED_ROWS: Final = 10_000
"""Rows of one expanded relation in one answer."""

_MAX_SKIPPED: Final = 2**53

_TRUTH: Final = TypeAdapter(bool)
_TEXT: Final[Any] = value_type(sa.Text(), None, "text").query
_PATTERN: Final[TypeAdapter[Any]] = TypeAdapter(Annotated[_TEXT, Limit(max_length=MAX_PATTERN)])

_Links: TypeAlias = tuple[tuple[Link, Readable], ...]


def plan_read(query: Query, readable: Readable) -> ReadPlan:
    """Resolve a query against a model.

    The key is always the last sort term, so that pages do not overlap.

    Raises:
        Invalid: A name is unknown, an operator or value does not fit its column, or a bound is exceeded; every fault is
            listed, and a misspelt name carries the nearest one as its hint.
    """
    return _plan_list(query, readable, ())


def plan_children(
    query: Query, child: Readable, parent: Readable, link: Link, key: Sequence[Any]
) -> ReadPlan:
    """Resolve a query against the rows that a link of one row leads to.

    Args:
        query: What is asked of the children.
        child: What may be asked of them.
        parent: The model that has the link.
        link: A relation of the parent.
        key: Typed values of the parent's key, in its order.

    Raises:
        Invalid: As for `plan_read`.
    """
    return _plan_list(query, child, (ChildOf(parent.description, link, tuple(key)),))


def plan_row(query: Query, readable: Readable, key: Sequence[Any]) -> ReadPlan:
    """Resolve what is to be shown of one row; `key` is typed, and in the order of the primary key.

    Raises:
        Invalid: As for `plan_read`, and where the query says more than `fields` and `expand`.
    """
    planning = _Planning()
    _check_size(query)
    for place in _beyond_a_row(query):
        planning.fault(_not_taken(place, "one row is shown: leave it out"))
    selection = _selection(query, readable, planning, depth=0)
    for found in _width_issues(query, selection, ()):
        planning.fault(found)
    planning.finish()
    tagged = query.fields is None and not query.expand
    return ReadPlan(selection, KeyIs(tuple(key)), (), limit=1, tagged=tagged)


@dataclass(slots=True)
class _Planning:
    """What is found on the way through a query."""

    issues: list[Issue] = field(default_factory=list)
    exists: int = 0
    inside: int = 0

    def fault(self, issue: Issue) -> None:
        self.issues.append(issue)
        if len(self.issues) == MAX_ISSUES:
            self.finish()

    def walk(self, way: Way, at: Place) -> None:
        """Count the relations that a filter leads through."""
        if len(way.links) > MAX_HOPS:
            self.fault(_too_far(at))
        elif self.inside + len(way.links) > MAX_NESTED:
            detail = f"Filters lead through at most {MAX_NESTED} relations inside of each other"
            self.fault(issue(at, detail, "too-many-relations"))
        self.exists += len(way.links)
        if self.exists - len(way.links) <= MAX_EXISTS < self.exists:
            detail = f"The filters of a query lead through at most {MAX_EXISTS} relations"
            self.fault(issue(at, detail, "too-many-relations"))

    def finish(self) -> None:
        """Refuse the query if anything is wrong with it."""
        if self.issues:
            raise _refusal(self.issues)


def _refusal(issues: Sequence[Issue]) -> Invalid:
    codes = {issue.code for issue in issues}
    kinds: Mapping[str, type[Invalid]] = {kind.code: kind for kind in (UnknownField, UnknownParameter)}
    kind = kinds.get(codes.pop(), Invalid) if len(codes) == 1 else Invalid
    where = "query" if any(issue.pointer is not None for issue in issues) else "query string"
    detail = issues[0].detail if len(issues) == 1 else f"{len(issues)} things are wrong with the {where}"
    return kind(detail, issues=issues)


def _plan_list(query: Query, model: Readable, also: tuple[Test, ...]) -> ReadPlan:
    planning = _Planning()
    _check_size(query)
    limit = model.default_limit if query.limit is None else query.limit
    for found in (*_page_issues(query, limit), *_limit_issues(query, model)):
        planning.fault(found)
    selection = _selection(query, model, planning, depth=0)
    test = Every((*also, *(_test(part, model, planning) for part in query.filter.parts)))
    order = _order(query.order, model, planning)
    for found in _width_issues(query, selection, order):
        planning.fault(found)
    planning.finish()
    mark = fingerprint(model.description, test, order)
    return ReadPlan(
        selection=selection,
        test=test,
        order=order,
        limit=limit,
        offset=_offset(query, limit),
        position=_position(query, model.description, len(order), mark),
        count=query.count,
        fingerprint=mark,
    )


# Sizes: checked before anything is looked up, so that a large query costs no more than its reading.


def _check_size(query: Query) -> None:
    queries = [query, *_expanded(query)]
    conditions = [leaf for one in queries for leaf in _leaves(one.filter) if isinstance(leaf, Condition)]
    for found, most, code, what in (
        (len(queries) - 1, MAX_EXPANDED, "too-many-relations", "relations can be shown in one answer"),
        (len(conditions), MAX_CONDITIONS, "too-many-conditions", "conditions can be asked for in one query"),
        (
            sum(len(one.values) for one in conditions),
            MAX_QUERY_VALUES,
            "too-many-values",
            "values can be compared in one query",
        ),
        (max(len(one.order) for one in queries), MAX_ORDER, "too-many-terms", "terms can be sorted by"),
    ):
        if found > most:
            raise _refusal([Issue(f"at most {most} {what}", code)])
    for one in conditions:
        if len(one.values) > MAX_VALUES:
            detail = f"at most {MAX_VALUES} values can be compared with one field"
            raise _refusal([issue(one.at, detail, "too-many-values")])


def _width_issues(query: Query, selection: Selection, order: Sequence[Sort]) -> Iterator[Issue]:
    """How wide the statement of the page becomes: every database has bounds of its own."""
    if _columns_of(selection) > MAX_COLUMNS:
        detail = f"At most {MAX_COLUMNS} columns are read for a row, those of relations to one row included"
        yield issue(query.at("expand"), detail, "too-many-columns", "name some of them by fields")
    if sum(len(term.links) for term in order) > MAX_ORDER_HOPS:
        detail = f"Sort terms lead through at most {MAX_ORDER_HOPS} relations in all"
        yield issue(query.at("order_by"), detail, "too-many-relations")


def _columns_of(selection: Selection) -> int:
    """Columns of one statement; relations to many have statements of their own, no wider than this one may be."""
    inner = [_columns_of(relation.selection) for relation in selection.relations]
    return len(selection.fields) + sum(inner)


def _expanded(query: Query) -> Iterator[Query]:
    """The queries of all relations to show, those behind others too."""
    level: Sequence[Query] = (query,)
    for _ in range(MAX_EXPAND_DEPTH):
        level = [expand.query for one in level for expand in one.expand]
        yield from level
    for one in level:
        for expand in one.expand:
            detail = f"Relations can be shown {MAX_EXPAND_DEPTH} deep"
            raise _refusal([issue(expand.at, detail, "too-deep", "read the rows behind them on their own")])


def _leaves(part: Filter) -> Iterator[Condition | Related]:
    """The conditions of a filter in the order sent, and the relations that some of them are about."""
    waiting = [part]
    while waiting:
        match waiting.pop():
            case Condition() as leaf:
                yield leaf
            case Related() as leaf:
                yield leaf
                waiting.append(leaf.part)
            case Not(inner):
                waiting.append(inner)
            case All(parts) | AnyOf(parts):
                waiting.extend(reversed(parts))


# Pages.


def _page_issues(query: Query, limit: int) -> Iterator[Issue]:
    given = [name for name in ("cursor", "page", "offset") if getattr(query, name) is not None]
    for other in given[1:]:
        detail = "Only one place to begin at can be given"
        yield issue(query.at(other), detail, "repeated-parameter", "leave all others out")
    rows = max(limit, 1)
    if not 0 <= _offset(query, rows) <= MAX_OFFSET:
        name, low, high = (
            ("offset", 0, MAX_OFFSET) if query.page is None else ("page", 1, MAX_OFFSET // rows + 1)
        )
        yield _out_of_range(query, name, low, high, "filter the rows")


def _limit_issues(query: Query, model: Readable) -> Iterator[Issue]:
    if query.limit is not None and not 1 <= query.limit <= model.max_limit:
        yield _out_of_range(query, "limit", 1, model.max_limit)


def _out_of_range(query: Query, setting: str, low: int, high: int, hint: str | None = None) -> Issue:
    at = query.at(setting)
    name = at.parameter or setting
    return issue(at, f"{name[:MAX_SHOWN]} should lie between {low} and {high}", "out-of-range", hint)


def _offset(query: Query, limit: int) -> int:
    return query.offset or 0 if query.page is None else (query.page - 1) * limit


def _position(query: Query, description: Description, terms: int, mark: str) -> Position | None:
    if query.cursor is None:
        return None
    try:
        cursor = cursors.decode(query.cursor)
    except cursors.InvalidCursor:
        raise invalid_cursor(query.at("cursor")) from None
    rows = cursor.skipped
    fits = (
        len(cursor.values) == terms
        if description.walkable
        else rows is not None and 0 <= rows <= _MAX_SKIPPED
    )
    if cursor.fingerprint != mark or not fits:
        raise invalid_cursor(query.at("cursor"))
    if description.walkable:
        return Position(tuple(cursor.values), cursor.backward, at=query.at("cursor"))
    return Position(skipped=rows, at=query.at("cursor"))


def invalid_cursor(at: Place) -> Invalid:
    """The refusal of a cursor that no answer to the same query has given out."""
    detail = "The cursor is not one of this query"
    hint = "take it from `next` of an answer to the same filter and order, or leave it out to begin anew"
    return _refusal([issue(at, detail, "invalid-cursor", hint)])


# Filters.


def _test(part: Filter, model: Readable, planning: _Planning) -> Test:
    match part:
        case Condition():
            return _condition(part, model, planning)
        case Related():
            return _related(part, model, planning)
        case Not(inner):
            return Negation(_test(inner, model, planning))
        case All(parts):
            return Every(tuple(_test(one, model, planning) for one in parts))
        case AnyOf(parts):
            return Either(tuple(_test(one, model, planning) for one in parts))


def _condition(condition: Condition, model: Readable, planning: _Planning) -> Test:
    way = next(filter(_can_be_filtered, ways(condition.path, model, MAX_HOPS + 1)), None)
    if way is None:
        planning.fault(unknown_condition(condition, model))
        return Every()
    planning.walk(way, condition.at)
    if way.rest is None:
        return _presence(condition, way, planning)
    if way.rest in way.end.fields:
        return _behind(way.links, _comparison(condition, way, planning))
    return _behind(way.links, _custom(condition, way.end.filters[way.rest], planning))


def _can_be_filtered(way: Way) -> bool:
    return way.rest is None or way.rest in way.end.fields or way.rest in way.end.filters


def _presence(condition: Condition, way: Way, planning: _Planning) -> Test:
    """Whether there is a row behind a relation."""
    link, target = way.links[-1]
    if condition.operator != "isnull":
        one = f"{condition.path[:MAX_SHOWN]}__{target.description.key[0].name}"
        hint = f"compare a field of it, as in {one}, or ask with isnull whether there is a row"
        detail = f"{link.name!r} is a relation, and has no value to compare"
        planning.fault(issue(condition.at, detail, "operator-unfit", hint))
        return Every()
    present = Exists(link, target.description, Every())
    absent = _values(condition, _TRUTH, planning) == (True,)
    return _behind(way.links[:-1], Negation(present) if absent else present)


def _comparison(condition: Condition, way: Way, planning: _Planning) -> Test:
    compared = way.end.fields[way.rest or ""]
    allowed = operators_of(compared)
    if condition.operator not in allowed:
        planning.fault(_unfit(condition, compared, way.end))
        return Every()
    return Compare(
        compared, condition.operator, _values(condition, _adapter(condition, compared, way.end), planning)
    )


def _adapter(condition: Condition, compared: Field, owner: Readable) -> TypeAdapter[Any]:
    if condition.operator == "isnull":
        return _TRUTH
    if condition.operator in LIKE:
        return _PATTERN
    strict = condition.at.pointer is not None
    return (owner.strict_adapters if strict else owner.adapters)[compared.name]


def _unfit(condition: Condition, compared: Field, owner: Readable) -> Issue:
    name = f"{owner.description.name}.{compared.name}"
    if not is_comparable(compared):
        detail = f"{name} holds JSON or a list, whose values cannot be compared"
        return issue(condition.at, detail, UnknownField.code, "ask with isnull whether there is one")
    hint = f"it can be asked by {', '.join(operators_of(compared))}"
    return issue(condition.at, f"{name} cannot be asked by {condition.operator!r}", "operator-unfit", hint)


def _custom(condition: Condition, custom: CustomFilter, planning: _Planning) -> Test:
    if condition.operator != "eq":
        detail = f"{custom.name!r} is a filter of its own, which takes one value and no operator"
        planning.fault(issue(condition.at, detail, "operator-unfit", f"write {custom.name}=…, once"))
        return Every()
    values = _values(condition, custom.adapter, planning)
    return Custom(custom.build, values[0], custom.name) if values else Every()


def _related(related: Related, model: Readable, planning: _Planning) -> Test:
    way = next((way for way in ways(related.path, model, MAX_HOPS + 1) if way.rest is None), None)
    if way is None:
        planning.fault(unknown_relation(related.path, related.at, model))
        return Every()
    planning.walk(way, related.at)
    planning.inside += len(way.links)
    part = _test(related.part, way.end, planning)
    planning.inside -= len(way.links)
    return _behind(way.links, part)


def _too_far(at: Place) -> Issue:
    return issue(at, f"A path leads through at most {MAX_HOPS} relations", "too-many-relations")


def _behind(links: _Links, test: Test) -> Test:
    for link, target in reversed(links):
        test = Exists(link, target.description, test)
    return test


def _values(condition: Condition, adapter: TypeAdapter[Any], planning: _Planning) -> tuple[Any, ...]:
    """The values of a condition as its column has them; none where one of them is unfit."""
    if not takes(condition.operator, len(condition.values)):
        wanted = {"between": "two values", "in": "values", "not_in": "values"}.get(
            condition.operator, "one value"
        )
        planning.fault(issue(condition.at, f"{condition.operator} takes {wanted}", "wrong-number-of-values"))
        return ()
    typed = []
    for number, value in enumerate(condition.values):
        try:
            typed.append(_typed(value, adapter, condition.at))
        except ValidationError as error:
            planning.fault(_unfit_value(error, condition, number))
            return ()
    return tuple(typed)


def _typed(value: Scalar, adapter: TypeAdapter[Any], at: Place) -> Any:
    """Text of a query string is read laxly, a value of a document as it would be in a body."""
    if at.pointer is None:
        return adapter.validate_strings(value if isinstance(value, str) else json.dumps(value))
    # ASCII, so that half of a surrogate pair is refused like any other text that is none.
    return adapter.validate_json(json.dumps(value), strict=True)


def _unfit_value(error: ValidationError, condition: Condition, number: int) -> Issue:
    pointer = condition.at.pointer
    if pointer is not None and condition.operator in {"in", "not_in", "between"}:
        pointer = f"{pointer}/{number}"
    found = first_issue(error)
    return issue(Place(condition.at.parameter, pointer), found.detail, found.code)


# Order.


def _order(order: Sequence[Order], model: Readable, planning: _Planning) -> tuple[Sort, ...]:
    """The terms asked for and then the key; a second term on one field cannot change anything.

    The key goes the way of the last term: an index is then walked in one direction, and what is newest comes first.
    """
    descending = bool(order) and order[-1].descending
    terms: dict[tuple[str, ...], Sort] = {}
    asked = (_sort(term, model, planning) for term in order)
    key = (Sort((), part, descending, nullable=part.nullable) for part in model.description.key)
    for term in (*asked, *key):
        if term is not None:
            terms.setdefault((*(link.name for link, _ in term.links), term.by.name), term)
    return tuple(terms.values())


def _sort(order: Order, model: Readable, planning: _Planning) -> Sort | None:
    way = next(filter(_can_be_sorted, ways(order.path, model, MAX_HOPS + 1)), None)
    if way is None or way.rest is None:
        planning.fault(_unsortable(order, way, model))
        return None
    unfit = next((link for link, _ in way.links if not link.joins), None)
    if unfit is not None:
        planning.fault(_not_one_row(order, unfit))
        return None
    if len(way.links) > MAX_HOPS:
        planning.fault(_too_far(order.at))
        return None
    return _sort_by(_sort_key(way, way.rest), way, order)


def _can_be_sorted(way: Way) -> bool:
    return way.rest is None or way.rest in way.end.sorts or way.rest in comparable_names(way.end)


def _sort_key(way: Way, name: str) -> Field | Computed:
    return way.end.fields[name] if name in way.end.fields else way.end.sorts[name]


def _sort_by(by: Field | Computed, way: Way, order: Order) -> Sort:
    return Sort(
        links=tuple((link, target.description) for link, target in way.links),
        by=by,
        descending=order.descending,
        # A link may lead nowhere whatever the columns say: SQLite files with broken foreign keys exist.
        nullable=isinstance(by, Computed) or by.nullable or bool(way.links),
    )


def _unsortable(order: Order, way: Way | None, model: Readable) -> Issue:
    if way is None:
        return unknown_sort(order, model)
    link, target = way.links[-1]
    if not link.joins:
        return _not_one_row(order, link)
    hint = f"write {order.path[:MAX_SHOWN]}__{target.description.key[0].name}, or another field of it"
    return issue(order.at, f"{link.name!r} is a relation, and has no value to sort by", "not-sortable", hint)


def _not_one_row(order: Order, link: Link) -> Issue:
    reason = "leads to many rows" if link.many else "does not lead to one row by a key of it"
    detail = f"{link.name!r} {reason}, so that there is no one value to sort by"
    hint = "sort by a field of the model itself, or of a relation to one row"
    return issue(order.at, detail, "not-sortable", hint)


# What is shown.


def _selection(query: Query, model: Readable, planning: _Planning, depth: int) -> Selection:
    for found in _fixed_shape(query, model, depth):
        planning.fault(found)
    shown = {
        name: part
        for name, part in model.fields.items()
        if depth == 0 or model.shown is None or name in model.shown
    }
    return Selection(
        description=model.description,
        fields=_fields(query, model, shown, planning),
        relations=_relations(query, model, planning, depth),
    )


def _fixed_shape(query: Query, model: Readable, depth: int) -> Iterator[Issue]:
    """A row that is reached through a relation is not written by the model of its resource, and can be cut down."""
    if model.expands:
        return
    name = model.description.name
    detail = f"A row of {name} is written by a model of its own, which decides what is in it"
    if query.fields is not None and depth == 0:
        yield issue(query.at("fields"), detail, "fixed-shape", "leave it out")
    for expand in query.expand:
        yield issue(expand.at, detail, "fixed-shape", "leave it out")


def _fields(
    query: Query, model: Readable, shown: Mapping[str, Field], planning: _Planning
) -> tuple[Field, ...]:
    if query.fields is None:
        return tuple(shown.values())
    wanted = dict.fromkeys(query.fields)
    for name in wanted:
        if name not in shown:
            planning.fault(unknown_shown(name, query.at("fields"), model, shown))
    return tuple(part for name, part in shown.items() if name in wanted)


def _relations(query: Query, model: Readable, planning: _Planning, depth: int) -> tuple[One | Many, ...]:
    found: dict[str, One | Many] = {}
    for expand in query.expand:
        if expand.relation in found:
            planning.fault(issue(expand.at, "A relation is shown once", "repeated-parameter", "name it once"))
            continue
        relation = _relation(expand, model, planning, depth)
        if relation is not None:
            found[expand.relation] = relation
    return tuple(found[name] for name in model.description.links if name in found)


def _relation(expand: Expand, model: Readable, planning: _Planning, depth: int) -> One | Many | None:
    found = model.link(expand.relation)
    if found is None:
        planning.fault(unknown_relation(expand.relation, expand.at, model))
        return None
    link, target = found
    for fault in _nested_issues(expand, link, target):
        planning.fault(fault)
    selection = _selection(expand.query, target, planning, depth + 1)
    if link.joins:
        return One(link, selection)
    return Many(
        link=link,
        selection=selection,
        test=_test(expand.query.filter, target, planning),
        order=_order(expand.query.order or _order_of(link), target, planning),
        limit=expand.query.limit,
    )


def _order_of(link: Link) -> tuple[Order, ...]:
    """The order that the relationship itself states, as far as clients could ask for it."""
    return tuple(Order(name, descending) for name, descending in link.order)


def _nested_issues(expand: Expand, link: Link, target: Readable) -> Iterator[Issue]:
    query = expand.query
    for setting in ("cursor", "offset", "page", "count"):
        if getattr(query, setting) is not None:
            yield _not_taken(query.at(setting), "leave it out, or read these rows on their own")
    if link.many:
        yield from _limit_issues(query, target)
        return
    for place in _list_places(query, expand.at):
        detail = f"{link.name!r} leads to one row: it takes no filter, order or limit"
        hint = f"to filter by it, write {link.name}__…; dots are for what is shown"
        yield issue(place, detail, "single-row", hint)


def _list_places(query: Query, otherwise: Place) -> Iterator[Place]:
    """Where a query says which rows of a list are meant, or how they follow each other."""
    yield from (
        part.at if isinstance(part, Condition | Related) else otherwise for part in query.filter.parts
    )
    yield from (term.at for term in query.order)
    if query.limit is not None:
        yield query.at("limit")


def _beyond_a_row(query: Query) -> Iterator[Place]:
    """Where a query says what only a list can do."""
    yield from _list_places(query, query.at("filter"))
    for setting in ("cursor", "offset", "page", "count"):
        if getattr(query, setting) is not None:
            yield query.at(setting)


def _not_taken(at: Place, hint: str) -> Issue:
    return issue(at, "This route takes no such parameter", UnknownParameter.code, hint)
