"""The verbs, each written once as a plain function of a `Session`; nothing here knows HTTP or an event loop."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, TypeAlias, get_args

import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy import event
from sqlalchemy.orm import Session, selectinload
from sqlalchemy.orm.interfaces import ORMOption

from splice.description import Description, Field
from splice.errors import ForbiddenField, Issue, NotFound, PreconditionFailed, Problem, ReferenceMissing, StillReferenced
from splice.faults import Moment, translate
from splice.plan import ReadPlan
from splice.schemas import RowSerializer, changes, new_values
from splice.statements import (
    children_of,
    count_rows,
    lock_entity,
    parent_of,
    select_entities,
    select_entity,
    select_row,
    select_rows,
)

__all__ = [
    "RowAnswer",
    "Change",
    "EntityShape",
    "Hook",
    "Hooks",
    "Key",
    "PageAnswer",
    "RowShape",
    "Shape",
    "Subject",
    "any_state",
    "commit",
    "create",
    "find",
    "find_entities",
    "get_entity",
    "read",
    "remove",
    "replace",
    "take_entity",
    "update",
]

_LOGGER: Final = logging.getLogger("splice")

Key: TypeAlias = Sequence[Any]
Row: TypeAlias = Mapping[str, Any]
Hook: TypeAlias = Callable[..., None]
Action: TypeAlias = Literal["create", "update", "delete"]


@dataclass(frozen=True, slots=True)
class RowAnswer:
    """One row as it will be sent: JSON, its entity tag without quotes, its key, and whether it was made just now."""

    body: bytes
    tag: str
    key: Key = ()
    created: bool = False


@dataclass(frozen=True, slots=True)
class PageAnswer:
    """One page as it will be sent, and whether rows follow."""

    body: bytes
    has_next: bool


@dataclass(frozen=True, slots=True)
class Change:
    """What was committed, for work outside the transaction: plain values, no session and no entity.

    `row` holds the readable fields, as they were before a delete and are after anything else.
    """

    action: Action
    model: type[Any]
    row: Row


@dataclass(frozen=True, slots=True)
class Hooks:
    """Functions of the user's own, in the order of their registration; each is callable from synchronous code."""

    before_create: list[Hook] = field(default_factory=list)
    after_create: list[Hook] = field(default_factory=list)
    before_update: list[Hook] = field(default_factory=list)
    after_update: list[Hook] = field(default_factory=list)
    before_delete: list[Hook] = field(default_factory=list)
    after_delete: list[Hook] = field(default_factory=list)
    after_commit: list[Hook] = field(default_factory=list)


class Shape(Protocol):
    """How rows are read and written as JSON."""

    def read(self, session: Session, description: Description, key: Key) -> tuple[bytes, Row] | None: ...

    def find(self, session: Session, plan: ReadPlan, total: int | None) -> PageAnswer: ...


@dataclass(frozen=True, slots=True)
class Subject:
    """A described model with everything that its verbs need; `tables` names the other models for error messages."""

    description: Description
    shape: Shape
    serializer: RowSerializer
    hooks: Hooks
    tables: Mapping[str, Description]
    generated_create: bool = True


def any_state(_tag: str) -> bool:
    """The precondition of a request that states none."""
    return True


def find(session: Session, subject: Subject, plan: ReadPlan) -> PageAnswer:
    """One page of rows; counts only where the plan says so."""
    with _faults_named(subject):
        total = session.execute(count_rows(plan, _dialect(session, subject))).scalar_one() if plan.counted else None
        return subject.shape.find(session, plan, total)


def read(session: Session, subject: Subject, key: Key) -> RowAnswer:
    """One row.

    Raises:
        NotFound: No row has this key.
    """
    with _faults_named(subject):
        found = subject.shape.read(session, subject.description, key)
    if found is None:
        raise _missing(subject.description)
    return _answer(subject, key, *found)


def find_entities(session: Session, subject: Subject, plan: ReadPlan) -> list[Any]:
    """The rows of one page as ORM entities, for scripts and routes of the user's own."""
    with _faults_named(subject):
        statement = select_entities(plan, _dialect(session, subject))
        return list(session.execute(statement).scalars().all()[: plan.limit])


def get_entity(session: Session, subject: Subject, key: Key) -> Any:
    """One ORM entity, for a script or a route of the user's own."""
    with _faults_named(subject):
        entity = session.execute(select_entity(subject.description, key, _dialect(session, subject))).scalar_one_or_none()
    if entity is None:
        raise _missing(subject.description)
    return entity


