"""Two tables of one name, in two schemas of one PostgreSQL database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from splice import Database, Resource, install
from tests.databases.drivers import Driver

pytestmark = pytest.mark.parametrize("driver", ["asyncpg", "psycopg-async"], indirect=True)


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(sa.String(10), unique=True)


class SalesOrder(Base):
    __tablename__ = "orders"
    __table_args__ = {"schema": "sales"}
    id: Mapped[int] = mapped_column(primary_key=True)
    ticket: Mapped[str] = mapped_column("code", sa.String(10), unique=True)


class Line(Base):
    __tablename__ = "lines"
    __table_args__ = {"schema": "sales"}
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(sa.ForeignKey(SalesOrder.id))


@pytest.fixture
async def client(driver: Driver, driver_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    db = Database(driver_url)
    await db.run(lambda session: session.execute(sa.text("CREATE SCHEMA sales")))
    await db.run(lambda session: Base.metadata.create_all(session.connection()))
    app = FastAPI()
    install(app, db)
    app.include_router(Resource(SalesOrder, db, prefix="/sales.orders"))
    app.include_router(Resource(Order, db))
    app.include_router(Resource(Line, db))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test") as client:
        yield client
    await db.close()


@pytest.mark.parametrize(("path", "field"), [("/orders", "code"), ("/sales.orders", "ticket")])
async def test_a_taken_value_names_the_field_of_its_own_table(client, path, field):
    """The constraints have one name, `orders_code_key`; the schema tells which of them it was."""
    await client.post(path, json={field: "a"})

    refused = (await client.post(path, json={field: "a"})).json()

    assert (refused["status"], refused["errors"][0]["pointer"]) == (409, f"/{field}")


async def test_a_missing_row_is_looked_for_in_its_schema(client):
    """The hint names the table with its schema, as its own resource does not."""
    await client.post("/orders", json={"code": "a"})

    refused = (await client.post("/lines", json={"order_id": 1})).json()

    assert refused["status"] == 409
    assert "sales.orders" in refused["errors"][0]["hint"]


async def test_rows_that_refer_are_named_with_their_schema(client):
    """A delete is refused in the words of the described tables."""
    order = (await client.post("/sales.orders", json={"ticket": "a"})).json()
    await client.post("/lines", json={"order_id": order["id"]})

    refused = (await client.delete(f"/sales.orders/{order['id']}")).json()

    assert (refused["status"], refused["detail"]) == (409, "Rows of sales.lines refer to this one")
