"""Routes of one's own on a Resource, models with rules of their own, and what SQLite needs on any engine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

import pytest
import sqlalchemy as sa
from fastapi import APIRouter, Depends, FastAPI
from fastapi import Query as QueryParameter
from fastapi.testclient import TestClient
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, sessionmaker, validates
from starlette.responses import PlainTextResponse

from splice import Database, Query, Resource, errors, install, private


class Base(DeclarativeBase): ...


class Author(Base):
    __tablename__ = "authors"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20))
    books: Mapped[list[Book]] = relationship(back_populates="author")

    @property
    def shelf(self) -> str:
        return f"{len(self.books)} books"


class Book(Base):
    __tablename__ = "books"
    isbn: Mapped[str] = mapped_column(sa.String(20), primary_key=True)
    title: Mapped[str] = mapped_column(sa.String(20))
    note: Mapped[str | None] = mapped_column(sa.String(20), default="none yet")
    author_id: Mapped[int | None] = mapped_column(sa.ForeignKey("authors.id"))
    author: Mapped[Author | None] = relationship(back_populates="books")

    @validates("note")
    def strip(self, _key: str, note: str | None) -> str | None:
        return note.strip() if note is not None else None


class Greeting(Base):
    __tablename__ = "greetings"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(sa.String(20), unique=True)

    def __init__(self, word: str) -> None:
        self.text = f"hello {word}"


class Named(BaseModel):
    name: str


class BookShown(BaseModel):
    isbn: str
    writer: Named | None = Field(validation_alias="author")


class AuthorShown(BaseModel):
    id: int
    shelf: str


@pytest.fixture
def db(tmp_path) -> Database:
    return Database(f"sqlite:///{tmp_path}/test.db", create=Base.metadata)


@pytest.fixture
def books(db) -> Resource[Book]:
    return Resource(Book, db)


def running(db: Database, *routers: APIRouter) -> TestClient:
    """A client of an application with these routers."""
    app = FastAPI()
    install(app, db)
    for router in routers:
        app.include_router(router)
    return TestClient(app)


def test_every_kind_of_own_route_comes_first(db, books):
    """`add_route` and `mount` are as much one's own as `get`: no key hides them."""
    books.add_route("/books/about", lambda _request: PlainTextResponse("about"))
    below = FastAPI()
    below.add_route("/inner", lambda _request: PlainTextResponse("inner"))
    books.mount("/books/sub", below)

    with running(db, books) as client:
        assert client.get("/books/about").text == "about"
        assert client.get("/books/sub/inner").text == "inner"


def test_a_route_of_an_included_router_takes_the_place_of_a_generated_one(db, books):
    """What answers is also what the document shows."""
    inner = APIRouter()
    inner.get("/{key}", summary="Mine")(lambda key: {"mine": key})
    books.include_router(inner)

    with running(db, books) as client:
        assert client.get("/books/x").json() == {"mine": "x"}
        shown = client.get("/openapi.json").json()["paths"]
        assert [part["get"]["summary"] for path, part in shown.items() if "{" in path and "get" in part] == [
            "Mine"
        ]


def test_an_own_get_answers_head(db, books):
    """HEAD of `/books/export` is that of the export, not of a book called so."""
    books.get("/export")(lambda: {"all": True})

    with running(db, books) as client:
        assert client.head("/books/export").status_code == 200
        assert "head" not in client.get("/openapi.json").json()["paths"]["/books/export"]


def test_the_document_says_what_row_and_query_bring(db, books):
    """A row may be missing, and the query language is listed."""

    async def show(book: Any) -> None: ...

    async def search(query: Any) -> None: ...

    show.__annotations__ = {"book": Annotated[Book, books.row]}
    search.__annotations__ = {"query": Annotated[Query, books.query]}
    books.get("/{isbn}/shown")(show)
    books.get("/found")(search)

    with running(db, books) as client:
        paths = client.get("/openapi.json").json()["paths"]

    assert list(paths["/books/{isbn}/shown"]["get"]["responses"]["404"]["content"]) == [
        "application/problem+json"
    ]
    assert list(paths["/books/found"]["get"]["responses"]["422"]["content"]) == ["application/problem+json"]
    assert {"filters", "order_by", "limit"} <= {
        each["name"] for each in paths["/books/found"]["get"]["parameters"]
    }


