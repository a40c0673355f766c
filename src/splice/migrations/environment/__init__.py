"""What an env.py needs: a connection, the options of `context.configure`, a transaction that keeps references whole.

`env.py` beside this file runs wherever a project has none of its own.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.plugins import Plugin
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from splice.conventions import named
from splice.engines import EngineSettings, make_engine, read_url
from splice.errors import SetupError
from splice.migrations.autogenerate import complete, include_name, include_object, render_item
from splice.migrations.comparison import PLUGIN, is_other_type, setup
from splice.migrations.connections import prepared
from splice.migrations.references import bind_of, metadata_of
from splice.settings import DATABASE_URL, Settings, find_settings

__all__ = ["FOLDER", "options", "run", "transaction"]

setup(Plugin(PLUGIN))

FOLDER: Final = Path(__file__).parent
"""Where env.py and script.py.mako lie."""

_DROP_TRIGGER: Final = re.compile(r"DROP\s+TRIGGER\s+(?:IF\s+EXISTS\s+)?[\"`\[]?(\w+)", re.IGNORECASE)


def run(config: Config, migrate: Callable[[Connection], None]) -> None:
    """Call a function with the connection of the command, or where Alembic's own program runs, of the settings."""
    given = config.attributes.get("connection")
    if given is not None:
        migrate(given)
        return
    bind = bind_of(_settings(config))
    if bind is None:
        raise SetupError(f"no database is known; give its URL in {DATABASE_URL}")
    engine = make_engine(read_url(bind), EngineSettings()) if isinstance(bind, str) else bind
    if isinstance(engine, AsyncEngine):
        asyncio.run(_migrate_async(engine, migrate))
        return
    with engine.connect() as connection, prepared(connection):
        migrate(connection)


def options(config: Config, connection: Connection) -> dict[str, Any]:
    """What `context.configure` is given besides the connection."""
    tables = _tables(config)
    return {
        "target_metadata": tables,
        "transactional_ddl": True if connection.dialect.name == "sqlite" else None,
        # A revision made on one database shall run on SQLite too, which has no ALTER for most changes.
        "render_as_batch": True,
        "include_schemas": any(table.schema for metadata in tables for table in metadata.tables.values()),
        "include_name": include_name(tables),
        "include_object": include_object,
        "compare_type": is_other_type,
        "compare_server_default": True,
        "autogenerate_plugins": ["alembic.autogenerate.*", "alembic.ext.checkconstraint_byname", PLUGIN],
        "render_item": render_item,
        "process_revision_directives": complete,
        "user_module_prefix": None,
        "literal_binds": not isinstance(connection, Connection),  # Only where SQL is written, not run.
        **config.attributes.get("options", {}),
    }


@contextmanager
def transaction(connection: Connection, context: Any) -> Iterator[None]:
    """Alembic's transaction around all revisions; on SQLite it ends only if references are as whole as before.

    There, a table that is changed is made anew and the old one dropped, with its triggers, which are put back; foreign
    keys are switched off meanwhile.

    Raises:
        SetupError: Rows would refer to nothing.
    """
    with context.begin_transaction():
        if connection.dialect.name == "sqlite" and isinstance(connection, Connection):
            with _triggers_kept(connection), _references_kept(connection):
                yield
        else:
            yield


@contextmanager
def _references_kept(connection: Connection) -> Iterator[None]:
    before = _broken_references(connection)
    yield
    broken = _broken_references(connection) - before
    if broken:
        found = ", ".join(f"{count} of {table}" for table, count in sorted(broken.items()))
        raise SetupError(f"rows would refer to rows that do not exist ({found})")


def _broken_references(connection: Connection) -> Counter[str]:
    """How many rows of each table refer to nothing."""
    return Counter(row[0] for row in connection.exec_driver_sql("PRAGMA foreign_key_check"))


@contextmanager
def _triggers_kept(connection: Connection) -> Iterator[None]:
    """Put back the triggers that were lost with a table that is there again; not those that a revision has dropped."""
    before, dropped = _triggers(connection), set[str]()

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        dropped.update(name.lower() for name in _DROP_TRIGGER.findall(statement))

    sa.event.listen(connection, "before_cursor_execute", note)
    try:
        yield
    finally:
        sa.event.remove(connection, "before_cursor_execute", note)
    kept, tables = _triggers(connection), set(sa.inspect(connection).get_table_names())
    for name, (table, text) in before.items():
        if name not in kept and name.lower() not in dropped and table in tables:
            connection.exec_driver_sql(text)


def _triggers(connection: Connection) -> dict[str, tuple[str, str]]:
    """The table and the text of each trigger."""
    rows = connection.exec_driver_sql("SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger'")
    return {name: (table, text) for name, table, text in rows}


def _tables(config: Config) -> list[sa.MetaData]:
    given = config.attributes.get("metadata")
    found = metadata_of(_settings(config)) if given is None else given
    return [named(metadata) for metadata in found]


def _settings(config: Config) -> Settings:
    """Those of the command, or of the folder of Alembic's own settings."""
    known: Settings | None = config.attributes.get("settings")
    file = config.config_file_name or config.toml_file_name
    return known or find_settings(None if file is None else Path(file).parent)


async def _migrate_async(engine: AsyncEngine, migrate: Callable[[Connection], None]) -> None:
    def prepare(connection: Connection) -> None:
        with prepared(connection):
            migrate(connection)

    try:
        async with engine.connect() as connection:
            await connection.run_sync(prepare)
    finally:
        await engine.dispose()
