"""What a Database does about migrations at its first start."""

from __future__ import annotations

import importlib.util
import re

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from splice import Database
from splice.bridge import run_on
from splice.errors import SetupError
from splice.migrations import bring_up_to_date


@pytest.fixture
async def behind(migrated, monkeypatch):
    """A project with two revisions, of which the database has none, as the current folder."""
    migrated.models("shop:FIRST")
    await migrated.revise("make people")
    await migrated.revise("nothing", empty=True)
    monkeypatch.chdir(migrated.settings.root)
    return migrated


def names(session) -> set[str]:
    return set(sa.inspect(session.connection()).get_table_names())


async def test_check_refuses_a_database_that_is_behind(behind, database_url):
    """The message counts the missing migrations, names the first, and holds the command."""
    db = Database(database_url, migrations="check")

    with pytest.raises(SetupError, match=r"behind by 2 migrations.*\(make people\).*splice db upgrade"):
        await db.start()
    await db.close()


async def test_check_lets_an_upgraded_database_serve(behind, database_url):
    """At the newest migration the start goes on."""
    await behind.upgrade()
    db = Database(database_url, migrations="check")

    await db.start()
    await db.close()


async def test_check_refuses_a_database_that_is_ahead(behind, database_url):
    """A database upgraded by newer code is named as such; it is not downgraded, and not served."""
    await behind.upgrade()
    newest = max(behind.settings.folder.glob("versions/*nothing.py"))
    revision = re.search(r"revision = '(\w+)'", newest.read_text())[1]
    newest.unlink()

    for mode in ("check", "upgrade"):
        db = Database(database_url, migrations=mode)
        with pytest.raises(SetupError, match=rf"at revision {revision}, which is not in .*versions"):
            await db.start()
        await db.close()


async def test_upgrade_brings_the_tables(behind, database_url):
    """The first unit of work finds them, without a command."""
    db = Database(database_url, migrations="upgrade")

    found = await db.run(names)

    assert {"people", "orders", "alembic_version"} <= found
    await db.close()


async def test_ignore_does_not_look(behind, database_url):
    """Without a word about migrations none are run or missed."""
    db = Database(database_url)

    assert await db.run(names) == set()
    await db.close()


@pytest.mark.parametrize("driver", ["sqlite3", "psycopg-sync", "psycopg-async", "pymysql"], indirect=True)
def test_other_drivers_upgrade_too(project_on, driver, driver_url, monkeypatch):
    """Sync drivers run the same code, in a plain `with` or a worker thread."""
    import asyncio

    migrated = project_on(driver_url)
    migrated.models("shop:FIRST")
    monkeypatch.chdir(migrated.settings.root)
    asyncio.run(closing(migrated, migrated.revise("make people")))
    engine = driver.engine(driver_url)

    assert asyncio.run(tables_after_upgrade(engine)) > {"people"}


async def closing(migrated, work):
    await work
    await migrated.db.close()


async def tables_after_upgrade(engine) -> set[str]:
    """The tables that a Database on an engine of the user's finds."""
    db = Database(engine, migrations="upgrade")
    found = await db.run(names)
    if hasattr(engine, "sync_engine"):
        await engine.dispose()
    else:
        engine.dispose()
    return found


async def test_an_engine_in_memory_is_upgraded(behind):
    """A database that lives in one connection is brought up to date on that connection."""
    db = Database("sqlite://", migrations="upgrade")

    assert {"people"} < await db.run(names)
    await db.close()


async def test_foreign_keys_are_enforced_after_an_upgrade(behind, database_url):
    """What was switched off for SQLite's sake is on again."""
    db = Database(database_url, migrations="upgrade")
    await db.start()

    def orphan(session) -> None:
        session.execute(sa.text("INSERT INTO orders (id, person_id, total) VALUES (1, 99, 1)"))

    with pytest.raises(Exception, match="referenced row does not exist"):
        await db.run(orphan)
    await db.close()


async def test_timeouts_are_back_after_an_upgrade(behind, database_url):
    """A migration may take long; what comes after it may not."""
    db = Database(database_url, migrations="upgrade", pool_size=1)
    asked = {
        "sqlite": "PRAGMA busy_timeout",
        "postgresql": "SHOW statement_timeout",
        "mariadb": "SELECT @@SESSION.max_statement_time",
    }[db.dialect]
    [(before,)] = await behind.execute(asked)

    assert await db.run(lambda session: session.scalar(sa.text(asked))) == before
    await db.close()


async def test_a_project_without_migrations_is_told_what_to_do(tmp_path, monkeypatch):
    """The message holds the command that makes the folder."""
    monkeypatch.chdir(tmp_path)
    db = Database("sqlite://", migrations="check")

    with pytest.raises(SetupError, match="splice db init"):
        await db.start()
    await db.close()


async def test_without_alembic_the_command_that_brings_it_is_named(behind, monkeypatch):
    """Alembic is wanted when migrations are, not before."""
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "alembic" else real(name, *rest)
    )
    db = Database("sqlite://", migrations="check")

    with pytest.raises(SetupError, match=re.escape('pip install "splice[migrations]"')):
        await db.start()
    await db.close()


async def test_a_connection_within_a_transaction_is_refused(behind, tmp_path):
    """Migrations begin and end transactions themselves; they would end somebody else's."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/other.db")
    async with engine.connect() as connection:
        await connection.begin()
        from sqlalchemy.ext.asyncio import AsyncSession

        session = AsyncSession(connection)
        with pytest.raises(SetupError, match="give them an engine"):
            await run_on(session, lambda sync: bring_up_to_date(sync, "upgrade"))
    await engine.dispose()
