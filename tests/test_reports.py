"""The log tells what failed, and holds nothing of the data."""

from __future__ import annotations

import logging

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from splice import Database, Resource, install
from splice.reports import speaks_of_data


class Base(DeclarativeBase): ...


class Shirt(Base):
    __tablename__ = "shirts"
    id: Mapped[int] = mapped_column(primary_key=True)
    size: Mapped[str] = mapped_column(sa.Enum("small", "large"))


@pytest.fixture
def client(tmp_path):
    """A service on a table in which another program has written what no model knows."""
    db = Database(f"sqlite:///{tmp_path}/shirts.db", create=Base.metadata)
    app = FastAPI()
    install(app, db)
    app.include_router(Resource(Shirt, db))
    with TestClient(app) as client:
        engine = sa.create_engine(f"sqlite:///{tmp_path}/shirts.db")
        with engine.begin() as connection:
            connection.exec_driver_sql("INSERT INTO shirts (size) VALUES ('tell-nobody')")
        engine.dispose()
        yield client


def test_a_stored_value_that_cannot_be_read_is_not_quoted(client, caplog):
    """SQLAlchemy quotes it in its error; the answer and the log do not."""
    with caplog.at_level(logging.ERROR, "splice"):
        answer = client.get("/shirts")

    assert answer.status_code == 500
    assert "tell-nobody" not in answer.text + caplog.text
    assert "LookupError" in caplog.text


@pytest.mark.parametrize("module", ["psycopg_binary._psycopg", "psycopg_c._psycopg", "aiosqlite.core"])
def test_an_error_raised_inside_of_a_driver_speaks_of_data(module):
    """Compiled drivers turn values into Python's under a package of their own, and quote them in Python's errors."""
    frames = {"__name__": module}

    with pytest.raises(ValueError, match="tell-nobody") as caught:
        exec("raise ValueError('tell-nobody')", frames)  # as a driver's own code would

    assert speaks_of_data(caught.value)
