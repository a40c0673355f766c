"""How long statements may take, on a database that has no setting for it."""

import time

import pytest
import sqlalchemy as sa

from splice import Database
from splice.bridge import run_on
from splice.errors import TooBusy
from splice.limits import UNLIMITED

SLOW = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {steps}) SELECT count(*) FROM n"
)
DRIVERS = pytest.mark.parametrize("driver", ["aiosqlite", "pysqlite"])


@DRIVERS
async def test_a_statement_of_sqlite_ends_in_time(driver, tmp_path):
    """As on a server; the connection goes on."""
    db = Database(f"sqlite+{driver}:///{tmp_path}/a.db", statement_timeout_seconds=1)
    begun = time.monotonic()

    with pytest.raises(TooBusy, match="did not finish in time"):
        await db.run(lambda session: session.scalar(sa.text(SLOW.format(steps=500_000_000))))

    assert 0.9 < time.monotonic() - begun < 4
    assert await db.run(lambda session: session.scalar(sa.text(SLOW.format(steps=1000)))) == 1000
    await db.close()


@DRIVERS
async def test_each_statement_has_its_own_time(driver, tmp_path):
    """A unit of many statements may take longer than one."""
    db = Database(f"sqlite+{driver}:///{tmp_path}/a.db", statement_timeout_seconds=1)

    async with db.begin(writes=False) as session:
        begun = time.monotonic()
        while time.monotonic() < begun + 1.5:
            await run_on(session, lambda inner: inner.scalar(sa.text(SLOW.format(steps=300_000))))
        assert await run_on(session, lambda inner: inner.scalar(sa.select(1))) == 1

    await db.close()


@DRIVERS
async def test_migrations_take_their_time(driver, tmp_path):
    """A table that is made anew may be large."""
    db = Database(f"sqlite+{driver}:///{tmp_path}/a.db", statement_timeout_seconds=0.05)

    def work(session):
        session.connection().info[UNLIMITED] = True
        return session.scalar(sa.text(SLOW.format(steps=2_000_000)))

    assert await db.run(work) == 2_000_000
    await db.close()
