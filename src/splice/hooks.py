"""Functions of the user's own around the verbs: inside the transaction, and after it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

__all__ = ["Action", "Change", "Hook", "Hooks", "run_after_commit", "run_hooks"]

Hook: TypeAlias = Callable[..., None]
Action: TypeAlias = Literal["create", "update", "delete"]

_PENDING: Final = "splice.after_commit"
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


def run_hooks(hooks: Sequence[Hook], session: Session, *arguments: Any) -> None:
    """Run them in the order of their registration; one that raises rolls the unit of work back."""
    for hook in hooks:
        hook(session, *arguments)


def run_after_commit(hooks: Sequence[Hook], session: Session, change: Change) -> None:
    """Have the hooks run once this session commits; a rollback drops them."""
    if hooks and not event.contains(session, "after_commit", _run_pending):
        event.listen(session, "after_commit", _run_pending)
        event.listen(session, "after_soft_rollback", _drop_pending)
    session.info.setdefault(_PENDING, []).extend((hook, change) for hook in hooks)


def _run_pending(session: Session) -> None:
    for hook, change in session.info.pop(_PENDING, []):
        try:
            hook(session, change)
        except Exception:
            # The row is stored: the answer must not say otherwise.
            _LOGGER.exception("an after_commit hook failed; what was written stays")


def _drop_pending(session: Session, previous: SessionTransaction) -> None:
    # A savepoint that is rolled back leaves the rest of the unit to be committed.
    if not previous.nested:
        session.info.pop(_PENDING, None)
