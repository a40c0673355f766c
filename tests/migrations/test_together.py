"""Several processes, or several databases of one process, upgrade at once."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

from splice import Database
from splice.bridge import run_on
from tests.migrations.revisions import write_revision

COUNTING = """
op.create_table("runs", sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Integer))
time.sleep(0.2)
op.execute("INSERT INTO runs (n) VALUES (1)")
"""
AGAIN = 'op.execute("INSERT INTO runs (n) VALUES (2)")'


def start(migrated, url):
    """A process that upgrades at its start."""
    program = "import asyncio, os; from splice import Database; db = Database(os.environ['DATABASE_URL'], "
    program += "migrations='upgrade'); asyncio.run(db.start())"
    return subprocess.Popen(
        [sys.executable, "-c", program], env=os.environ | {"DATABASE_URL": url}, cwd=migrated.settings.root
    )


async def test_four_processes_run_each_revision_once(migrated, database_url):
    """All of them succeed; one has done the work."""
    write_revision(migrated.settings.folder / "versions", "one", None, COUNTING)
    write_revision(migrated.settings.folder / "versions", "two", "one", AGAIN)

    starts = [start(migrated, database_url) for _ in range(4)]

    assert [process.wait(60) for process in starts] == [0, 0, 0, 0]
    assert [row.n for row in await migrated.execute("SELECT n FROM runs ORDER BY id")] == [1, 2]


@pytest.mark.parametrize("driver", ["aiosqlite", "asyncpg", "sqlite3"])
async def test_two_databases_of_one_process_upgrade_at_once(project_on, new_database, driver, monkeypatch):
    """Alembic's globals are used by one of them at a time."""
    migrated = project_on(new_database(driver))
    monkeypatch.chdir(migrated.settings.root)
    write_revision(migrated.settings.folder / "versions", "one", None, COUNTING)
    databases = [Database(new_database(driver), migrations="upgrade") for _ in range(3)]

    await asyncio.gather(*(database.start() for database in databases))

    for database in databases:
        async with database.begin() as session:
            found = await run_on(
                session, lambda sync: sync.connection().exec_driver_sql("SELECT n FROM runs").all()
            )
        assert [tuple(row) for row in found] == [(1,)]
        await database.close()
    await migrated.db.close()
