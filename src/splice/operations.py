"""The verbs, each written once as a plain function of a `Session`; nothing here knows HTTP or an event loop."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import sqlalchemy as sa
from pydantic import MISSING, BaseModel, TypeAdapter, ValidationError
from sqlalchemy.orm import Mapper, Session, undefer
from sqlalchemy.orm.attributes import instance_dict, set_committed_value
from sqlalchemy.sql.base import ExecutableOption

from splice import schemas
from splice.counts import Counted, count
from splice.description import Description, Field, Relation
from splice.errors import (
    ForbiddenField,
    Invalid,
    Issue,
    NotFound,
    PreconditionFailed,
    Problem,
    ReferenceMissing,
    SetupError,
)
from splice.exports import MediaType
from splice.faults import Moment, foreign_keys, reference_missing, still_referenced, translate
from splice.hooks import Action, Change, Hook, Hooks, run_after_commit, run_hooks
from splice.issues import first_issue, issue_of
from splice.loads import refuse_lazy_loads_of, watch_new
from splice.paging import neighbours
from splice.plan import invalid_cursor
from splice.reading import TOO_MANY_ROWS, read_entities, read_rows
from splice.reads import KeyIs, ReadPlan, Selection
from splice.schemas import changes, new_values
from splice.serializers import RowSerializer
from splice.shapes import Key, PageRows, Row, RowShape, Shape, dialect_of, row_of
from splice.statements import (
    children_of,
    has_row,
    lock_entity,
    parent_of,
    reselect_entity,
    select_entity,
)

__all__ = [
    "Check",
    "Chunk",
    "Chunks",
    "Page",
    "RowAnswer",
    "Subject",
    "any_state",
    "chunks_of",
    "commit",
    "create",
    "find",
    "find_entities",
    "get_entity",
    "plain_page",
    "read",
    "remove",
    "replace",
    "replacement",
    "require",
    "take_entity",
    "update",
    "write_out",
]


_CHUNK: Final = 1_000
"""Rows that are read at once of a list that is sent whole."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page, and the count of all rows that match, where that was asked for."""

    rows: PageRows
    counted: Counted | None


@dataclass(frozen=True, slots=True)
class RowAnswer:
    """One row as it will be sent: JSON, its entity tag without quotes, its key, and whether it was made just now.

    What shows another part of a row than the tag is about has none.
    """

    body: bytes
    tag: str | None
    key: Key = ()
    created: bool = False


@dataclass(frozen=True, slots=True)
class Subject:
    """A described model with everything that its verbs need.

    `whole` is all that is shown of a row unless a client says otherwise; `state` writes what an entity tag is about;
    `tables` names the other models for error messages; `limits` hold values to their columns where a model of the
    user's own may let through more.
    """

    description: Description
    whole: Selection
    shape: Shape
    state: RowSerializer
    hooks: Hooks
    tables: Mapping[str, Description]
    limits: Mapping[str, TypeAdapter[Any]]
    generated_create: bool


def any_state(_tag: str) -> bool:
    """The precondition of a request that states none."""
    return True


def find(session: Session, subject: Subject, plan: ReadPlan, check: Check | None = None) -> Page:
    """One page of rows; counts only where the plan says so.

    Args:
        session: Where the rows are.
        subject: Whose rows.
        plan: Which of them.
        check: Asked where there are none: raises where there is nothing that they could belong to.

    Raises:
        Invalid: The cursor is not one that this list gave out, or more related rows would be shown than fit an answer.
    """
    with _faults_named(subject):
        counted = None if plan.count is None else count(session, plan, _dialect(session, subject))
        page = Page(subject.shape.find(session, plan), counted)
    if page.rows.size == 0 and check is not None:
        check(session)
    return page


