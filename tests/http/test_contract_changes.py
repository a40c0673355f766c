"""PUT and PATCH: what is written, what is kept, what is refused."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from pydantic import JsonValue
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from splice import Database, Resource, install, private, read_only, write_once, write_only

SERIALS = itertools.count(1)


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
    extra: Mapped[JsonValue | None] = mapped_column(sa.JSON)
    created_at: Mapped[dt.datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())
    rank: Mapped[int] = mapped_column(default=3, info=read_only)
    handle: Mapped[str | None] = mapped_column(sa.String(20), info=write_once)
    pin: Mapped[str | None] = mapped_column(sa.String(20), info=write_only)
    margin: Mapped[int | None] = mapped_column(info=private)


class Setting(Base):
    """Its key is the client's."""

    __tablename__ = "settings"
    name: Mapped[str] = mapped_column(sa.String(20), primary_key=True)
    value: Mapped[str] = mapped_column(sa.String(20))
    note: Mapped[str | None] = mapped_column(sa.String(20))
    unit: Mapped[str | None] = mapped_column(sa.String(20), default="m")
    origin: Mapped[str | None] = mapped_column(sa.String(20), info=write_once)


class Draft(Base):
    __tablename__ = "drafts"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str | None] = mapped_column(sa.String(20))
    extra: Mapped[JsonValue | None] = mapped_column(sa.JSON)
    version: Mapped[int] = mapped_column()
    __mapper_args__ = {"version_id_col": version}  # SQLAlchemy's spelling


def build(db: Database) -> FastAPI:
    app = FastAPI()
    install(app, db)
    app.include_router(Resource(Account, db))
    app.include_router(Resource(Setting, db))
    app.include_router(Resource(Draft, db))
    return app


FULL: dict[str, Any] = {
    "name": "Ada",
    "nickname": "A",
    "level": 5,
    "quota": 50,
    "code": "mine",
    "status": "old",
    "extra": {"a": 1},
    "handle": "ada",
    "pin": "1234",
}


@pytest.fixture
def account(client) -> str:
    """The address of one account, every field of which is filled."""
    return client.post("/accounts", json=FULL).headers["location"]


def fault(answer) -> tuple[str, str]:
    """Where the one mistake is, and which."""
    assert answer.status_code == 422, answer.text
    (only,) = answer.json()["errors"]
    return only["pointer"], only["code"]


def test_put_replaces_everything_that_clients_may_write(service, account):
    """What is not sent takes its Python default, else NULL; what is not the client's stays."""
    before = service.client.get(account).json()
    with service.witness.begin() as session:
        session.execute(sa.update(Account).values(rank=8, margin=9))

    answer = service.client.put(account, json={"name": "Grace", "status": "odd"})

    assert answer.status_code == 200
    assert answer.json()["code"] not in {"mine", None}
    assert answer.json() == before | {
        "name": "Grace",
        "nickname": None,
        "level": 1,
        "quota": 10,
        "code": answer.json()["code"],
        "status": "odd",
        "extra": None,
        "rank": 8,
    }
    assert service.stored(sa.select(Account.pin, Account.margin)) == [(None, 9)]


def test_put_answers_the_row_as_it_will_be_read(client, account):
    """200 carries the row and its entity tag."""
    answer = client.put(account, json={"name": "Grace", "status": "odd"})
    read = client.get(account)

    assert (answer.content, answer.headers["etag"]) == (read.content, read.headers["etag"])
    assert "location" not in answer.headers


def test_put_takes_back_what_get_gave(service, account):
    """Read-only fields in the body are ignored, so that a client may send back what it got."""
    row = service.client.get(account).json()

    answer = service.client.put(account, json=row | {"name": "Grace"})

    assert answer.status_code == 200
    assert answer.json() == row | {"name": "Grace"}


def test_put_does_not_change_read_only_fields(client, account):
    """A read-only field is ignored, whatever is sent."""
    row = client.get(account).json()

    answer = client.put(account, json=row | {"rank": 99, "created_at": "2001-01-01T00:00:00Z"})

    assert (answer.status_code, answer.json()) == (200, row)


@pytest.mark.parametrize("missing", ["name", "status"])
def test_put_asks_for_what_only_the_server_could_supply(client, account, missing):
    """A required field, and one with a server default alone, have to be sent."""
    body = {name: value for name, value in {"name": "Grace", "status": "odd"}.items() if name != missing}

    assert fault(client.put(account, json=body)) == (f"/{missing}", "missing")


