"""SQLite keeps a value of any type in any column: what is stored can be read, whatever it is."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from splice import Database, Resource, install


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(String(50))
    picture: Mapped[bytes | None]


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    """A table of which one row has bytes where text should be."""
    app = FastAPI()
    db = Database(f"sqlite:///{tmp_path}/app.db", create=Base.metadata)
    install(app, db)
    app.include_router(Resource(Note, db))
    with TestClient(app) as client:
        with sqlite3.connect(tmp_path / "app.db") as connection:
            stray = "(1, x'fffe00', x'fffe00'), (2, 'fine', NULL), (3, cast('also fine' AS BLOB), NULL)"
            connection.execute(f"INSERT INTO notes VALUES {stray}")
        connection.close()
        yield client


STRAY = {"id": 1, "text": "//4A", "picture": "//4A"}


def test_a_stray_value_is_shown_in_base64(client):
    """One row is no reason to fail, and its neighbours are not touched."""
    fine = {"id": 2, "text": "fine", "picture": None}
    assert client.get("/notes?limit=2").json()["items"] == [STRAY, fine]
    assert client.get("/notes?count=exact").json()["total"] == 3


def test_bytes_that_are_text_are_shown_as_text(client):
    """In a list as well as alone, whatever stands beside them."""
    alone = client.get("/notes/3").json()

    assert alone == {"id": 3, "text": "also fine", "picture": None}
    assert client.get("/notes").json()["items"][2] == alone


def test_a_row_with_a_stray_value_has_a_tag_and_can_be_mended(client):
    """Its entity tag speaks of what is shown."""
    found = client.get("/notes/1")
    mended = client.patch("/notes/1", json={"text": "mended"}, headers={"If-Match": found.headers["etag"]})

    assert found.json() == STRAY
    assert mended.json() == STRAY | {"text": "mended"}