def plain_page(session: Session, subject: Subject, plan: ReadPlan) -> schemas.Page[dict[str, Any]]:
    """One page as values: rows as JSON knows them, the cursor behind it, and its count."""
    if not isinstance(subject.shape, RowShape):
        raise SetupError(
            f"{subject.description.name} has a read= model, whose rows are entities: use find(session, query)"
        )
    dialect, serializer = _dialect(session, subject), subject.shape.serializers.of(plan.selection)
    with _faults_named(subject):
        counted = None if plan.count is None else count(session, plan, dialect)
        found = read_rows(session, plan, dialect)
    return schemas.Page[dict[str, Any]](
        items=[serializer.plain(row) for row in found.rows],
        next=neighbours(plan, found).next,
        total=MISSING if counted is None else counted.total,
        total_is=MISSING if counted is None or plan.count == "exact" else counted.kind,
    )


def require(session: Session, subject: Subject, key: Key) -> None:
    """Make sure that a row is there.

    Raises:
        NotFound: No row has this key.
    """
    with _faults_named(subject):
        statement = has_row(subject.description, key, _dialect(session, subject))
        found = session.execute(statement).scalar()
    if not found:
        raise _missing(subject.description)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a long answer, and what reads the next one; None behind the last."""

    body: bytes
    following: Chunks | None


Chunks: TypeAlias = Callable[[Session], Chunk]
Check: TypeAlias = Callable[[Session], None]
_Reader: TypeAlias = Callable[[Session, ReadPlan], PageRows]


def chunks_of(
    subject: Subject, plan: ReadPlan, media_type: MediaType, most: int | None, check: Check | None = None
) -> Chunks:
    """Read a whole list chunk by chunk, each behind the last row of the one before.

    Args:
        subject: Whose rows.
        plan: Where to begin; its limit is not used.
        media_type: How rows are written.
        most: Rows in all; None for every one.
        check: As in `find`.
    """
    if plan.position is not None and plan.position.backward:
        raise invalid_cursor(plan.position.at)  # Of a page before; a download goes on from where one ended.
    export = subject.shape.export(plan.selection, media_type)
    reading = functools.partial(_chunk, subject, export.read, plan, most)

    def first(session: Session) -> Chunk:
        chunk = reading(session)
        if not chunk.body and check is not None:
            check(session)
        return dataclasses.replace(chunk, body=export.header + chunk.body)

    return first


def _chunk(subject: Subject, read: _Reader, plan: ReadPlan, most: int | None, session: Session) -> Chunk:
    part = dataclasses.replace(plan, limit=_CHUNK if most is None else min(most, _CHUNK))
    with _faults_named(subject):
        rows = _fitting(session, read, part)
    left = None if most is None else most - rows.size
    if not rows.has_more or left == 0:
        return Chunk(rows.items, None)
    return Chunk(rows.items, functools.partial(_chunk, subject, read, _behind(part, rows), left))


def _fitting(session: Session, read: _Reader, part: ReadPlan) -> PageRows:
    """As many rows as one chunk takes together with those of their relations."""
    try:
        return read(session, part)
    except Invalid as problem:
        if part.limit == 1 or [issue.code for issue in problem.issues] != [TOO_MANY_ROWS]:
            raise
        return _fitting(session, read, dataclasses.replace(part, limit=part.limit // 2))


def _behind(plan: ReadPlan, rows: PageRows) -> ReadPlan:
    """The same list behind the rows that were read."""
    return dataclasses.replace(plan, position=rows.last, offset=0)


def read(session: Session, subject: Subject, key: Key, plan: ReadPlan) -> RowAnswer:
    """One row.

    Raises:
        NotFound: No row has this key.
    """
    with _faults_named(subject):
        found = subject.shape.read(session, plan)
    if found is None:
        raise _missing(subject.description)
    return _answer(subject, key, *found) if plan.tagged else RowAnswer(found[0], None, key)


def find_entities(session: Session, subject: Subject, plan: ReadPlan) -> list[Any]:
    """The rows of one page as ORM entities, for scripts and routes of the user's own."""
    with _faults_named(subject):
        return read_entities(session, plan, _dialect(session, subject)).entities


