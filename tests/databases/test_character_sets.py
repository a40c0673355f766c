"""MariaDB: columns whose character set is not the connection's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from splice import Database, Resource
from splice.parser import parse
from tests.databases.drivers import Driver

pytestmark = pytest.mark.parametrize("driver", ["asyncmy", "pymysql"], indirect=True)


class Base(DeclarativeBase):
    pass


class Town(Base):
    __tablename__ = "towns"
    name: Mapped[str] = mapped_column(sa.String(50), primary_key=True)
    region: Mapped[str] = mapped_column(sa.String(50), index=True)


@pytest.fixture(params=["utf8mb4", "utf8mb3", "latin1"])
async def db(request: pytest.FixtureRequest, driver: Driver, driver_url: str) -> AsyncIterator[Database[Any]]:
    """A database whose table is in one of the character sets."""
    database: Database[Any] = Database(driver_url, create=Base.metadata)
    await database.start()
    conversion = sa.text(f"ALTER TABLE towns CONVERT TO CHARACTER SET {request.param}")
    await database.run(lambda session: session.execute(conversion))
    await database.run(lambda session: session.add(Town(name="Köln", region="nrw")))
    yield database
    await database.close()


async def test_text_is_compared_exactly(db):
    """A key or a filter finds its row, and neither another case nor another accent does."""
    towns = Resource(Town, db)

    def names(**conditions: str) -> Any:
        return db.run(lambda session: [town.name for town in towns.find(session, parse(conditions.items()))])

    assert await db.run(lambda session: towns.read(session, "Köln").region) == "nrw"
    assert (await names(name="Köln"), await names(name="koln"), await names(region="NRW")) == (
        ["Köln"],
        [],
        [],
    )