def test_one_resource_in_two_applications(db, books):
    """Each application's own dependencies say which parameters are known there."""

    def tenant(tenant: str = "none") -> str:
        return tenant

    plain, guarded = FastAPI(), FastAPI(dependencies=[Depends(tenant)])
    for app in (plain, guarded):
        app.include_router(books)

    with TestClient(plain) as one, TestClient(guarded) as other:
        assert one.get("/books?tenant=a").status_code == 422
        assert other.get("/books?tenant=a").status_code == 200


def test_overrides_of_any_level_are_honoured(db):
    """FastAPI's overrides reach dependencies of the application, the router and the resource alike."""

    def refuse() -> None:
        raise errors.NotFound("closed")

    def refuse_too() -> None:
        raise errors.NotFound("closed too")

    app = FastAPI(dependencies=[Depends(refuse)])
    install(app, db)
    app.include_router(Resource(Book, db, dependencies=[Depends(refuse_too)]), dependencies=[Depends(refuse)])
    with TestClient(app) as client:
        assert client.get("/books").json()["detail"] == "closed"
        app.dependency_overrides[refuse] = lambda: None
        assert client.get("/books").json()["detail"] == "closed too"
        app.dependency_overrides[refuse_too] = lambda: None
        assert client.get("/books").status_code == 200


@pytest.mark.parametrize(("method", "path"), [("POST", "/books"), ("PUT", "/books/1"), ("PATCH", "/books/1")])
def test_a_validator_sees_null_once(db, books, method, path):
    """NULL is stored although the column has a default, and no validator meets an SQL element."""
    body = {"title": "t", "note": None} | ({"isbn": "1"} if method == "POST" else {})

    with running(db, books) as client:
        if method != "POST":
            client.post("/books", json={"isbn": "1", "title": "t", "note": " x "})
        answer = client.request(method, path, json=body)

        assert answer.status_code < 300
        assert answer.json()["note"] is None
        assert client.get("/books/1").json()["note"] is None


def test_a_constructor_of_ones_own_is_passed_by(db):
    """Rows are made as SQLAlchemy loads them: attributes set, no constructor called."""
    with running(db, Resource(Greeting, db)) as client:
        assert client.post("/greetings", json={"text": "hi"}).json()["text"] == "hi"


def test_a_tag_does_not_cover_what_a_property_shows(db):
    """304 only where the tag covers the whole answer."""
    with running(db, Resource(Author, db, read=AuthorShown), Resource(Book, db)) as client:
        tag = client.post("/authors", json={"name": "Ada"}).headers["etag"]
        client.post("/books", json={"isbn": "1", "title": "t", "author_id": 1})

        assert client.get("/authors/1", headers={"If-None-Match": tag}).status_code == 200


def test_a_relation_under_an_alias_is_loaded_in_advance(db):
    """A constant number of statements, and no 304 for what the tag does not cover."""
    with running(db, Resource(Author, db), Resource(Book, db, read=BookShown)) as client:
        client.post("/authors", json={"name": "Ada"})
        made = client.post("/books", json={"isbn": "1", "title": "t", "author_id": 1})
        client.patch("/authors/1", json={"name": "Eve"})

        answer = client.get("/books/1", headers={"If-None-Match": made.headers["etag"]})

        assert answer.json() == {"isbn": "1", "writer": {"name": "Eve"}}


@pytest.mark.parametrize(("header", "status"), [("If-Match", 200), ("If-None-Match", 412)])
def test_conditions_may_come_in_several_lines(db, books, header, status):
    """Lines of one header are one list (RFC 9110, 5.3)."""
    with running(db, books) as client:
        tag = client.post("/books", json={"isbn": "1", "title": "t"}).headers["etag"]
        answer = client.patch("/books/1", json={"title": "u"}, headers=[(header, '"other"'), (header, tag)])

        assert answer.status_code == status


