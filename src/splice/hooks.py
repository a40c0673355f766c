"""Functions of the user's own around the verbs: inside the transaction, and after it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

from splice.loads import lazy_loads_refused

__all__ = [
    "Action",
    "Change",
    "Hook",
    "Hooks",
    "has_committed",
    "keep_committed",
    "run_after_commit",
    "run_committed",
    "run_hooks",
]

Hook: TypeAlias = Callable[..., None]
Action: TypeAlias = Literal["create", "update", "delete"]

_Calls: TypeAlias = list[tuple[Hook, "Change"]]

_WAITING: Final = "splice_waiting"
"""In the `info` of a session: what waits for a commit, by the transaction or savepoint that it came in."""

_COMMITTED: Final = "splice_committed"
"""In the `info` of a session: what was committed and is still to be run."""

_KEEPS: Final = "splice_keeps_committed"

_LOGGER: Final = logging.getLogger("splice")


@dataclass(frozen=True, slots=True)
class Change:
    """What was committed, for work outside the transaction: plain values, no session and no entity.

    `row` holds the readable fields, as they were before a delete and are after anything else.
    """

    action: Action
    model: type[Any]
    row: Mapping[str, Any]


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

    @property
    def share_the_unit(self) -> bool:
        """Whether there is one that runs inside the transaction, and may not bear to be run again."""
        before = self.before_create or self.before_update or self.before_delete
        return bool(before or self.after_create or self.after_update or self.after_delete)


def run_hooks(hooks: Sequence[Hook], session: Session, *arguments: Any) -> None:
    """Run them in the order of their registration; one that raises rolls the unit of work back.

    What they read of an entity has to be loaded.
    """
    if not hooks:
        return
    with lazy_loads_refused(session):
        for hook in hooks:
            hook(session, *arguments)


def run_after_commit(hooks: Sequence[Hook], session: Session, change: Change) -> None:
    """Have the hooks run once the change is committed; a rollback, of its savepoint or of everything, drops them.

    They run at the end of the transaction, its connection given back; after `keep_committed` by `run_committed`.
    """
    if hooks:
        calls: _Calls = [(hook, change) for hook in hooks]
        _waiting(session).setdefault(_innermost(session), []).extend(calls)


def keep_committed(session: Session) -> None:
    """Leave the hooks of what this session commits to `run_committed`, for whoever closes the session."""
    session.info[_KEEPS] = True


def has_committed(session: Session) -> bool:
    """Whether there is something for `run_committed` to do."""
    return bool(session.info.get(_COMMITTED))


def run_committed(session: Session) -> None:
    """Run the hooks of what was committed; needs no connection, so the session may be closed."""
    for hook, change in session.info.pop(_COMMITTED, []):
        try:
            hook(session, change)
        except Exception:
            # The row is stored: the answer must not say otherwise.
            _LOGGER.exception("an after_commit hook failed; what was written stays")


def _waiting(session: Session) -> dict[SessionTransaction | None, _Calls]:
    if _WAITING not in session.info:
        session.info[_WAITING] = {}
        event.listen(session, "after_commit", _hand_on)
        event.listen(session, "after_transaction_end", _end)
    waiting: dict[SessionTransaction | None, _Calls] = session.info[_WAITING]
    return waiting


def _innermost(session: Session) -> SessionTransaction | None:
    return session.get_nested_transaction() or session.get_transaction()


def _hand_on(session: Session) -> None:
    # SQLAlchemy says "commit" of a released SAVEPOINT too: what came in it is then as sure as what came before it.
    transaction = _innermost(session)
    calls = _waiting(session).pop(transaction, [])
    if transaction is not None and transaction.nested:
        _waiting(session).setdefault(transaction.parent, []).extend(calls)
    else:
        session.info.setdefault(_COMMITTED, []).extend(calls)


def _end(session: Session, transaction: SessionTransaction) -> None:
    # What was not handed on is rolled back, by a rollback or because the session was closed.
    _waiting(session).pop(transaction, None)
    if transaction.parent is None and _KEEPS not in session.info:
        run_committed(session)
