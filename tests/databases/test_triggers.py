"""Triggers that refuse a row are rules of the database, like any CHECK."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from splice import Database, Resource, install

TRIGGERS = {
    "sqlite": [
        "CREATE TRIGGER odd BEFORE INSERT ON items WHEN NEW.size > 9 BEGIN SELECT RAISE(ABORT, 'no'); END"
    ],
    "postgresql": [
        (
            "CREATE FUNCTION odd() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN IF NEW.size > 9 THEN RAISE EXCEPTION 'no'; END IF; RETURN NEW; END $$"
        ),
        "CREATE TRIGGER odd BEFORE INSERT ON items FOR EACH ROW EXECUTE FUNCTION odd()",
    ],
    "mariadb": [
        (
            "CREATE TRIGGER odd BEFORE INSERT ON items FOR EACH ROW "
            "IF NEW.size > 9 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'; END IF"
        )
    ],
}


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)
    size: Mapped[int]


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    db: Database[Any] = Database(database_url, create=Base.metadata)
    for statement in TRIGGERS[db.dialect]:
        await db.run(lambda session, text=statement: session.connection().exec_driver_sql(text))
    app = FastAPI()
    install(app, db)
    app.include_router(Resource(Item, db))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test") as client:
        yield client
    await db.close()


async def test_a_row_that_a_trigger_refuses_is_a_conflict(client):
    """Not a failure of the service; what the trigger says stays with the database, and nothing is stored."""
    refused = await client.post("/items", json={"size": 10})

    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/check-failed")
    assert (await client.post("/items", json={"size": 9})).status_code == 201
    assert len((await client.get("/items")).json()["items"]) == 1
