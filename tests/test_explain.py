"""What `explain` says of a request is what the request does."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import Depends, FastAPI, Header
from fastapi.testclient import TestClient
from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from splice import Database, Resource, install
from splice.errors import Invalid, MethodNotAllowed, RouteNotFound, SetupError, UnknownField, UnknownParameter
from splice.explain import Unsaid, explain_request
from splice.explain.sql import folded


class Base(DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "authors"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(50))
    email: Mapped[str | None] = mapped_column(sa.String(50), unique=True)
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
    books: Mapped[list[Book]] = relationship(back_populates="author")


class Book(Base):
    __tablename__ = "order"  # has to be quoted

    isbn: Mapped[str] = mapped_column(sa.String(20), primary_key=True)
    title: Mapped[str] = mapped_column("the title", sa.String(80))
    author_id: Mapped[int] = mapped_column(sa.ForeignKey("authors.id"))
    changes: Mapped[int] = mapped_column()
    author: Mapped[Author] = relationship(back_populates="books")

    __mapper_args__ = {"version_id_col": changes}


class Event(Base):
    __tablename__ = "events"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(20))
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "event"}


class Concert(Event):
    __tablename__ = "concerts"

    id: Mapped[int] = mapped_column(sa.ForeignKey("events.id"), primary_key=True)
    hall: Mapped[str] = mapped_column(sa.String(20))
    __mapper_args__ = {"polymorphic_identity": "concert"}


class Token(Base):
    __tablename__ = "tokens"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    note: Mapped[str | None] = mapped_column(sa.String(20))
    touched: Mapped[int | None] = mapped_column(onupdate=7)


class AuthorRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: int
    name: str
    books: list[BookRead]


class BookRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    title: str


def signed_in(authorization: str | None = Header(default=None)) -> None:
    """A dependency of the user's own."""


def stamp(_session: Session, author: Author, _body: Any) -> None:
    """A hook that changes nothing."""


def application(url: str) -> FastAPI:
    db = Database(url, create=Base.metadata)
    app = FastAPI()
    install(app, db)
    for model in (Author, Book, Concert, Token):
        app.include_router(Resource(model, db))
    shown = Resource(Author, db, read=AuthorRead, prefix="/shown", dependencies=[Depends(signed_in)])
    shown.before_create(stamp)
    app.include_router(shown)

    @app.get("/now")
    def now() -> str:
        return "now"

    return app


@pytest.fixture
def app() -> FastAPI:
    return application("sqlite:///nowhere.db")