def test_put_refuses_another_key_than_that_in_the_path(client, account):
    """The key in the body may be left out or be the same."""
    row = client.get(account).json()

    assert client.put(account, json=row).status_code == 200
    assert fault(client.put(account, json=row | {"id": row["id"] + 1})) == ("/id", "forbidden-field")


def test_put_refuses_to_change_what_is_written_once(client, account):
    """A write-once field may be left out or sent as it is."""
    body = {"name": "Grace", "status": "odd"}

    assert client.put(account, json=body).json()["handle"] == "ada"
    assert client.put(account, json=body | {"handle": "ada"}).status_code == 200
    assert fault(client.put(account, json=body | {"handle": "eve"})) == ("/handle", "forbidden-field")
    assert fault(client.put(account, json=body | {"handle": None})) == ("/handle", "forbidden-field")


@pytest.mark.parametrize("field", ["margin", "colour"])
def test_put_refuses_unknown_fields(client, account, field):
    """A private field is as unknown as one that does not exist."""
    body = {"name": "Grace", "status": "odd", field: 1}

    assert fault(client.put(account, json=body)) == (f"/{field}", "unknown-field")


def test_put_of_a_missing_row_is_not_found(service):
    """Where the database makes the keys, PUT creates nothing."""
    answer = service.client.put("/accounts/2147483647", json={"name": "Grace", "status": "odd"})

    assert answer.status_code == 404
    assert service.stored(sa.select(Account.id)) == []


def test_put_creates_where_the_key_is_the_clients(client):
    """201 with the address; what is not sent takes its default."""
    answer = client.put("/settings/width", json={"value": "3", "origin": "hand"})

    assert answer.status_code == 201
    assert answer.headers["location"] == "/settings/width"
    assert answer.json() == {"name": "width", "value": "3", "note": None, "unit": "m", "origin": "hand"}
    assert client.get("/settings/width").headers["etag"] == answer.headers["etag"]
    assert client.put("/settings/width", json={"value": "4"}).status_code == 200


def test_put_creates_nothing_under_a_condition(client):
    """A row that is not there is in no state that `If-Match` could ask for."""
    answer = client.put("/settings/width", json={"value": "3"}, headers={"if-match": "*"})

    assert answer.status_code == 412
    assert client.get("/settings/width").status_code == 404


def test_put_creates_only_the_key_of_the_path(client):
    """Another key in the body is refused, the same one is not."""
    refused = client.put("/settings/width", json={"name": "height", "value": "3"})

    assert fault(refused) == ("/name", "forbidden-field")
    assert client.put("/settings/width", json={"name": "width", "value": "3"}).status_code == 201


def test_put_stores_a_null_that_is_sent(client):
    """A null is no missing field, when the row is made and when it is replaced."""
    made = client.put("/settings/width", json={"value": "3", "unit": None})
    client.put("/settings/width", json={"value": "3", "unit": "km"})
    replaced = client.put("/settings/width", json={"value": "3", "unit": None})

    assert (made.status_code, made.json()["unit"]) == (201, None)
    assert (replaced.status_code, replaced.json()["unit"]) == (200, None)


def test_put_twice_is_put_once(client):
    """PUT is idempotent."""
    client.put("/settings/width", json={"value": "3"})
    first = client.get("/settings/width")

    again = client.put("/settings/width", json={"value": "3"})

    assert (again.content, again.headers["etag"]) == (first.content, first.headers["etag"])


def test_patch_writes_only_what_is_sent(client, account):
    """The rest stays as it is."""
    row = client.get(account).json()

    answer = client.patch(account, json={"level": 6})

    assert answer.status_code == 200
    assert answer.json() == row | {"level": 6}
    assert client.get(account).content == answer.content


def test_patch_leaves_other_columns_to_others(service, account):
    """Two clients that change different fields do not undo each other."""
    with service.watching() as statements:
        service.client.patch(account, json={"level": 6})

    (update,) = [statement for statement in statements if statement.startswith("UPDATE")]
    assert "name" not in update


def test_patch_reads_merge_patches(client, account):
    """RFC 7396: null removes, which is NULL in a column; the media type may be said."""
    answer = client.patch(
        account,
        content=b'{"nickname": null, "quota": null}',
        headers={"content-type": "application/merge-patch+json"},
    )

    assert answer.status_code == 200
    assert (answer.json()["nickname"], answer.json()["quota"]) == (None, None)


@pytest.mark.parametrize("field", ["name", "level", "code", "status"])
def test_patch_refuses_null_where_the_column_does(client, account, field):
    """Optional is not nullable."""
    answer = client.patch(account, json={field: None})

    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {f"/{field}"}


