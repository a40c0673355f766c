"""ARRAY columns, which PostgreSQL alone has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from splice import Database, Resource, install


class Base(DeclarativeBase):
    pass


class Grid(Base):
    __tablename__ = "grids"
    id: Mapped[int] = mapped_column(primary_key=True)
    numbers: Mapped[list[int] | None] = mapped_column(sa.ARRAY(sa.SmallInteger))
    words: Mapped[list[str] | None] = mapped_column(sa.ARRAY(sa.String(5)))
    cells: Mapped[list[list[int]] | None] = mapped_column(sa.ARRAY(sa.Integer, dimensions=2))


def build(db: Database) -> FastAPI:
    app = FastAPI()
    install(app, db)
    app.include_router(Resource(Grid, db))
    return app


@pytest.fixture(scope="module", params=["asyncpg", "psycopg2"])
def running(request: pytest.FixtureRequest, serve) -> Iterator:
    with serve(request.param) as service:
        yield service


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("numbers", []),
        ("numbers", [-(2**15), 0, 2**15 - 1]),
        ("words", ["", "a,b", '"{}"', "NULL", "Ü🦊\\"]),
        ("cells", [[1, 2], [3, 4]]),
    ],
)
def test_an_array_comes_back_as_it_was_sent(client, field, value):
    """Every answer spells an array alike."""
    made = client.post("/grids", json={field: value})

    assert made.status_code == 201
    assert made.json()[field] == value
    assert client.get("/grids").content == b'{"items":[' + made.content + b'],"next":null}'


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("numbers", [2**15]),
        ("numbers", [True]),
        ("numbers", [None]),
        ("numbers", 1),
        ("numbers", "{1}"),
        ("words", ["x" * 6]),
        ("words", ["\0"]),
        ("cells", [1]),
        ("cells", [[[1]]]),
        ("cells", [[1, 2], [3]]),
    ],
)
def test_the_items_are_held_to_the_limits_of_their_type(service, field, value):
    """What does not fit is 422, and nothing is stored."""
    answer = service.client.post("/grids", json={field: value})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith(f"/{field}")
    assert service.stored(sa.select(Grid.id)) == []


def test_an_array_is_neither_filtered_nor_sorted_by(client):
    """There is no spelling for it in a query string."""
    assert client.get("/grids?numbers=1").status_code == 422
    assert client.get("/grids?order_by=numbers").status_code == 422