def test_each_resource_names_only_what_it_shows(db):
    """A field that is private here is not named here, though another resource shows it."""
    public = Resource(Greeting, db, prefix="/public", marks={"text": private}, only={"list", "read"})
    hidden = Resource(Greeting, db, prefix="/hidden", marks={"text": private}, create=GreetingGiven)
    hidden.before_create(lambda _session, greeting, given: setattr(greeting, "text", given.secret_text))
    admin = Resource(Greeting, db, prefix="/admin")

    with running(db, public, hidden, admin) as client:
        client.post("/admin", json={"text": "hi"})
        taken = client.post("/hidden", json={"secret_text": "hi"})

        assert taken.status_code == 409
        assert "text" not in taken.text


class GreetingGiven(BaseModel):
    secret_text: str


def test_if_match_holds_on_an_engine_of_ones_own(tmp_path):
    """SQLite has no row locks: the write lock is taken before the tag is compared, on any engine."""
    url = f"sqlite+aiosqlite:///{tmp_path}/own.db"
    engine = create_async_engine(url, connect_args={"timeout": 10})
    db = Database(engine, create=Base.metadata)
    with running(db, Resource(Book, db)) as client:
        tag = client.post("/books", json={"isbn": "1", "title": "old"}).headers["etag"]

        def change(number: int) -> int:
            return client.patch(
                "/books/1", json={"title": f"{number}"}, headers={"If-Match": tag}
            ).status_code

        with ThreadPoolExecutor(4) as pool:
            answers = sorted(pool.map(change, range(4)))
        client.portal.call(engine.dispose)

    assert answers == [200, 412, 412, 412]


def test_a_route_class_of_ones_own_is_refused(db):
    """The message says what to use instead."""
    with pytest.raises(errors.SetupError, match="middleware"):
        Resource(Book, db, route_class=object)


async def test_a_body_for_another_model_is_validated_again(db):
    """A script cannot pass the columns by through a model that happens to be at hand."""

    class Other(BaseModel):
        isbn: str
        title: str

    books = Resource(Book, db)
    with pytest.raises(ValueError, match="at most 20"):
        await db.run(lambda session: books.create(session, Other(isbn="1", title="x" * 50)))
    await db.close()


class Employee(Base):
    __tablename__ = "employees"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20))
    notes: Mapped[str | None] = mapped_column(sa.String(99), deferred=True, deferred_raiseload=True)
    boss_id: Mapped[int | None] = mapped_column(sa.ForeignKey("employees.id"))
    team: Mapped[list[Employee]] = relationship(
        lazy="joined", join_depth=1, remote_side=boss_id, viewonly=True
    )

    @validates("name")
    def check_name(self, _key: str, name: str) -> str:
        if name == "nobody":
            raise ValueError("nobody tells what was sent")
        return name


class EmployeeShown(BaseModel):
    id: int
    name: str
    team: list[EmployeeShown]


@pytest.fixture
def employees(db) -> Resource[Employee]:
    return Resource(Employee, db)


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_a_hook_that_reads_its_row_loses_nothing(db, employees, method):
    """What is about to be written is not overwritten by what is stored."""

    @employees.before_update
    def compare(session, employee, _body):
        assert employees.read(session, employee.id) is employee

    with running(db, employees) as client:
        client.post("/employees", json={"name": "Ada"})

        assert client.request(method, "/employees/1", json={"name": "Eve"}).json()["name"] == "Eve"


def test_what_a_validator_refuses_is_named_and_not_quoted(db, employees):
    """A ValueError of the model is 422 with the field, and keeps its words to itself."""
    with running(db, employees) as client:
        answer = client.post("/employees", json={"name": "nobody"})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/name"
    assert "nobody" not in answer.text