def get_entity(session: Session, subject: Subject, key: Key) -> Any:
    """One ORM entity with all that answers show of it, for a script or a route of the user's own."""
    statement = select_entity(subject.description, key, _dialect(session, subject)).options(*_shown(subject))
    with _faults_named(subject):
        entity = session.execute(statement).unique().scalar_one_or_none()
    if entity is None:
        raise _missing(subject.description)
    return entity


def take_entity(session: Session, subject: Subject, key: Key, *, locks: bool) -> Any:
    """The same for a route of the user's own, where a read of anything that is not loaded raises.

    `locks` is said by a route that is about to change it.
    """
    if locks:
        _locked(session, subject, key, any_state)
    entity = get_entity(session, subject, key)
    refuse_lazy_loads_of(session, entity)
    return entity


def write_out(session: Session, subject: Subject, entities: Sequence[Any]) -> None:
    """Flush, and read back what the database has made of these entities, with all that answers show."""
    with _faults_named(subject):
        session.flush()
        for entity in entities:
            session.refresh(entity)
            if isinstance(entity, subject.description.model):
                _load_shown(session, subject, entity)


def create(session: Session, subject: Subject, body: BaseModel) -> RowAnswer:
    """Store a new row, its hooks in the same transaction.

    The answer is read back, since only the database knows what it stored: scales, defaults, triggers.
    """
    values = new_values(body, generated=subject.generated_create)
    _hold_to_columns(subject, values)
    return _insert(session, subject, values, body)


def update(
    session: Session, subject: Subject, key: Key, body: BaseModel, allows: Callable[[str], bool] = any_state
) -> RowAnswer:
    """Merge what was sent into a row (RFC 7396), and write only that.

    `allows` tells whether a state, by its entity tag, is one that the client wants to change: asked under the row lock.

    Raises:
        NotFound: No row has this key.
        PreconditionFailed: The row is not in a state that the client allows.
    """
    values = changes(body)
    _hold_to_columns(subject, values)
    return _write(session, subject, _locked(session, subject, key, allows), values, body)


def replace(  # a request states two preconditions
    session: Session,
    subject: Subject,
    key: Key,
    body: BaseModel,
    allows: Callable[[str], bool] = any_state,
    *,
    must_exist: bool = False,
) -> RowAnswer:
    """Replace everything that clients may write; what was not sent takes its Python default, else NULL.

    Where the key is the client's, a missing row is created, unless it `must_exist`.
    """
    sent = changes(body)
    entity = _found(session, subject, key)
    if entity is None:
        return _put_new(session, subject, key, sent, body, conditional=must_exist)
    _check(subject, entity, allows)
    _refuse_other_identity(subject.description, entity, sent)
    return _write(session, subject, entity, replacement(subject.description, sent), body)


def remove(session: Session, subject: Subject, key: Key, allows: Callable[[str], bool] = any_state) -> None:
    """Delete a row, and with it what its relationships declare a delete cascade for.

    Raises:
        StillReferenced: Other rows refer to it; the ORM would cut them loose without a word.
    """
    entity = _locked(session, subject, key, allows)
    row = row_of(subject.description, entity)
    with _faults_named(subject, "delete"):
        run_hooks(subject.hooks.before_delete, session, entity)
        _refuse_children(session, subject, entity)
        session.delete(entity)
        session.flush()
        run_hooks(subject.hooks.after_delete, session, entity)
        session.flush()
    _announce(session, subject, "delete", row)


def _dialect(session: Session, subject: Subject) -> str:
    return dialect_of(session, subject.description.model)


def _load_shown(session: Session, subject: Subject, entity: Any) -> None:
    options = _shown(subject)
    if options:
        key = sa.inspect(entity).identity
        statement = reselect_entity(subject.description, key, _dialect(session, subject))
        session.execute(statement.options(*options)).unique().one_or_none()


