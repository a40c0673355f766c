"""Reads of what is not loaded, refused: they would send a statement each, unseen, and under asyncio they cannot."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Final, TypeAlias

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.ext.asyncio import async_session
from sqlalchemy.orm import InstanceState, ORMExecuteState, Session
from sqlalchemy.orm.attributes import InstrumentedAttribute
from sqlalchemy.orm.collections import collection_adapter
from sqlalchemy.util.concurrency import in_greenlet

from splice.names import snake

__all__ = ["NotLoaded", "lazy_loads_refused", "refuse_lazy_loads_of", "watch_new"]

_State: TypeAlias = InstanceState[Any]

_WATCH: Final = "splice_loads"
"""In the `info` of a session: what is refused in it."""

_READ: Final = InstrumentedAttribute.__get__


class NotLoaded(RuntimeError):
    """An attribute was read that nobody has loaded; the message says how to."""


@dataclass(slots=True, eq=False)
class _Watch:
    """Within a block nothing is loaded by a read; at other times nothing of these rows, and of what hangs on them."""

    blocks: int = 0
    rows: list[_State] = field(default_factory=list)


@contextmanager
def lazy_loads_refused(session: Session) -> Iterator[None]:
    """Refuse to load what is only read, until the end of the block; what is asked for by name is loaded.

    Flushes, cascades, `refresh`, `get` and queries go on: none of them reads an attribute. Nor is a column refused that
    was loaded and has expired.

    Raises:
        NotLoaded: In the block, where a relation or a deferred column is read.
    """
    watch = _watch(session)
    watch.blocks += 1
    try:
        yield
    finally:
        watch.blocks -= 1


def refuse_lazy_loads_of(session: Session, entity: Any) -> None:
    """Refuse the same from now on for one entity, and for what is reached by way of its relations."""
    _watch(session).rows.append(sa.inspect(entity))


def watch_new(session: Session, entity: Any) -> None:
    """Have a row that is not stored yet refuse the same: by itself it would say of every relation that it is empty."""
    session.enable_relationship_loading(entity)


def _watch(session: Session) -> _Watch:
    if _WATCH not in session.info:
        session.info[_WATCH] = _Watch()
        event.listen(session, "do_orm_execute", _refuse)
    watch: _Watch = session.info[_WATCH]
    return watch


def _refuse(execution: ORMExecuteState) -> None:
    # Loads of relations and of columns that `refresh`, a cascade or a flush asks for look the same but for the stack.
    loads = execution.lazy_loaded_from is not None or execution.is_column_load
    read = _attribute_read() if loads else None
    if read is None:
        return
    session, (name, entity) = execution.session, read
    state: _State = sa.inspect(entity)
    if _is_watched(state, _watch(session)) and not (_is_stale(state, name) and _can_wait(session)):
        raise NotLoaded(_advice(session, state, name))


def _attribute_read() -> tuple[str, Any] | None:
    """The attribute and the entity, if it is a read of one that has led here; only the stack knows."""
    frame: FrameType | None = sys._getframe()  # noqa: SLF001  # Python has no other name for it
    while frame is not None and frame.f_code is not _READ.__code__:
        frame = frame.f_back
    # One that nobody has called has a greenlet to itself: it is awaited, by SQLAlchemy's `awaitable_attrs`.
    if frame is None or frame.f_back is None:
        return None
    return frame.f_locals["self"].key, frame.f_locals["instance"]


def _is_watched(state: _State, watch: _Watch) -> bool:
    return watch.blocks > 0 or state in _reached(watch.rows)


def _reached(rows: list[_State]) -> set[_State]:
    """These, and all that is loaded behind their relations."""
    waiting, known = list(rows), set[_State]()
    while waiting:
        state = waiting.pop()
        if state not in known:
            known.add(state)
            waiting.extend(_behind(state))
    return known


def _behind(state: _State) -> Iterator[_State]:
    for relation in state.mapper.relationships:
        value = state.dict.get(relation.key)
        if value is not None:
            related = collection_adapter(value) if relation.uselist else (value,)
            yield from (sa.inspect(entity) for entity in related)


def _is_stale(state: _State, name: str) -> bool:
    """Whether it is a column that was loaded, and has expired; deferred ones count as expired at all times."""
    column = state.mapper.column_attrs.get(name)
    return column is not None and not column.deferred and name in state.expired_attributes


def _can_wait(session: Session) -> bool:
    """Whether a statement can be sent here; code that is awaited by an event loop has no way to."""
    return async_session(session) is None or in_greenlet()


def _advice(session: Session, state: _State, name: str) -> str:
    model = state.mapper.class_.__name__
    if not state.has_identity:
        return _advice_for_new(session, state, name)
    option = "selectinload" if name in state.mapper.relationships else "undefer"
    refresh = f"session.refresh({snake(model)}, ['{name}'])"
    return (
        f"{model}.{name} is not loaded, and reading it would send a statement of its own; load it with "
        f"`{refresh if _can_wait(session) else f'await {refresh}'}`, "
        f"or select it with {option}({model}.{name})"
    )


def _advice_for_new(session: Session, state: _State, name: str) -> str:
    model, target = (
        mapper.class_.__name__ for mapper in (state.mapper, state.mapper.relationships[name].mapper)
    )
    get = "session.get" if _can_wait(session) else "await session.get"
    return (
        f"{model}.{name} is not loaded, the row is not stored yet; read what it refers to by a query of its own, such "
        f"as `{get}({target}, key)`"
    )
