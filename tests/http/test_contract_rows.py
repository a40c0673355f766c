"""GET and HEAD of single rows."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from splice import Database, Resource, install, private


class Base(DeclarativeBase):
    pass


class Lamp(Base):
    __tablename__ = "lamps"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20))
    watts: Mapped[int | None] = mapped_column(sa.SmallInteger)
    margin: Mapped[int | None] = mapped_column(info=private)


def build(db: Database) -> FastAPI:
    app = FastAPI()
    install(app, db)
    app.include_router(Resource(Lamp, db))
    return app


@pytest.fixture
def lamp(service) -> str:
    """The address of the one row."""
    service.store(Lamp(name="Ada", watts=40, margin=7))
    ((key,),) = service.stored(sa.select(Lamp.id))
    return f"/lamps/{key}"


def test_a_row_is_its_readable_columns(client, lamp):
    """The fields come in the order of the model, private ones left out."""
    answer = client.get(lamp)

    assert answer.status_code == 200
    assert answer.content == b'{"id":%s,"name":"Ada","watts":40}' % lamp.rpartition("/")[2].encode()


def test_a_missing_row_is_not_found(client):
    """404 is a problem document that names the model."""
    answer = client.get("/lamps/2147483647")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/not-found"
    assert "Lamp" in answer.json()["detail"]
    assert "etag" not in answer.headers


@pytest.mark.parametrize(
    "key", ["x", "1.5", "2147483648", "-2147483649", "0x1", "null", "%00", "1e3", "9" * 400]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "PATCH", "PUT"])
def test_a_key_that_no_row_can_have_is_refused(client, key, method):
    """A key outside the column's type names the parameter, whatever the method."""
    body = {"name": "x"} if method in {"PATCH", "PUT"} else None

    answer = client.request(method, f"/lamps/{key}", json=body)

    assert answer.status_code == 422
    if method != "HEAD":
        assert answer.json()["errors"][0]["parameter"] == "id"


@pytest.mark.parametrize("query", ["x=1", "name=Ada", "limit=3", "count=exact"])
def test_a_single_row_takes_no_parameters(client, lamp, query):
    """A parameter that nothing reads is a mistake."""
    answer = client.get(f"{lamp}?{query}")

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "unknown-parameter"


@pytest.mark.parametrize("address", ["{}", "/lamps", "/lamps?count=exact"])
def test_head_says_what_get_would(client, lamp, address):
    """HEAD has the status and headers of GET, and no body."""
    same = {"x-request-id": "one"}
    get, head = (client.request(way, address.format(lamp), headers=same) for way in ("GET", "HEAD"))

    assert head.status_code == get.status_code == 200
    assert head.content == b""
    assert dict(head.headers) == dict(get.headers)


def test_head_of_a_missing_row_is_not_found(client):
    """So with failures."""
    head = client.head("/lamps/2147483647")

    assert head.status_code == 404
    assert head.content == b""


def test_what_is_committed_elsewhere_is_seen(service, lamp):
    """Every request reads anew."""
    service.client.get(lamp)
    with service.witness.begin() as session:
        session.execute(sa.update(Lamp).values(name="Grace"))

    assert service.client.get(lamp).json()["name"] == "Grace"