def take_entity(session: Session, subject: Subject, key: Key) -> Any:
    """One ORM entity under the row lock, for a route that is about to change it."""
    return _locked(session, subject, key, any_state)


def create(session: Session, subject: Subject, body: BaseModel) -> RowAnswer:
    """Store a new row, its hooks in the same transaction.

    The answer is read back, since only the database knows what it stored: scales, defaults, triggers.
    """
    return _insert(session, subject, new_values(body, generated=subject.generated_create), body)


def update(
    session: Session, subject: Subject, key: Key, body: BaseModel, allows: Callable[[str], bool] = any_state
) -> RowAnswer:
    """Merge what was sent into a row (RFC 7396), and write only that.

    Args:
        allows: Whether a state, by its entity tag, is the one that the client wants to change; asked under the row lock.

    Raises:
        NotFound: No row has this key.
        PreconditionFailed: The row is not in a state that the client allows.
    """
    entity = _locked(session, subject, key, allows)
    return _write(session, subject, entity, changes(body), body)


def replace(
    session: Session, subject: Subject, key: Key, body: BaseModel, allows: Callable[[str], bool] | None = None
) -> RowAnswer:
    """Replace everything that clients may write; what was not sent takes its Python default, else NULL.

    Where the key is the client's, a missing row is created.
    """
    sent = changes(body)
    entity = _found(session, subject, key)
    if entity is None:
        return _put_new(session, subject, key, sent, body, conditional=allows is not None)
    _check(session, subject, entity, allows or any_state)
    _refuse_other_identity(subject.description, entity, sent)
    return _write(session, subject, entity, _replacement(subject.description, sent), body)


def remove(session: Session, subject: Subject, key: Key, allows: Callable[[str], bool] = any_state) -> None:
    """Delete a row, and with it what its relationships declare a delete cascade for.

    Raises:
        StillReferenced: Other rows refer to it; the ORM would cut them loose without a word.
    """
    entity = _locked(session, subject, key, allows)
    row = _row_of(subject.description, entity)
    with _faults_named(subject, "delete"):
        _run(subject.hooks.before_delete, session, entity)
        _refuse_children(session, subject.description, entity)
        session.delete(entity)
        session.flush()
        _run(subject.hooks.after_delete, session, entity)
        session.flush()
    _after_commit(session, subject, Change("delete", subject.description.model, row))


@dataclass(frozen=True, slots=True)
class RowShape:
    """The generated shape: rows of the readable columns, no entity, no model instance."""

    serializer: RowSerializer

    def read(self, session: Session, description: Description, key: Key) -> tuple[bytes, Row] | None:
        statement = select_row(description, key, dialect_of(session, description.model))
        found = session.execute(statement).one_or_none()
        if found is None:
            return None
        row = dict(zip(_names(description), found, strict=True))
        return self.serializer.row(row), row

    def find(self, session: Session, plan: ReadPlan, total: int | None) -> PageAnswer:
        names = _names(plan.description)
        found = session.execute(select_rows(plan, dialect_of(session, plan.description.model))).all()
        rows = [dict(zip(names, row, strict=True)) for row in found[: plan.limit]]
        return PageAnswer(self.serializer.page(rows, total), len(found) > plan.limit)


@dataclass(frozen=True, slots=True)
class EntityShape:
    """A Pydantic model of the user's own, filled from ORM entities; the relations that it shows are loaded in advance."""

    model: type[BaseModel]
    options: tuple[ORMOption, ...]

    @classmethod
    def of(cls, shown: type[BaseModel], model: type[Any]) -> EntityShape:
        return cls(shown, tuple(_loading(shown, model)))

    def read(self, session: Session, description: Description, key: Key) -> tuple[bytes, Row] | None:
        statement = select_entity(description, key, dialect_of(session, description.model)).options(*self.options)
        entity = session.execute(statement).scalar_one_or_none()
        return None if entity is None else (self._json(entity), _row_of(description, entity))

    def find(self, session: Session, plan: ReadPlan, total: int | None) -> PageAnswer:
        statement = select_entities(plan, dialect_of(session, plan.description.model)).options(*self.options)
        entities = session.execute(statement).scalars().all()
        items = b",".join(self._json(entity) for entity in entities[: plan.limit])
        count = b"" if total is None else b',"total":%d' % total
        return PageAnswer(b'{"items":[%s]%s}' % (items, count), len(entities) > plan.limit)

    def _json(self, entity: Any) -> bytes:
        return self.model.model_validate(entity, from_attributes=True).model_dump_json(by_alias=True).encode()


