"""Methods and addresses: OPTIONS, wrong methods, slashes at the end, and which routes there are."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from splice import Database, Resource, install

COLLECTION = "GET, HEAD, OPTIONS, POST, QUERY"
ROW = "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"


class Base(DeclarativeBase):
    pass


class Lamp(Base):
    __tablename__ = "lamps"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20))


def build(db: Database) -> FastAPI:
    app = FastAPI()
    install(app, db)
    lamps = Resource(Lamp, db)
    lamps.add_api_route("/{id}/light", lambda: None, methods=["POST"], include_in_schema=False)
    app.include_router(lamps)
    app.include_router(Resource(Lamp, db, prefix="/seen", only={"list", "read"}))
    app.include_router(Resource(Lamp, db, prefix="/written", only=["create"]))
    app.include_router(Resource(Lamp, db, prefix=""), prefix="/bare")

    @app.api_route("/lamps", methods=["LINK"])
    def link() -> str:
        return "linked"

    return app


CASES = [
    ("/lamps", COLLECTION.replace("OPTIONS", "LINK, OPTIONS")),
    ("/lamps/1", ROW),
    ("/lamps/1/light", "POST"),
    ("/seen", "GET, HEAD, OPTIONS, QUERY"),
    ("/seen/", "GET, HEAD, OPTIONS, QUERY"),
    ("/seen/1", "GET, HEAD, OPTIONS"),
    ("/written", "OPTIONS, POST"),
    ("/bare", COLLECTION),
    ("/bare/1", ROW),
]


@pytest.mark.parametrize(("path", "allowed"), CASES)
def test_a_wrong_method_is_answered_with_those_that_are_right(client, path, allowed):
    """405 names every method of the path, whichever route it belongs to."""
    answer = client.request("TRACE", path)

    assert answer.status_code == 405
    assert answer.headers["allow"] == allowed
    assert answer.json()["type"] == "/problems/method-not-allowed"


@pytest.mark.parametrize(("path", "allowed"), [case for case in CASES if "OPTIONS" in case[1]])
def test_options_names_the_methods_of_a_path(client, path, allowed):
    """OPTIONS tells the same, without a body."""
    answer = client.options(path)

    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["allow"] == allowed
    assert ("accept-patch" in answer.headers) == ("PATCH" in allowed)


def test_options_asks_nothing_of_the_database(service):
    """What a path can do does not depend on rows: no statement is sent, and the row need not exist."""
    with service.watching() as statements:
        service.client.options("/lamps/2147483647")

    assert statements == []


@pytest.mark.parametrize("path", ["/written/1", "/seen/1/2", "/lamps/1/light/2", "/nowhere", "//lamps"])
def test_what_is_not_served_is_not_found(client, path):
    """A path without routes is 404, as a problem document."""
    answer = client.get(path)

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_slash_at_the_end_makes_no_difference(client):
    """Both spellings are answered, without a redirect."""
    client.follow_redirects = False
    made = client.post("/lamps/", json={"name": "Ada"})
    address = made.headers["location"]

    answers = [client.get(path) for path in ("/lamps", "/lamps/", address, f"{address}/", "/bare", "/bare/")]

    assert [answer.status_code for answer in (made, *answers)] == [201] + 6 * [200]
    assert answers[0].content == answers[1].content
    assert answers[2].content == answers[3].content
    assert answers[4].content == answers[5].content
    assert client.delete(f"{address}/").status_code == 204


def test_the_link_header_has_no_slash_at_the_end(client):
    """Every page has one address, whatever was asked for."""
    assert client.get("/lamps/").links["first"]["url"] == "/lamps?limit=50"


def test_only_the_verbs_asked_for_are_served(service):
    """`only=` leaves the others out."""
    service.store(Lamp(name="Ada"))
    ((key,),) = service.stored(sa.select(Lamp.id))

    statuses = {
        method: service.client.request(method, f"/seen/{key}", json={"name": "x"}).status_code
        for method in ("PUT", "PATCH", "DELETE")
    }

    assert service.client.get(f"/seen/{key}").status_code == 200
    assert statuses == {"PUT": 405, "PATCH": 405, "DELETE": 405}
    assert service.client.post("/seen", json={"name": "x"}).status_code == 405
    assert service.client.get("/written").status_code == 405
    assert service.client.post("/written", json={"name": "x"}).status_code == 201
