"""Alembic without its friction: what a database owes to the migrations of its project.

The package can be imported without Alembic, which is wanted when something is asked of it.
"""

from __future__ import annotations

import importlib.util
from typing import Literal, TypeAlias

from sqlalchemy.orm import Session

from splice.errors import SetupError
from splice.migrations.references import Bind, bind_of, metadata_of
from splice.settings import Settings, find_settings

__all__ = [
    "Bind",
    "Mode",
    "bind_of",
    "bring_up_to_date",
    "metadata_of",
    "require_alembic",
]

Mode: TypeAlias = Literal["check", "upgrade", "ignore"]


def bring_up_to_date(session: Session, mode: Mode, settings: Settings | None = None) -> None:
    """Check that a database is at the newest migration, or bring it there, one process at a time.

    Args:
        session: One that has not begun; its engine is used, on a connection of its own.
        mode: `check` only looks, `upgrade` runs what is missing, `ignore` does nothing.
        settings: Those of the project that the current folder is in, unless given.

    Raises:
        SetupError: The database is behind or ahead of the migrations, a migration fails, there are none, or Alembic is
            not installed.
    """
    if mode == "ignore":
        return
    require_alembic()
    from splice.migrations import commands

    bring = commands.refuse_if_behind if mode == "check" else commands.upgrade_if_behind
    bring(session, settings or find_settings())


def require_alembic() -> None:
    """Refuse to go on without Alembic.

    Raises:
        SetupError: It is not installed; the message holds the command that brings it.
    """
    if importlib.util.find_spec("alembic") is None:
        raise SetupError('migrations want Alembic; run: pip install "splice[migrations]"')