def _shown(subject: Subject) -> list[ExecutableOption]:
    """What loads all that answers show: relations, and columns that are loaded only when they are asked for."""
    description = subject.description
    deferred = [part.name for part in description.readable if _is_deferred(description.model, part.name)]
    return [*(undefer(getattr(description.model, name)) for name in deferred), *subject.shape.options]


def _is_deferred(model: type[Any], name: str) -> bool:
    column = sa.inspect(model).column_attrs.get(name)
    return column is not None and column.deferred


def _hold_to_columns(subject: Subject, values: Row) -> None:
    """SQLite would store what no column holds, and every database words its refusal differently."""
    checked = (
        _misfit(subject.limits[name], name, value) for name, value in values.items() if name in subject.limits
    )
    issues = [issue for issue in checked if issue is not None]
    if issues:
        raise Invalid(issues=issues)


def _misfit(limit: TypeAdapter[Any], name: str, value: Any) -> Issue | None:
    try:
        limit.validate_python(value)
    except ValidationError as error:
        return first_issue(error, pointer=f"/{name}")
    return None


def _insert(session: Session, subject: Subject, values: Row, body: BaseModel) -> RowAnswer:
    entity = _new_entity(subject.description, values)
    with _faults_named(subject, probing=(session, values)):
        if subject.hooks.before_create:
            watch_new(session, entity)
        run_hooks(subject.hooks.before_create, session, entity, body)
        session.add(entity)
        with _nulls_meant(subject.description, entity, values):
            session.flush()
        _run_after(subject.hooks.after_create, session, entity, body)
        session.flush()
    return dataclasses.replace(_stored(session, subject, entity, "create"), created=True)


def _write(session: Session, subject: Subject, entity: Any, values: Row, body: BaseModel) -> RowAnswer:
    with _faults_named(subject, probing=(session, values)):
        _assign(subject.description, entity, values)
        with session.no_autoflush:  # A query of a hook would send the UPDATE before the hooks are done.
            run_hooks(subject.hooks.before_update, session, entity, body)
        with _nulls_meant(subject.description, entity, values):
            session.flush()
        _run_after(subject.hooks.after_update, session, entity, body)
        session.flush()
    return _stored(session, subject, entity, "update")


def _run_after(hooks: Sequence[Hook], session: Session, entity: Any, body: BaseModel) -> None:
    """Run hooks on an entity that is whole: an async one could not wait for what the database has still to supply."""
    expired = sa.inspect(entity).expired_attributes & {
        prop.key for prop in sa.inspect(type(entity)).column_attrs
    }
    if hooks and expired:
        session.refresh(entity, expired)
    run_hooks(hooks, session, entity, body)


def _stored(session: Session, subject: Subject, entity: Any, action: Action) -> RowAnswer:
    key = sa.inspect(entity).identity
    with _faults_named(subject):
        found = subject.shape.read(session, ReadPlan(subject.whole, KeyIs(tuple(key)), (), limit=1))
    if found is None:
        raise NotFound(f"This {subject.description.name} is not visible after it was written")
    _announce(session, subject, action, found[1])
    return _answer(subject, key, *found)


def _announce(session: Session, subject: Subject, action: Action, row: Row) -> None:
    shown = {field.name: row[field.name] for field in subject.description.readable}
    run_after_commit(subject.hooks.after_commit, session, Change(action, subject.description.model, shown))


def _put_new(
    session: Session, subject: Subject, key: Key, sent: Row, body: BaseModel, *, conditional: bool
) -> RowAnswer:
    # RFC 9110, 13.2.1: a precondition counts only where the request would succeed without it.
    if not subject.description.client_key:
        raise _missing(subject.description)
    if conditional:
        raise PreconditionFailed("There is no such row, so it cannot be in the state that If-Match asks for")
    identity = {part.name: value for part, value in zip(subject.description.key, key, strict=True)}
    _refuse_other_key(identity, sent)
    _check_key(type(body), identity)
    once = {name: value for name, value in sent.items() if subject.description.fields[name].creatable}
    return _insert(session, subject, replacement(subject.description, sent) | once | identity, body)