@pytest.mark.parametrize("path", ["/accounts", "/drafts"])
def test_an_empty_patch_changes_nothing(client, path):
    """`{}` is a change of nothing, and the state stays the same."""
    made = client.post(path, json=FULL if path == "/accounts" else {"text": "x"})

    answer = client.patch(made.headers["location"], json={})

    assert answer.status_code == 200
    assert (answer.content, answer.headers["etag"]) == (made.content, made.headers["etag"])


@pytest.mark.parametrize("body", [{"text": "x"}, {"extra": None}, {"text": "x", "extra": None}])
def test_a_patch_to_the_same_values_is_no_new_version(client, body):
    """A version counts states, not requests."""
    made = client.post("/drafts", json={"text": "x"})

    answer = client.patch(made.headers["location"], json=body)

    assert (answer.status_code, answer.json()["version"]) == (200, 1)


@pytest.mark.parametrize("field", ["id", "created_at", "rank", "handle"])
def test_patch_refuses_what_clients_may_not_write(client, account, field):
    """A read-only field is refused even with the value that it has."""
    value = client.get(account).json()[field]

    assert fault(client.patch(account, json={field: value})) == (f"/{field}", "forbidden-field")


@pytest.mark.parametrize("field", ["margin", "colour"])
def test_patch_refuses_unknown_fields(client, account, field):
    """A private field is as unknown as one that does not exist."""
    assert fault(client.patch(account, json={field: 1})) == (f"/{field}", "unknown-field")


def test_a_refused_patch_changes_nothing(client, account):
    """A patch is made as a whole or not at all."""
    row = client.get(account).content

    client.patch(account, json={"level": 6, "name": "x" * 21})

    assert client.get(account).content == row


def test_patch_of_a_missing_row_is_not_found(client):
    """PATCH creates nothing."""
    assert client.patch("/accounts/2147483647", json={"level": 6}).status_code == 404
    assert client.patch("/settings/width", json={"value": "3"}).status_code == 404


@pytest.mark.parametrize("content", [b"[]", b"null", b'"x"', b'[{"op": "remove", "path": "/nickname"}]'])
def test_a_patch_is_an_object(client, account, content):
    """A JSON Patch document is not a merge patch."""
    answer = client.patch(account, content=content, headers={"content-type": "application/json"})

    assert answer.status_code == 422


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_null_in_a_json_column_is_null_in_the_database(service, account, method):
    """The JSON document `null` would be found by no IS NULL."""
    path = "/accounts" if method == "POST" else account

    answer = service.client.request(method, path, json={"name": "x", "status": "s", "extra": None})

    assert answer.json()["extra"] is None
    found = service.stored(sa.select(Account.id).where(Account.extra.is_(sa.null())))
    assert found == [(answer.json()["id"],)]


def test_a_json_column_is_replaced_as_a_whole(client, account):
    """Merging ends at the columns: what is inside is a value like any other."""
    answer = client.patch(account, json={"extra": {"b": None}})

    assert answer.json()["extra"] == {"b": None}


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_parameter_that_nothing_reads_is_refused(client, account, method):
    """Writes take no parameters of their own."""
    body = None if method == "DELETE" else {"name": "x", "status": "s"}

    answer = client.request(method, f"{account}?force=true", json=body)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == "force"
    assert client.get(account).json()["name"] == "Ada"


@pytest.mark.parametrize(
    ("path", "body"), [("/settings/x", {"origin": "x" * 21}), ("/settings/" + "x" * 21, {})]
)
def test_put_stores_nothing_that_post_would_refuse(service, path, body):
    """Keys and fields that are written once are held to the limits of their columns when PUT creates."""
    answer = service.client.put(path, json={"value": "3", **body})

    assert answer.status_code == 422
    assert service.stored(sa.select(Setting.name)) == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/drafts", {"text": "new"}),
        ("PUT", "/drafts/101", {"text": "new"}),
        ("PATCH", "/drafts/101", {"text": "new"}),
        ("DELETE", "/drafts/101", None),
    ],
)
def test_nothing_is_sent_after_the_commit(service, method, path, body):
    """A statement that fails then would answer 5xx for a write that is stored."""
    service.store(Draft(id=101, text="old"))
    engine = getattr(service.db.engine, "sync_engine", service.db.engine)

    with service.watching() as sent:

        def note(_: Any) -> None:
            sent.append("COMMIT")

        sa.event.listen(engine, "commit", note)
        try:
            assert service.client.request(method, path, json=body).is_success
        finally:
            sa.event.remove(engine, "commit", note)

    assert sent.count("COMMIT") == 1
    assert sent[-1] == "COMMIT"