@contextmanager
def watching(app: FastAPI) -> Iterator[list[str]]:
    """The statements that an application sends, those of the transaction left out."""
    engine = app.state.splice.databases[0].engine
    engine = getattr(engine, "sync_engine", engine)
    sent: list[str] = []

    def watch(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith(("BEGIN", "PRAGMA")):
            sent.append(folded(statement))

    sa.event.listen(engine, "before_cursor_execute", watch)
    yield sent
    sa.event.remove(engine, "before_cursor_execute", watch)


AUTHOR = {"name": "Ada", "email": "ada@example.org"}
BOOK = {"isbn": "1", "title": "Notes", "author_id": 1}
REQUESTS = [
    ("GET", "/authors?name=Ada&name=Bob&active=true&order_by=-email,name&limit=3&offset=1&count=exact", None),
    ("GET", "/authors/1", None),
    ("POST", "/authors", {"name": "Eve"}),
    ("PATCH", "/authors/1", {"name": "Bob"}),
    ("PUT", "/authors/1", {"name": "Eve", "active": False}),
    ("DELETE", "/authors/2", None),
    ("GET", "/order?title=Notes", None),
    ("POST", "/order", {"isbn": "2", "title": "More", "author_id": 1}),
    ("PATCH", "/order/1", {"title": "Less"}),
    ("DELETE", "/order/1", None),
    ("POST", "/concerts", {"hall": "A"}),
    ("PATCH", "/concerts/1", {"hall": "B"}),
    ("DELETE", "/concerts/1", None),
    ("POST", "/tokens", {"note": "x"}),
]


def test_what_is_explained_is_what_is_sent(database_url):
    """Every statement of every verb, letter by letter and in the same order."""
    app = application(database_url)
    differing = []
    with TestClient(app) as client:
        for path, body in (
            ("/authors", AUTHOR),
            ("/authors", {"name": "Bo"}),
            ("/order", BOOK),
            ("/concerts", {"hall": "Z"}),
        ):
            assert client.post(path, json=body).status_code == 201

        for method, path, body in REQUESTS:
            explained = explain_request(app, f"{method} {path}", body and json.dumps(body))
            with watching(app) as sent:
                status = client.request(method, path, json=body).status_code

            assert status in {200, 201, 204}, (method, path, status)
            expected = [statement.sql for statement in explained.statements]
            if expected != sent:
                differing.append((method, path, expected, sent))

    assert differing == []


def test_a_read_model_sends_one_statement_more_for_each_relation(database_url):
    """The statement that is explained comes first, then those that the notes announce."""
    app = application(database_url)
    with TestClient(app) as client:
        client.post("/authors", json=AUTHOR)
        for path in ("/shown", "/shown/1"):
            found = explain_request(app, path)
            with watching(app) as sent:
                client.get(path)

            assert [statement.sql for statement in found.statements] == sent[:1]
            assert len(sent) == 2


def explained(app: FastAPI, request: str, body: str | None = None, dialect: str | None = None) -> Any:
    return explain_request(app, request, body, dialect)


def test_values_are_listed_in_the_order_of_the_statement(app):
    """Filters come before the bounds of the page, each with the name that SQLAlchemy gave it."""
    [page] = explained(app, "GET /authors?name=Ada&limit=3&offset=4").statements

    assert [each.value for each in page.parameters] == ["Ada", 4, 4]
    assert page.parameters[0].name == "name_1"


def test_a_request_without_a_method_reads(app):
    """A path alone is a GET."""
    assert explained(app, "/authors/1").verb == "read"


def test_text_that_a_shell_leaves_as_it_is_need_not_be_encoded(app):
    """Spaces and letters beyond ASCII are taken as a browser takes them; what is encoded stays."""
    [spelt] = explained(app, "GET /authors?name=Zoë B").statements
    [encoded] = explained(app, "GET /authors?name=Zo%C3%AB%20B").statements

    assert [spelt.parameters[0].value, encoded.parameters[0].value] == ["Zoë B", "Zoë B"]


def test_without_a_body_the_values_are_left_open(app):
    """The statement is that of a body with every field, and says where its values come from."""
    insert = explained(app, "POST /authors").statements[0]

    assert [str(each.value) for each in insert.parameters] == ["(from the body)"] * 3


def test_defaults_are_bound_as_they_will_be(app):
    """A constant default is known before; one that is made by a function is not."""
    author = explained(app, "POST /authors", '{"name": "Ada"}').statements[0]
    token = explained(app, "POST /tokens", "{}").statements[0]

    assert {each.name: each.value for each in author.parameters} == {
        "name": "Ada",
        "email": None,
        "active": True,
    }
    assert isinstance({each.name: each.value for each in token.parameters}["id"], Unsaid)


def test_a_column_that_updates_itself_is_in_the_update(app):
    """`onupdate` is written with what was sent."""
    update = explained(app, "PATCH /tokens/6f1c3a52-8a3e-4d6f-9d7e-0d4b3f1a2c11", '{"note": "x"}').statements[
        1
    ]

    assert {each.name: each.value for each in update.parameters}["touched"] == 7


def test_rows_are_the_usual_path(app):
    """Without a model of one's own nothing is loaded as an entity, and the reason is given."""
    found = explained(app, "GET /authors")

    assert found.path == "rows"
    assert "no read= model" in found.reasons[0]


def test_a_read_model_takes_the_path_through_entities(app):
    """The reason names the model, the notes what is loaded for it."""
    found = explained(app, "GET /shown")

    assert found.path == "entities"
    assert "AuthorRead" in found.reasons[0]
    assert found.notes[0].startswith("books: loaded after the rows")


def test_own_dependencies_are_named(app):
    """What a resource depends on besides its session takes part in the request."""
    assert "signed_in" in explained(app, "GET /shown").reasons[1]
    assert "only the session" in explained(app, "GET /authors").reasons[1]


def test_hooks_are_named(app):
    """What may add statements is said of the verbs that it belongs to."""
    assert any(note.endswith("stamp") for note in explained(app, "POST /shown").notes)
    assert not any("hooks" in note for note in explained(app, "PATCH /shown/1").notes)


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql", "mariadb", "mysql"])
def test_statements_can_be_written_for_another_database(app, dialect):
    """The same request, as it would be on each; no driver of the other is needed."""
    found = explained(app, "GET /authors?name=Ada&order_by=email", dialect=dialect)

    assert found.dialect == dialect
    assert ("COLLATE" in found.statements[0].sql) is (dialect in {"mariadb", "mysql"})


def test_an_unknown_dialect_is_refused(app):
    """The error lists those that there are."""
    with pytest.raises(SetupError, match="sqlite, postgresql, mariadb, mysql"):
        explained(app, "GET /authors", dialect="oracle")


def test_a_session_of_ones_own_needs_a_dialect():
    """Where the database is not known, its dialect has to be named."""

    def get_session() -> Iterator[AsyncSession]:
        raise NotImplementedError

    app = FastAPI()
    app.include_router(Resource(Author, session=get_session))

    with pytest.raises(SetupError, match="--dialect"):
        explained(app, "GET /authors")
    assert explained(app, "GET /authors", dialect="postgresql").dialect == "postgresql"


@pytest.mark.parametrize(
    ("request_", "body", "problem", "said"),
    [
        ("GET /authors?nam=x", None, UnknownField, "nam"),
        ("GET /authors?id=x", None, Invalid, "number"),
        ("GET /authors/x", None, Invalid, "number"),
        ("GET /authors/1?a=1", None, UnknownParameter, "no such parameter"),
        ("POST /authors", '{"nme": "x"}', Invalid, "nme"),
        ("PUT /authors", "{}", MethodNotAllowed, "PUT"),
        ("GET /author", None, RouteNotFound, "Nothing is served"),
    ],
)
def test_what_the_api_refuses_is_refused(app, request_, body, problem, said):
    """The same problem, with the same words, as the client would get."""
    with pytest.raises(problem) as refused:
        explained(app, request_, body)

    assert said in " ".join([refused.value.detail, *(issue.detail for issue in refused.value.issues)])


def test_a_misspelt_path_has_its_neighbour_as_a_hint(app):
    """The nearest path is offered."""
    with pytest.raises(RouteNotFound) as refused:
        explained(app, "GET /author")

    assert refused.value.issues[0].hint == "did you mean /authors?"


def test_a_route_of_ones_own_is_not_explained(app):
    """Only its own code knows what it runs; the message names it."""
    with pytest.raises(SetupError, match=r"answered by tests\.test_explain.*now"):
        explained(app, "GET /now")


def test_what_runs_no_statement_is_said(app):
    """OPTIONS asks no database, and a mounted application is one of its own."""
    app.mount("/other", FastAPI())

    with pytest.raises(SetupError, match="runs no statement"):
        explained(app, "OPTIONS /authors")
    with pytest.raises(SetupError, match="its own module:app"):
        explained(app, "GET /other/things")


def test_what_is_no_request_is_refused(app):
    """The message shows how to write one."""
    with pytest.raises(SetupError, match=re.escape("GET /users?name=Ada")):
        explained(app, "authors please")


def test_nothing_is_connected_to():
    """A database that is away is explained as well as one that is there."""
    app = application("postgresql://nobody@127.0.0.1:1/nowhere")

    assert "LIMIT $1::INTEGER" in explained(app, "GET /authors").statements[0].sql


def test_quoted_names_stay_whole():
    """A line is never broken within a name, and what is in it is no keyword."""
    sql = (
        "SELECT "
        + ", ".join(f'"a FROM b {number}"' for number in range(20))
        + ' FROM "x WHERE y" WHERE a = (SELECT 1 FROM b)'
    )

    lines = folded(sql).splitlines()

    assert " ".join(line.strip() for line in lines) == sql
    assert lines[-2:] == ['FROM "x WHERE y"', "WHERE a = (SELECT 1 FROM b)"]