def _refuse_other_key(identity: Row, sent: Row) -> None:
    for name, value in identity.items():
        if name in sent and sent[name] != value:
            raise ForbiddenField(
                f"{name} is the key in the path, it cannot be another here", pointer=f"/{name}"
            )


def _check_key(model: type[BaseModel], identity: Row) -> None:
    """Hold a key that came by the path to every limit of the body: it is about to be stored."""
    try:
        model.model_validate(identity)
    except ValidationError as error:
        found = {str(item["loc"][0]): item for item in error.errors(include_url=False, include_input=False)}
        issues = [issue_of(item, parameter=name) for name, item in found.items() if name in identity]
        if issues:
            raise Invalid(issues=issues) from error


def _locked(session: Session, subject: Subject, key: Key, allows: Callable[[str], bool]) -> Any:
    entity = _found(session, subject, key)
    if entity is None:
        raise _missing(subject.description)
    _check(subject, entity, allows)
    return entity


def _found(session: Session, subject: Subject, key: Key) -> Any:
    with _faults_named(subject):
        _begin_writing(session, subject)
        session.flush()  # What the session holds already is older than what is about to be read.
        return session.execute(
            lock_entity(subject.description, key, _dialect(session, subject))
        ).scalar_one_or_none()


def _begin_writing(session: Session, subject: Subject) -> None:
    """SQLite has no row locks: the write lock is taken first, where the session's own engine has not begun anything."""
    if _dialect(session, subject) == "sqlite":
        connection = session.connection(bind_arguments={"mapper": sa.inspect(subject.description.model)})
        driver: Any = connection.connection.driver_connection
        if not driver.in_transaction:
            connection.exec_driver_sql("BEGIN IMMEDIATE")


def _check(subject: Subject, entity: Any, allows: Callable[[str], bool]) -> None:
    if allows is not any_state and not allows(_tag(subject, row_of(subject.description, entity))):
        raise PreconditionFailed("The row has changed since it was read; read it again and repeat the change")


def _refuse_other_identity(description: Description, entity: Any, sent: Row) -> None:
    once = [
        part
        for part in description.fields.values()
        if not part.updatable and (part.creatable or part in description.key)
    ]
    for part in once:
        if part.name in sent and sent[part.name] != getattr(entity, part.name):
            raise ForbiddenField(f"{part.name} cannot be changed", pointer=f"/{part.name}")


def replacement(description: Description, sent: Row) -> dict[str, Any]:
    """What PUT stores: for each field that clients may write what was sent, else its Python default, else None."""
    writable = [part for part in description.fields.values() if part.updatable]
    return {part.name: sent[part.name] if part.name in sent else _python_default(part) for part in writable}


def _python_default(part: Field) -> Any:
    return None if part.replace_default is None else part.replace_default()


def _new_entity(description: Description, values: Row) -> Any:
    mapper = sa.inspect(description.model)
    # A constructor of the user's own, or of a dataclass, asks for what it likes; loaded rows pass it by as well.
    ordinary = _constructor(description.model) is mapper.registry.constructor
    entity = description.model() if ordinary else mapper.class_manager.new_instance()
    _assign(description, entity, values if ordinary else _discriminator(mapper) | {**values})
    return entity


def _constructor(model: type[Any]) -> Any:
    """The constructor as it was written, below what SQLAlchemy has put around it in each mapped class."""
    constructor: Any = model.__init__
    while (inner := getattr(constructor, "_sa_original_init", None)) is not None:
        constructor = inner
    return constructor


