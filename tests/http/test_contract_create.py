"""POST to a collection: the row, its address, its entity tag, and what a client need not or may not send."""

from __future__ import annotations

import datetime as dt
import itertools
import re
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from fastapi import APIRouter, FastAPI
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from splice import Database, Resource, install, private, read_only, write_once, write_only

SERIALS = itertools.count(1)
UTC_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


class Base(DeclarativeBase):
    pass


class Account(Base):
    __tablename__ = "accounts"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20))
    nickname: Mapped[str | None] = mapped_column(sa.String(20))
    level: Mapped[int] = mapped_column(default=1)
    quota: Mapped[int | None] = mapped_column(default=10)
    code: Mapped[str] = mapped_column(sa.String(20), default=lambda: f"code-{next(SERIALS)}")
    status: Mapped[str] = mapped_column(sa.String(10), server_default="new")
    score: Mapped[int] = mapped_column(sa.Computed("level * 2", persisted=True))
    created_at: Mapped[dt.datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())
    updated_at: Mapped[dt.datetime | None] = mapped_column(
        sa.DateTime(timezone=True), default=lambda: dt.datetime.now(dt.UTC), onupdate=sa.func.now()
    )
    rank: Mapped[int] = mapped_column(default=3, info=read_only)
    handle: Mapped[str | None] = mapped_column(sa.String(20), info=write_once)
    pin: Mapped[str | None] = mapped_column(sa.String(20), info=write_only)
    margin: Mapped[int | None] = mapped_column(info=private)
    password_hash: Mapped[str | None] = mapped_column(sa.String(20))


class Ticket(Base):
    """Its key is an identity column."""

    __tablename__ = "tickets"
    id: Mapped[int] = mapped_column(sa.Identity(always=True), primary_key=True)
    text: Mapped[str | None] = mapped_column(sa.String(20))


def build(db: Database) -> FastAPI:
    app = FastAPI()
    install(app, db)
    app.include_router(Resource(Account, db))
    app.include_router(Resource(Ticket, db))
    below = APIRouter()
    below.include_router(Resource(Account, db, prefix="/people"), prefix="/v1")
    app.include_router(below, prefix="/api")
    mounted = FastAPI()
    install(mounted, db)
    mounted.include_router(Resource(Account, db))
    app.mount("/mounted", mounted)
    return app


