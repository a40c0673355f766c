"""Tables of `create=`: what could not be stored or numbered stops the start."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient

from splice import Database, Resource, install
from splice.errors import SetupError


def base_with_key(type_: sa.types.TypeEngine) -> type:
    """A declarative base with one model that has a key of this type."""
    base = sa.orm.declarative_base()
    columns = {"id": sa.Column(type_, primary_key=True), "name": sa.Column(sa.String(9))}
    base.Row = type("Row", (base,), {"__tablename__": "rows", **columns})
    return base


async def test_a_key_that_sqlite_would_not_number_stops_the_start(tmp_path):
    """A BIGINT key stays NULL there: every POST would be refused for a value that no client may send."""
    base = base_with_key(sa.BigInteger())
    db = Database(f"sqlite:///{tmp_path}/test.db", create=base.metadata)

    with pytest.raises(SetupError, match=r"rows.*with_variant\(Integer"):
        await db.start()
    await db.close()


def test_the_fix_that_the_message_holds_works(tmp_path):
    """A variant numbers rows on SQLite, and keeps the large key elsewhere."""
    base = base_with_key(sa.BigInteger().with_variant(sa.Integer, "sqlite"))
    db = Database(f"sqlite:///{tmp_path}/test.db", create=base.metadata)
    app = FastAPI()
    install(app, db)
    app.include_router(Resource(base.Row, db))

    with TestClient(app) as client:
        assert client.post("/rows", json={"name": "a"}).json() == {"id": 1, "name": "a"}