def _discriminator(mapper: Mapper[Any]) -> dict[str, Any]:
    if not isinstance(mapper.polymorphic_on, sa.Column):
        return {}
    return {mapper.get_property_by_column(mapper.polymorphic_on).key: mapper.polymorphic_identity}


def _assign(description: Description, entity: Any, values: Row) -> None:
    for name, value in values.items():
        if name in description.fields:
            try:
                setattr(entity, name, value)
            except ValueError as error:
                # A validator of the model; its words may quote the value.
                detail = f"{description.name} refuses this value"
                raise Invalid(issues=[Issue(detail, "refused-value", pointer=f"/{name}")]) from error


@contextmanager
def _nulls_meant(description: Description, entity: Any, values: Row) -> Iterator[None]:
    """Store NULL for each null that was sent and that no hook replaced.

    SQLAlchemy takes None for "not said" where a column has a default, and for the document `null` in a JSON column.
    """
    attributes = sa.inspect(entity).attrs
    sent = [attributes[name] for name in values if _takes_none_otherwise(description.fields.get(name))]
    names = [
        attribute.key for attribute in sent if [value is None for value in attribute.history.added] == [True]
    ]
    for name in names:
        # Past the attribute: its validators and listeners have seen the None, and know no SQL.
        instance_dict(entity)[name] = sa.null()
    yield
    for name in names:
        # Spares a SELECT, which an async hook could not wait for; a relationship may have filled the field meanwhile.
        if vars(entity).get(name, sa.null()) is sa.null():
            set_committed_value(entity, name, None)


def _takes_none_otherwise(field: Field | None) -> bool:
    if field is None:
        return False
    return field.has_python_default or field.has_server_default or isinstance(field.stored_type, sa.JSON)


def _refuse_children(session: Session, subject: Subject, entity: Any) -> None:
    description = subject.description
    parent = row_of(description, entity) | {part.name: getattr(entity, part.name) for part in description.key}
    for relation in description.keeps:
        values = parent | {name: getattr(entity, name) for name in relation.local}
        if session.execute(children_of(relation, values)).scalar():
            raise still_referenced(_table_name(relation), subject.tables)


def _table_name(relation: Relation) -> str:
    table: Any = relation.remote[0].table
    return str(table.fullname)


def _answer(subject: Subject, key: Key, body: bytes, row: Row) -> RowAnswer:
    return RowAnswer(body, _tag(subject, row), key)


def _tag(subject: Subject, row: Row) -> str:
    version = subject.description.version
    if version is not None and version.readable:
        return str(row[version.name])
    return subject.state.digest(row)


def _missing(description: Description) -> NotFound:
    return NotFound(f"There is no {description.name} with this key")


def commit(session: Session, subject: Subject) -> None:
    """Commit, where the session's own dependency leaves that to us; a lost connection leaves the outcome unknown."""
    with _faults_named(subject, "commit"):
        session.commit()


@contextmanager
def _faults_named(
    subject: Subject, moment: Moment = "write", probing: tuple[Session, Row] | None = None
) -> Iterator[None]:
    try:
        yield
    except Problem:
        raise
    except Exception as error:
        problem = translate(error, subject.tables, moment)
        if problem is None:
            raise
        if probing is not None and isinstance(problem, ReferenceMissing) and not problem.issues:
            problem = _probed(*probing, subject)
        raise problem from error


def _probed(session: Session, values: Row, subject: Subject) -> Problem:
    """SQLite does not say which foreign key failed: ask for each parent, once the failed statement is rolled back."""
    session.rollback()
    found = _missing_parents(session, values, subject)
    return ReferenceMissing(issues=[issue for problem in found for issue in problem.issues])


def _missing_parents(session: Session, values: Row, subject: Subject) -> Iterator[Problem]:
    for key in foreign_keys(subject.description):
        statement = parent_of(subject.description, key, values) if set(key.fields) <= set(values) else None
        if statement is not None and not session.execute(statement).scalar():
            yield reference_missing(key.fields, key.target, subject.tables)