def dialect_of(session: Session, model: type[Any]) -> str:
    """The name of the database behind a session; MariaDB is told apart from MySQL whatever the URL says."""
    dialect = session.get_bind(sa.inspect(model)).dialect
    return "mariadb" if getattr(dialect, "is_mariadb", False) else dialect.name


def _dialect(session: Session, subject: Subject) -> str:
    return dialect_of(session, subject.description.model)


def _loading(shown: type[BaseModel], model: type[Any]) -> Iterator[ORMOption]:
    relations = sa.inspect(model).relationships
    for name, info in shown.model_fields.items():
        if name in relations:
            nested = [
                option for part in _models_in(info.annotation) for option in _loading(part, relations[name].mapper.class_)
            ]
            yield selectinload(getattr(model, name)).options(*nested)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def _insert(session: Session, subject: Subject, values: Row, body: BaseModel) -> RowAnswer:
    entity = _new_entity(subject.description, values)
    with _faults_named(subject, probing=(session, values)):
        _run(subject.hooks.before_create, session, entity, body)
        session.add(entity)
        session.flush()
        _run(subject.hooks.after_create, session, entity, body)
        session.flush()
    return dataclasses.replace(_stored(session, subject, entity, "create"), created=True)


def _write(session: Session, subject: Subject, entity: Any, values: Row, body: BaseModel) -> RowAnswer:
    with _faults_named(subject, probing=(session, values)):
        _assign(subject.description, entity, values)
        _run(subject.hooks.before_update, session, entity, body)
        session.flush()
        _run(subject.hooks.after_update, session, entity, body)
        session.flush()
    return _stored(session, subject, entity, "update")


def _stored(session: Session, subject: Subject, entity: Any, action: Action) -> RowAnswer:
    key = sa.inspect(entity).identity
    with _faults_named(subject):
        found = subject.shape.read(session, subject.description, key)
    if found is None:
        raise NotFound(f"This {subject.description.name} is not visible after it was written")
    _after_commit(session, subject, Change(action, subject.description.model, found[1]))
    return _answer(subject, key, *found)


def _put_new(
    session: Session, subject: Subject, key: Key, sent: Row, body: BaseModel, *, conditional: bool
) -> RowAnswer:
    if conditional:
        raise PreconditionFailed("There is no such row, so it cannot be in the state that If-Match asks for")
    if not subject.description.client_key:
        raise _missing(subject.description)
    identity = {part.name: value for part, value in zip(subject.description.key, key, strict=True)}
    _refuse_other_key(identity, sent)
    once = {name: value for name, value in sent.items() if subject.description.fields[name].creatable}
    return _insert(session, subject, _replacement(subject.description, sent) | once | identity, body)


def _refuse_other_key(identity: Row, sent: Row) -> None:
    for name, value in identity.items():
        if name in sent and sent[name] != value:
            raise ForbiddenField(f"{name} is the key in the path, it cannot be another here", pointer=f"/{name}")


def _locked(session: Session, subject: Subject, key: Key, allows: Callable[[str], bool]) -> Any:
    entity = _found(session, subject, key)
    if entity is None:
        raise _missing(subject.description)
    _check(session, subject, entity, allows)
    return entity


def _found(session: Session, subject: Subject, key: Key) -> Any:
    with _faults_named(subject):
        return session.execute(lock_entity(subject.description, key, _dialect(session, subject))).scalar_one_or_none()


def _check(session: Session, subject: Subject, entity: Any, allows: Callable[[str], bool]) -> None:
    if allows is not any_state and not allows(_tag(subject, _row_of(subject.description, entity))):
        raise PreconditionFailed("The row has changed since it was read; read it again and repeat the change")


def _refuse_other_identity(description: Description, entity: Any, sent: Row) -> None:
    once = [part for part in description.fields.values() if not part.updatable and (part.creatable or part in description.key)]
    for part in once:
        if part.name in sent and sent[part.name] != getattr(entity, part.name):
            raise ForbiddenField(f"{part.name} cannot be changed", pointer=f"/{part.name}")


