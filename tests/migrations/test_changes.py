"""Each kind of change: seen by autogenerate, run up, down and up again, and nothing differs at either end."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from splice.errors import SetupError
from splice.migrations import commands
from tests.migrations import steps
from tests.migrations.steps import CHANGES


async def step(migrated, name: str) -> Any:
    """Bring a database to the first version, and write the revision to the second."""
    migrated.models(f"steps:{name}_before")
    await migrated.revise("before")
    await migrated.upgrade()
    migrated.models(f"steps:{name}_after")
    return await migrated.revise("after")


NOTHING = {("sqlite", "enum_value_removed"), ("sqlite", "enum_values_added"), ("sqlite", "comment_added")}
"""SQLite has neither types nor comments of its own."""


@pytest.mark.parametrize("name", CHANGES)
async def test_a_change_goes_up_down_and_up_again(migrated, name):
    """After each step the database is as the models of that version say; a value stays where it may."""
    made = await step(migrated, name)
    await migrated.execute(sa.insert(steps.CHANGES[name][0].tables["t"]).values(id=1))
    if made.file is None:
        assert (migrated.db.dialect, name) in NOTHING
        return

    for _ in range(2):
        await migrated.upgrade()
        assert await migrated.check() == ()
        await migrated.downgrade("-1")
        assert await migrated.run(before, migrated, name) == ()

    assert await migrated.execute("SELECT id FROM t") == [(1,)]


def before(session, migrated, name: str) -> tuple[str, ...]:
    """What differs from the first version, whose revision is then the newest."""
    versions = migrated.settings.folder / "versions"
    newest = next(versions.glob("*_after.py"))
    hidden = newest.rename(newest.with_suffix(".hidden"))
    migrated.models(f"steps:{name}_before")
    try:
        return commands.compare(session, migrated.project)
    finally:
        hidden.rename(newest)
        migrated.models(f"steps:{name}_after")


postgresql_alone = pytest.mark.parametrize("database_url", ["asyncpg"], indirect=True)


@postgresql_alone
async def test_arrays_of_an_enum_change_with_it(migrated):
    """Their default is put back, and values are cast one by one."""
    await step(migrated, "arrays")
    await migrated.execute("INSERT INTO t (id, moods) VALUES (1, '{b,b}')")

    await migrated.upgrade()

    assert await migrated.check() == ()
    assert await migrated.execute("SELECT moods::text FROM t") == [("{b,b}",)]


@postgresql_alone
async def test_a_value_in_use_is_not_removed(migrated):
    """The upgrade fails whole, and names the value."""
    await step(migrated, "enum_value_removed")
    await migrated.execute("INSERT INTO t (id, mood) VALUES (1, 'a')")

    with pytest.raises(SetupError, match='nothing was changed: invalid input value for enum mood: "a"'):
        await migrated.upgrade()

    assert await migrated.execute("SELECT mood FROM t") == [("a",)]


async def test_a_type_of_the_project_is_imported(migrated):
    """One that differs between databases is written by its class; others by their SQL type, which never changes."""
    await step(migrated, "type_of_the_project")

    assert "import tests.migrations.kinds" in migrated.text()
    assert "sa.Column('place', tests.migrations.kinds.Point(), nullable=True)" in migrated.text()


async def test_a_schema_that_is_missing_is_created(migrated):
    """With IF NOT EXISTS, and left there by the downgrade."""
    if migrated.db.dialect != "postgresql":
        pytest.skip("SQLite has no schemas; in MariaDB they are databases of the whole server")
    migrated.models("gallery:SCHEMAS")

    await migrated.revise()

    assert "CREATE SCHEMA IF NOT EXISTS splice_other" in migrated.text()


@postgresql_alone
async def test_schemas_without_models_are_left_alone(migrated):
    """What others keep in the same database is not proposed to be dropped."""
    await migrated.execute("CREATE SCHEMA theirs")
    await migrated.execute("CREATE TABLE theirs.things (id INTEGER)")
    migrated.models("gallery:SCHEMAS")

    await migrated.revise()

    assert "theirs" not in migrated.text()


async def test_a_revision_made_on_sqlite_runs_on_the_others(tmp_path, project_on, new_database):
    """Develop on a file, run on a server: enums, defaults, keys and CHECKs are what the models say there."""
    made = project_on(new_database("aiosqlite"))
    made.models("shop:SECOND")
    await made.revise("first")

    for driver in ("asyncpg", "asyncmy"):
        run = type(made)(made.settings.root, new_database(driver))
        run.settings = made.settings
        await run.upgrade()
        assert await run.check() == ()
        await run.downgrade()
        await run.upgrade()
        await run.db.close()
    await made.db.close()
