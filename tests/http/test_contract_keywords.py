"""Columns called what Python and SQL keep for themselves."""

from __future__ import annotations

import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy.orm import DeclarativeBase

from splice import Database, Resource, install


class Base(DeclarativeBase):
    pass


class Keyword(Base):
    """As reflected from a database whose columns are called what Python and SQL keep for themselves."""

    __table__ = sa.Table(
        "select",
        Base.metadata,
        sa.Column("class", sa.String(20), primary_key=True),
        sa.Column("self", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("from", sa.String(20)),
    )


class Loop(Base):
    __table__ = sa.Table(
        "for",
        Base.metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("class", sa.String(20), nullable=False, unique=True),
        sa.Column("from", sa.String(20)),
        sa.Column("order", sa.Integer),
        sa.Column("None", sa.Integer),
        sa.Column("self", sa.Integer),
        sa.Column("request", sa.Integer),
        sa.Column("with space", sa.Integer),
    )


def build(db: Database) -> FastAPI:
    app = FastAPI()
    install(app, db)
    app.include_router(Resource(Loop, db))
    return app


def test_columns_may_be_called_like_keywords(client):
    """Names that Python or SQL keep for themselves are names like any other."""
    body = {"class": "a", "from": "b", "order": 2, "None": 3, "self": 1, "request": 4, "with space": 5}

    made = client.post("/for", json=body)
    changed = client.patch(made.headers["location"], json={"from": "c", "with space": None})

    assert made.status_code == 201
    assert {name: made.json()[name] for name in body} == body
    assert changed.json() == made.json() | {"from": "c", "with space": None}
    found = client.get("/for?class=a&from=c&order=2&None=3&self=1&order_by=-from,order").json()
    assert found["items"] == [changed.json()]


def test_a_conflict_names_a_column_called_like_a_keyword(client):
    """The field is found under its name."""
    client.post("/for", json={"class": "a"})

    answer = client.post("/for", json={"class": "a"})

    assert answer.status_code == 409
    assert answer.json()["errors"][0]["pointer"] == "/class"


def test_a_key_may_be_called_like_a_keyword(service):
    """So are those of keys."""
    app = FastAPI()
    app.include_router(Resource(Keyword, service.db))
    client = service.client_of(app)
    body = {"class": "a", "self": 1, "from": "b"}

    made = client.post("/select", json=body)

    assert made.headers["location"] == "/select/a/1"
    assert client.get("/select/a/1").json() == body
    assert client.patch("/select/a/1", json={"from": "c"}).json()["from"] == "c"
    assert client.delete("/select/a/1").status_code == 204