def _replacement(description: Description, sent: Row) -> dict[str, Any]:
    writable = [part for part in description.fields.values() if part.updatable]
    return {part.name: sent[part.name] if part.name in sent else _python_default(part) for part in writable}


def _python_default(part: Field) -> Any:
    default = part.column.default if isinstance(part.column, sa.Column) else None
    if default is None:
        return None
    # SQLAlchemy wraps every callable so that it takes the execution context.
    return default.arg(None) if default.is_callable else default.arg  # type: ignore[attr-defined]  # per kind of default


def _new_entity(description: Description, values: Row) -> Any:
    model = description.model
    stored = {name: _storable(description, name, value) for name, value in values.items() if name in description.fields}
    if not dataclasses.is_dataclass(model):
        return model(**stored)
    # The constructor of a dataclass asks for fields that the database fills.
    entity = sa.inspect(model).class_manager.new_instance()
    _assign(description, entity, values)
    return entity


def _assign(description: Description, entity: Any, values: Row) -> None:
    for name, value in values.items():
        if name in description.fields:
            setattr(entity, name, _storable(description, name, value))


def _storable(description: Description, name: str, value: Any) -> Any:
    # None in a JSON column would store the JSON document `null`, which no IS NULL finds.
    is_json = isinstance(description.fields[name].type, sa.JSON)
    return sa.null() if value is None and is_json else value


def _refuse_children(session: Session, description: Description, entity: Any) -> None:
    parent = _row_of(description, entity) | {part.name: getattr(entity, part.name) for part in description.key}
    for relation in description.keeps:
        values = parent | {name: getattr(entity, name) for name in relation.local}
        if session.execute(children_of(relation, values)).scalar():
            hint = f"delete its {relation.name} first"
            raise StillReferenced(f"This {description.name} still has {relation.name}", hint=hint)


def _row_of(description: Description, entity: Any) -> dict[str, Any]:
    return {part.name: getattr(entity, part.name) for part in description.readable}


def _names(description: Description) -> tuple[str, ...]:
    return tuple(part.name for part in description.readable)


def _answer(subject: Subject, key: Key, body: bytes, row: Row) -> RowAnswer:
    return RowAnswer(body, _tag(subject, row), key)


def _tag(subject: Subject, row: Row) -> str:
    version = subject.description.version
    if version is not None and version.readable:
        return str(row[version.name])
    return subject.serializer.digest(row)


def _missing(description: Description) -> NotFound:
    return NotFound(f"There is no {description.name} with this key")


def _run(hooks: Sequence[Hook], session: Session, *arguments: Any) -> None:
    for hook in hooks:
        hook(session, *arguments)


def _after_commit(session: Session, subject: Subject, change: Change) -> None:
    """Queue the hooks of one change on this session alone; a rollback drops them."""
    for hook in subject.hooks.after_commit:
        pending: list[tuple[Hook, Change]] = session.info.setdefault("splice.after_commit", [])
        if not pending:
            event.listen(session, "after_commit", _run_pending, once=True)
            event.listen(session, "after_soft_rollback", _drop_pending, once=True)
        pending.append((hook, change))


def _run_pending(session: Session) -> None:
    for hook, change in session.info.pop("splice.after_commit", []):
        try:
            hook(session, change)
        except Exception as error:  # the row is stored: the answer must not say otherwise
            _LOGGER.error("an after_commit hook failed with %s", type(error).__name__, exc_info=error)


def _drop_pending(session: Session, _previous: Any) -> None:
    session.info.pop("splice.after_commit", None)


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
            problem = _probed(*probing, subject.description)
        raise problem from error


def _probed(session: Session, values: Row, description: Description) -> ReferenceMissing:
    """SQLite does not say which foreign key failed: ask for each parent, once the failed statement is rolled back."""
    session.rollback()
    missing = [name for name in _missing_parents(session, values, description)]
    issues = [_no_parent(name) for name in missing]
    return ReferenceMissing("A field refers to a row that does not exist", issues=issues)


def _missing_parents(session: Session, values: Row, description: Description) -> Iterator[str]:
    for constraint in description.constraints:
        if constraint.kind == "foreign_key" and set(constraint.fields) <= set(values):
            statement = parent_of(description, constraint, values)
            if statement is not None and not session.execute(statement).scalar():
                yield from constraint.fields


def _no_parent(name: str) -> Issue:
    return Issue(f"{name} refers to a row that does not exist", ReferenceMissing.code, pointer=f"/{name}")