def created(client, path="/accounts", **fields) -> dict:
    answer = client.post(path, json={"name": "Ada", **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_new_row_is_answered_as_it_will_be_read(client):
    """201 carries the row, its address and its entity tag, the same as a later GET."""
    answer = client.post("/accounts", json={"name": "Ada"})
    read = client.get(answer.headers["location"])

    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["location"] == f"/accounts/{answer.json()['id']}"
    assert read.content == answer.content
    assert read.headers["etag"] == answer.headers["etag"]


def test_what_was_answered_is_committed(service):
    """The row is stored before the answer starts."""
    row = created(service.client)

    assert service.stored(sa.select(Account.id, Account.name)) == [(row["id"], "Ada")]


@pytest.mark.parametrize("path", ["/accounts", "/accounts/", "/api/v1/people", "/mounted/accounts/"])
@pytest.mark.parametrize("root_path", ["/behind", "/a/slow proxy"])
def test_the_location_is_what_a_client_behind_a_proxy_sees(service, path, root_path):
    """`Location` begins with the proxy's root path, and has no slash at the end."""
    client = service.client_of(service.app, root_path=root_path)

    answer = client.post(root_path + path, json={"name": "Ada"})

    expected = f"{quote(root_path)}{path.rstrip('/')}/{answer.json()['id']}"
    assert answer.headers["location"] == expected
    assert client.get(expected).content == answer.content


def test_the_location_is_right_where_the_proxy_strips_its_path(service):
    """A proxy may also cut its root path off the request."""
    client = service.client_of(service.app, root_path="/behind")

    answer = client.post("/accounts", json={"name": "Ada"})

    assert answer.headers["location"] == f"/behind/accounts/{answer.json()['id']}"


@pytest.mark.parametrize("path", ["/accounts", "/api/v1/people", "/mounted/accounts"])
def test_the_location_can_be_followed_without_a_proxy(client, path):
    """Without a root path, the address is the one to read the row at."""
    answer = client.post(path, json={"name": "Ada"})

    assert client.get(answer.headers["location"]).content == answer.content


def test_defaults_fill_what_was_not_sent(client):
    """Python's scalars and callables, the server's values, NULL and computed columns stand in the answer."""
    row = created(client)

    assert row["nickname"] is None
    assert (row["level"], row["quota"], row["rank"], row["score"], row["status"]) == (1, 10, 3, 2, "new")
    assert row["code"].startswith("code-")
    assert row["code"] != created(client)["code"]
    assert UTC_TIME.fullmatch(row["created_at"])
    assert UTC_TIME.fullmatch(row["updated_at"])


def test_sent_values_win_over_defaults(client):
    """Every default that is not the server's own can be replaced."""
    sent = {"nickname": "A", "level": 4, "quota": 0, "code": "mine", "status": "old", "handle": "ada"}

    row = created(client, **sent)

    assert {name: row[name] for name in sent} == sent
    assert row["score"] == 8


def test_null_is_stored_where_the_column_allows_it(client):
    """A null that is sent is meant: it does not call for the default."""
    assert created(client, quota=None)["quota"] is None


@pytest.mark.parametrize("name", ["name", "level", "code", "status"])
def test_null_is_refused_where_the_column_does_not(client, name):
    """Optional is not nullable."""
    answer = client.post("/accounts", json={"name": "Ada", name: None})

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [f"/{name}"]


def test_a_required_field_is_asked_for_by_name(client):
    """What nothing else can supply has to be sent."""
    answer = client.post("/accounts", json={})

    assert answer.status_code == 422
    assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [("/name", "missing")]


@pytest.mark.parametrize("field", ["id", "score", "created_at", "updated_at", "rank"])
def test_a_read_only_field_is_refused(service, field):
    """Keys, computed columns, server times and marked fields are not the client's; nothing is stored."""
    answer = service.client.post("/accounts", json={"name": "Ada", field: None})

    assert answer.status_code == 422
    assert answer.json()["type"].endswith("/forbidden-field")
    assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [
        (f"/{field}", "forbidden-field")
    ]
    assert service.stored(sa.select(Account.id)) == []


@pytest.mark.parametrize("field", ["margin", "password_hash", "metadata", "", "id_"])
def test_a_hidden_field_is_as_unknown_as_none(client, field):
    """A private column cannot be told from a name that does not exist."""
    refused = client.post("/accounts", json={"name": "Ada", field: 1})
    unknown = client.post("/accounts", json={"name": "Ada", "nothing": 1})

    (error,) = refused.json()["errors"]
    (other,) = unknown.json()["errors"]
    assert (refused.status_code, error["code"], error["pointer"]) == (422, "unknown-field", f"/{field}")
    assert error["detail"] == other["detail"].replace("nothing", field)
    assert error.get("hint") == other.get("hint")


def test_a_misspelt_field_is_refused_with_its_neighbour(client):
    """The nearest field is offered."""
    answer = client.post("/accounts", json={"name": "Ada", "nickname_": "A"})

    assert answer.json()["errors"][0]["hint"] == "did you mean 'nickname'?"


def test_a_write_only_field_is_stored_and_not_shown(service):
    """What goes in by a write-only field never comes out."""
    row = created(service.client, pin="PIN!")

    assert "pin" not in row
    assert "PIN!" not in service.client.get("/accounts").text
    assert service.stored(sa.select(Account.pin)) == [("PIN!",)]


def test_an_identity_column_is_the_databases(client):
    """A key GENERATED ALWAYS is made by the database, and refused when it is sent."""
    row = client.post("/tickets", json={})

    assert row.status_code == 201
    assert isinstance(row.json()["id"], int)
    assert client.post("/tickets", json={"id": 7}).json()["errors"][0]["code"] == "forbidden-field"


@pytest.mark.parametrize("content", [b"[]", b'"x"', b"null", b"3", b"[{}]", b"true"])
def test_a_body_that_is_no_object_is_refused(client, content):
    """A row is an object."""
    answer = client.post("/accounts", content=content, headers={"content-type": "application/json"})

    assert answer.status_code == 422


@pytest.mark.parametrize(
    "content", [b"{", b"name=Ada", b"{'name': 'Ada'}", b'{"name": "A"} x', b"\xff\xfe", b"[" * 9000]
)
def test_a_body_that_cannot_be_read_is_refused(client, content):
    """400 is for what is no JSON at all."""
    answer = client.post("/accounts", content=content, headers={"content-type": "application/json"})

    assert answer.status_code == 400
    assert answer.json()["type"] == "/problems/malformed-body"


@pytest.mark.parametrize("content", [b"NaN", b'{"name": NaN}', b'{"level": Infinity}', b'{"level": 1e999}'])
def test_a_number_that_is_none_is_refused(client, content):
    """What JSON does not know is never stored and never an error of the server."""
    answer = client.post("/accounts", content=content, headers={"content-type": "application/json"})

    assert answer.status_code in {400, 422}


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "json"]
)
def test_a_body_of_another_type_is_refused(client, media_type):
    """Only JSON is read, whatever the bytes look like."""
    answer = client.post("/accounts", content=b'{"name": "Ada"}', headers={"content-type": media_type})

    assert answer.status_code == 415
    assert answer.json()["errors"][0]["header"] == "Content-Type"


@pytest.mark.parametrize(
    "media_type", ["application/json", "APPLICATION/JSON; charset=utf-8", "application/vnd.api+json"]
)
def test_every_spelling_of_json_is_read(client, media_type):
    """Parameters, letter case and structured suffixes make no difference."""
    answer = client.post("/accounts", content=b'{"name": "Ada"}', headers={"content-type": media_type})

    assert answer.status_code == 201


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "x" * 21),
        ("name", 3),
        ("level", "3"),
        ("level", 3.5),
        ("level", True),
        ("level", 2**31),
        ("level", [1]),
        ("name", {"a": 1}),
        ("name", "a\0b"),
    ],
)
def test_a_value_that_does_not_fit_its_column_is_refused(service, field, value):
    """The limits of the model hold before any database sees the value."""
    answer = service.client.post("/accounts", json={"name": "Ada", field: value})

    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {f"/{field}"}
    assert service.stored(sa.select(Account.id)) == []


def test_the_length_of_a_text_is_counted_in_characters(client):
    """String(20) holds 20 characters, of four bytes too."""
    assert created(client, name="🦊" * 20)["name"] == "🦊" * 20


def test_every_mistake_in_a_body_is_named_at_once(client):
    """One answer lists what is missing, unfit, unknown and forbidden."""
    answer = client.post("/accounts", json={"level": "x", "colour": "red", "id": 3})

    assert answer.status_code == 422
    assert {(error["pointer"], error["code"]) for error in answer.json()["errors"]} >= {
        ("/name", "missing"),
        ("/colour", "unknown-field"),
        ("/id", "forbidden-field"),
    }


@pytest.mark.parametrize("query", ["x=1", "name=Ada", "limit=1"])
def test_a_parameter_that_nothing_reads_is_refused(service, query):
    """POST has no parameters of its own."""
    answer = service.client.post(f"/accounts?{query}", json={"name": "Ada"})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == query.partition("=")[0]
    assert service.stored(sa.select(Account.id)) == []