def test_joined_and_deferred_attributes_are_no_obstacle(db, employees):
    """Relations may be declared to be joined, and columns not to be loaded."""

    async def show(row: Any) -> Any:
        return row

    show.__annotations__ = {"row": Annotated[Employee, employees.row]}
    employees.add_api_route("/{id}/shown", show, response_model=EmployeeGiven)
    with running(db, employees) as client:
        tag = client.post("/employees", json={"name": "Ada", "notes": "n"}).headers["etag"]
        for name in ("Bob", "Eve"):
            client.post("/employees", json={"name": name, "boss_id": 1})

        assert client.get("/employees/1/shown").json() == {"name": "Ada"}
        assert (
            client.patch("/employees/1", json={"name": "Ann"}, headers={"If-Match": tag}).status_code == 200
        )
        assert client.delete("/employees/3").status_code == 204


class EmployeeGiven(BaseModel):
    name: str


def test_a_model_may_show_itself(db):
    """A shape inside of itself ends where the rows end."""
    with running(db, Resource(Employee, db, read=EmployeeShown)) as client:
        client.post("/employees", json={"name": "Ada"})
        client.post("/employees", json={"name": "Bob", "boss_id": 1})

        assert client.get("/employees/1").json()["team"] == [{"id": 2, "name": "Bob", "team": []}]


@pytest.mark.parametrize("driver", ["aiosqlite", "pysqlite"])
def test_an_own_route_is_committed_like_the_generated_ones(tmp_path, driver):
    """With a dependency that does not commit, `commit=True` holds for every route of the resource."""
    url = f"sqlite+{driver}:///{tmp_path}/own.db"
    if driver == "aiosqlite":
        engine = create_async_engine(url)
        maker: Any = async_sessionmaker(engine)

        async def get_db():
            async with maker() as session:
                yield session
    else:
        engine = sa.create_engine(url)
        maker = sessionmaker(engine)

        def get_db():
            with maker() as session:
                yield session

    plain = sa.create_engine(f"sqlite:///{tmp_path}/own.db")
    Base.metadata.create_all(plain)
    authors = Resource(Author, session=get_db)

    async def rename(row: Any) -> Any:
        row.name = "Eve"
        return row

    rename.__annotations__ = {"row": Annotated[Author, authors.row]}
    authors.add_api_route("/{id}/rename", rename, methods=["POST"], response_model=authors.Read)
    app = FastAPI()
    app.include_router(authors)
    with TestClient(app) as client:
        client.post("/authors", json={"name": "Ada"})
        assert client.post("/authors/1/rename").json()["name"] == "Eve"
        assert client.get("/authors/1").json()["name"] == "Eve"
        if driver == "aiosqlite":
            client.portal.call(engine.dispose)
    plain.dispose()


class Town(Base):
    __tablename__ = "towns"
    schlüssel: Mapped[int] = mapped_column(primary_key=True)  # noqa: PLC2401  # that is the point


def test_a_key_may_be_written_in_any_script(db):
    """The address of a new row leads to it."""
    with running(db, Resource(Town, db)) as client:
        location = client.post("/towns", json={}).headers["location"]

        assert client.get(location).json() == {"schlüssel": 1}


def test_parameters_of_dependencies_may_have_aliases(db, books):
    """What FastAPI reads under another name is declared under that name."""

    def marked(mark: Annotated[str, QueryParameter(validation_alias="x-mark")] = "none") -> str:
        return mark

    with running(db, Resource(Book, db, dependencies=[Depends(marked)])) as client:
        assert client.get("/books?x-mark=1").status_code == 200
        assert client.get("/books?mark=1").status_code == 422


class Shouting(sa.types.TypeDecorator[str]):
    """Text that refuses to be quiet, when it is stored."""

    impl = sa.String(20)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:  # noqa: ARG002  # SQLAlchemy's signature
        if value is not None and value != value.upper():
            raise ValueError(f"{value} is too quiet")
        return value


class Shout(Base):
    __tablename__ = "shouts"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(Shouting())


def test_what_a_type_refuses_is_no_failure_of_the_service(db):
    """A TypeDecorator that raises ValueError answers 422, in bodies and filters, without the value."""
    with running(db, Resource(Shout, db)) as client:
        answers = [client.post("/shouts", json={"text": "quiet"}), client.get("/shouts?text=quiet")]

    assert [answer.status_code for answer in answers] == [422, 422]
    assert "quiet" not in "".join(answer.text for answer in answers)
