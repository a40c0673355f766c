"""The generated API against the OWASP API Security Top 10 of 2023; docs/explanation/security.md has the checklist.

What a service of one's own has to add is added here as its documentation says: authentication by dependencies, rows of
one owner by routes of one's own. There are no policies for rows yet.
"""

import ast
import enum
import functools
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import pytest
import sqlalchemy as sa
from fastapi import APIRouter, Depends, FastAPI, HTTPException
from fastapi.routing import iter_route_contexts
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

import splice
from splice import Database, Page, Query, Resource, errors, install, private, read_only
from splice.terms import All, Condition

ADA, BOB, ROOT = 1, 2, 3
TOKENS = {"token-of-ada": ADA, "token-of-bob": BOB, "token-of-root": ROOT}
SEATS = 2
CANARY = "k9-canary"


class Base(DeclarativeBase):
    pass


class Plan(enum.Enum):
    FREE = "free"
    PAID = "paid"


class Account(Base):
    __tablename__ = "accounts"
    __table_args__ = (sa.CheckConstraint("referral <> 'taken'", name="referral_is_free"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(50))
    email: Mapped[str] = mapped_column(sa.String(80), unique=True)
    is_admin: Mapped[bool] = mapped_column(default=False, info=read_only)
    plan: Mapped[Plan] = mapped_column(sa.Enum(Plan, native_enum=False, length=20), default=Plan.FREE)
    password_hash: Mapped[str] = mapped_column(sa.String(80), default="unset")
    referral: Mapped[str | None] = mapped_column(sa.String(20), unique=True, info=private)
    notes: Mapped[list["Note"]] = relationship(back_populates="owner")


class Note(Base):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(sa.ForeignKey("accounts.id"), info=read_only)
    title: Mapped[str] = mapped_column(sa.String(50))
    owner: Mapped[Account] = relationship(back_populates="notes")


class Audit(Base):
    __tablename__ = "audits"
    id: Mapped[int] = mapped_column(primary_key=True)
    said: Mapped[str] = mapped_column(sa.String(200))


class Booking(Base):
    __tablename__ = "bookings"
    id: Mapped[int] = mapped_column(primary_key=True)
    seat: Mapped[int]


class Sheet(Base):
    """Behind a router that asks for a token, and related to one that does not."""

    __tablename__ = "sheets"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(sa.String(50))
    folder_id: Mapped[int] = mapped_column(sa.ForeignKey("folders.id"))


class Folder(Base):
    __tablename__ = "folders"
    id: Mapped[int] = mapped_column(primary_key=True)
    sheets: Mapped[list[Sheet]] = relationship()


class NewNote(BaseModel):
    model_config = ConfigDict(extra="forbid")
    title: str


bearer = HTTPBearer(auto_error=False)


def signed_in(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> int:
    if credentials is None or credentials.credentials not in TOKENS:
        raise HTTPException(401, "Sign in first", {"WWW-Authenticate": "Bearer"})
    return TOKENS[credentials.credentials]


def administrator(who: Annotated[int, Depends(signed_in)]) -> None:
    if who != ROOT:
        raise HTTPException(403, "This is for administrators")


Who = Annotated[int, Depends(signed_in)]


def build(db: Database) -> FastAPI:
    app = FastAPI()
    install(app, db)
    app.include_router(Resource(Account, db, dependencies=[Depends(signed_in)]))
    app.include_router(invitations(db))
    app.include_router(own_notes(db))
    app.include_router(Resource(Audit, db, dependencies=[Depends(signed_in), Depends(administrator)]))
    app.include_router(Resource(Audit, db, prefix="/news", only={"list", "read"}))
    app.include_router(bookings(db))
    app.include_router(Resource(Folder, db))
    guarded = APIRouter(dependencies=[Depends(signed_in)])
    guarded.include_router(Resource(Sheet, db))
    app.include_router(guarded)
    return app


def own_notes(db: Database) -> Resource[Note]:
    """Everybody has notes of their own: no generated route reads or changes one, so no relation leads to them."""
    notes: Resource[Note] = Resource(Note, db, only=(), dependencies=[Depends(signed_in)])

    async def mine(note: Annotated[Note, notes.row], who: Who) -> Note:
        if note.owner_id != who:
            raise errors.NotFound("There is no Note with this key")
        return note

    own_note = Annotated[Note, Depends(mine)]
    unit = Annotated[AsyncSession, db.session]

    @notes.get("", response_model=Page[dict[str, Any]])
    async def of_mine(query: Annotated[Query, notes.query], who: Who, session: unit) -> Any:
        narrowed = replace(query, filter=All((query.filter, Condition("owner_id", "eq", (str(who),)))))
        return await session.run_sync(lambda inner: notes.page(inner, narrowed))

    @notes.post("", response_model=notes.Read, status_code=201)
    async def write(new: NewNote, who: Who, session: unit) -> Note:
        note = Note(owner_id=who, title=new.title)
        session.add(note)
        return note

    @notes.get("/{id}", response_model=notes.Read)
    async def read(note: own_note) -> Note:
        return note

    @notes.patch("/{id}", response_model=notes.Read)
    async def change(note: own_note, values: NewNote) -> Note:
        note.title = values.title
        return note

    @notes.delete("/{id}", status_code=204)
    async def remove(note: own_note, session: unit) -> None:
        await session.delete(note)

    return notes


def invitations(db: Database) -> Resource[Account]:
    """A hidden column is filled by the service itself, with what may collide."""
    resource: Resource[Account] = Resource(Account, db, prefix="/invitations", only={"create"})

    @resource.before_create
    def refer(_session: Session, account: Account, _body: Any) -> None:
        account.referral = account.name

    return resource


def bookings(db: Database) -> Resource[Booking]:
    """A flow that a business limits: its rule stands inside of the transaction."""
    resource: Resource[Booking] = Resource(Booking, db, only={"create"}, dependencies=[Depends(signed_in)])

    @resource.after_create
    def no_more_than_there_are(session: Session, _booking: Booking, _body: Any) -> None:
        if (session.scalar(sa.select(sa.func.count(Booking.id))) or 0) > SEATS:
            raise errors.Conflict("All seats are taken")

    return resource


@dataclass(frozen=True)
class As:
    """The application as one of its users sees it."""

    client: Any
    token: str | None

    def __call__(self, method: str, path: str, **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        given = options.pop("headers", {})
        return self.client.request(method, path, headers={**headers, **given}, **options)


@pytest.fixture
def people(service):
    """Three people, with a note each of the first two, an audit, and a sheet in a folder."""
    service.store(
        Account(id=ADA, name="Ada", email="ada@example.org", password_hash=CANARY, referral="by-bob"),
        Account(id=BOB, name="Bob", email="bob@example.org"),
        Account(id=ROOT, name="Root", email="root@example.org", is_admin=True),
        Note(id=1, owner_id=ADA, title="of Ada"),
        Note(id=2, owner_id=BOB, title="of Bob"),
        Audit(id=1, said="all is well"),
        Folder(id=1),
        Sheet(id=1, folder_id=1, text="between us"),
    )
    if service.dialect == "postgresql":
        with service.witness.begin() as session:
            for table in ("accounts", "notes", "audits"):
                session.execute(sa.text(f"SELECT setval('{table}_id_seq', 100)"))
    return service


@pytest.fixture
def nobody(people) -> As:
    return As(people.client, None)


@pytest.fixture
def ada(people) -> As:
    return As(people.client, "token-of-ada")


@pytest.fixture
def bob(people) -> As:
    return As(people.client, "token-of-bob")


OPEN = ("/news", "/folders", "/invitations")
"""Paths of Resources without dependencies of their own."""


# API1: broken object level authorization.


@pytest.mark.parametrize(
    ("method", "options"),
    [("GET", {}), ("HEAD", {}), ("PATCH", {"json": {"title": "mine now"}}), ("DELETE", {})],
    ids=["GET", "HEAD", "PATCH", "DELETE"],
)
@pytest.mark.parametrize("key", ["2", "02", "+2", "2/"], ids=["2", "02", "+2", "with a slash"])
def test_a_row_of_another_is_as_one_that_is_not_there(people, ada, method, options, key):
    """Behind a check on `resource.row`, no spelling of a key leads to another's row, and nothing tells of it."""
    answer, missing = (ada(method, f"/notes/{found}", **options) for found in (key, key.replace("2", "9")))

    assert {answer.status_code, missing.status_code} <= {404, 422}
    assert answer.status_code == missing.status_code
    assert people.stored(sa.select(Note.owner_id, Note.title).order_by(Note.id)) == [
        (ADA, "of Ada"),
        (BOB, "of Bob"),
    ]


def test_a_row_of_ones_own_can_be_used(people, ada):
    """The same routes serve the owner."""
    assert ada("GET", "/notes/1").json()["title"] == "of Ada"
    assert ada("PATCH", "/notes/1", json={"title": "new"}).json()["title"] == "new"
    assert ada("DELETE", "/notes/1").status_code == 204
    assert people.stored(sa.select(Note.title)) == [("of Bob",)]


@pytest.mark.parametrize(
    "query",
    ["", "title__contains=Bob", "owner_id=2", "owner_id__ne=1", "id=2", "owner_id__in=1,2", "count=exact"],
)
def test_no_filter_widens_a_list_that_was_narrowed(ada, query):
    """A condition that a route adds to the query stands beside whatever clients ask for, counts included."""
    page = ada("GET", f"/notes?{query}").json()

    assert {item["owner_id"] for item in page["items"]} <= {ADA}
    assert page.get("total", 0) <= 1


def test_a_cursor_of_another_is_none(people, ada, bob):
    """A cursor bears the filter that it was made for, so one from somebody else's list is refused."""
    people.store(Note(owner_id=BOB, title="more"), Note(owner_id=ADA, title="more"))
    cursor = bob("GET", "/notes?limit=1").json()["next"]

    answer = ada("GET", "/notes", params={"limit": 1, "cursor": cursor})

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "invalid-cursor")


def test_an_owner_cannot_be_given_away(people, ada):
    """A field that says whose a row is, marked read-only, cannot be sent."""
    assert ada("POST", "/notes", json={"title": "x", "owner_id": BOB}).status_code == 422
    assert ada("PATCH", "/notes/1", json={"owner_id": BOB}).status_code == 422
    assert ada("POST", "/notes", json={"title": "x"}).json()["owner_id"] == ADA
    assert people.stored(sa.select(sa.func.count(Note.id)).where(Note.owner_id == BOB)) == [(1,)]


@pytest.mark.parametrize(
    "path",
    [
        "/accounts?expand=notes",
        "/accounts/2?expand=notes",
        "/accounts?fields=id,notes.title",
        "/accounts?notes__title=of Bob",
        "/accounts?notes__isnull=false",
        "/accounts/2/notes",
    ],
)
def test_relations_lead_to_no_rows_that_routes_of_ones_own_guard(ada, path):
    """A relation goes around routes of one's own: so it leads to no Resource that neither lists nor reads by itself."""
    answer = ada("GET", path)

    assert answer.status_code in {404, 422}
    assert "of Bob" not in answer.text


@pytest.mark.parametrize(
    "path", ["/folders?expand=sheets", "/folders/1/sheets", "/folders?sheets__text=between us"]
)
def test_relations_do_not_lead_around_the_dependencies_of_a_router(nobody, path):
    """What `include_router` or a router around a Resource asks for is asked for along relations, too."""
    assert nobody("GET", "/sheets").status_code == 401

    answer = nobody("GET", path)

    assert answer.status_code in {401, 404, 422}


# API2: broken authentication.

ROUTES = [
    *((method, "/accounts") for method in ("GET", "HEAD", "POST", "OPTIONS", "QUERY")),
    *((method, "/accounts/1") for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS")),
    ("POST", "/accounts/query"),
]
BODIES = {"none": None, "sound": {"name": "Eve", "email": "eve@example.org"}, "unsound": {"nmae": 1}}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize(("method", "path"), ROUTES, ids=lambda part: part)
def test_no_generated_route_answers_without_a_token(people, method, path, body):
    """Dependencies of a Resource stand before each of its routes, whatever the body is; nothing is stored."""
    for token in (None, "token-of-eve"):
        answer = As(people.client, token)(
            method, path, json=body, headers={"Accept": "text/csv, application/json"}
        )

        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
    assert people.stored(sa.select(sa.func.count(Account.id))) == [(3,)]


def test_the_document_says_who_may_ask(people):
    """Authentication by FastAPI's means stands in the OpenAPI document, at each operation that asks for it."""
    paths = people.client.get("/openapi.json").json()["paths"]

    asked = {path: {"security" in operation for operation in item.values()} for path, item in paths.items()}

    assert {path for path, found in asked.items() if found != {True}} == {
        path for path in paths if path.startswith(OPEN)
    }


def test_a_refusal_does_not_repeat_the_token(people):
    """What was sent as a token comes back in no answer."""
    answer = As(people.client, f"{CANARY}-token")("GET", "/accounts")

    assert CANARY not in answer.text + str(answer.headers)


# API3: broken object property level authorization.


@pytest.mark.parametrize(
    "path", ["/accounts", "/accounts/1", "/accounts?order_by=id", "/accounts/1?fields=id,name"]
)
@pytest.mark.parametrize("accept", ["application/json", "text/csv", "application/jsonl"])
def test_hidden_columns_are_in_no_answer(ada, path, accept):
    """A column that looks secret, or is marked private, is in no answer of any form."""
    answer = ada("GET", path, headers={"Accept": accept})

    assert answer.status_code == 200
    assert not any(word in answer.text for word in ("password_hash", "referral", CANARY, "by-bob"))


@pytest.mark.parametrize("column", ["password_hash", "referral"])
@pytest.mark.parametrize(
    "query",
    [
        "{}=k9-canary",
        "{}__startswith=k",
        "{}__isnull=true",
        "order_by={}",
        "order_by=-{}",
        "fields={}",
        "expand={}",
    ],
)
def test_hidden_columns_cannot_be_asked_about(ada, column, query):
    """Neither a filter nor an order tells what a hidden column holds, or that there is one: no hint names it either."""
    answer = ada("GET", f"/accounts?{query.format(column)}")
    nonsense = ada("GET", f"/accounts?{query.format('qqqqqqqq')}")

    assert (answer.status_code, nonsense.status_code) == (422, 422)
    told, expected = (
        [(error["code"], error.get("hint")) for error in found.json()["errors"]]
        for found in (answer, nonsense)
    )
    assert told == expected


@pytest.mark.parametrize("near", ["pasword_hash", "referal", "password-hash", "refferal"])
def test_no_hint_names_a_hidden_column(ada, near):
    """A misspelt name of a hidden column is met by no hint that spells it."""
    texts = [
        ada("GET", f"/accounts?{near}=x").text,
        ada("GET", f"/accounts?order_by={near}").text,
        ada("POST", "/accounts", json={near: "x"}).text,
        ada("POST", "/accounts/query", json={"filter": {near: "x"}}).text,
    ]

    assert not any(name in text for text in texts for name in ("password_hash", "'referral'"))


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/accounts"), ("PUT", "/accounts/2"), ("PATCH", "/accounts/2")]
)
@pytest.mark.parametrize(
    "extra",
    [{"is_admin": True}, {"password_hash": "x"}, {"referral": "x"}, {"id": 99}, {"notes": []}],
    ids=str,
)
def test_nothing_can_be_set_that_is_not_the_clients(people, ada, method, path, extra):
    """Mass assignment: what is read-only, hidden, made by the server or a relation is refused, or ignored by PUT."""
    before = people.stored(sa.select(Account.__table__).order_by(Account.id))

    answer = ada(
        method,
        path,
        json={"name": "Bob", "email": f"bob@example.{'com' if method == 'POST' else 'org'}", **extra},
    )

    ignored = method == "PUT" and "is_admin" in extra
    assert answer.status_code == (200 if ignored else 422)
    assert people.stored(sa.select(Account.__table__).order_by(Account.id)) == before


@pytest.mark.parametrize(
    "referral",
    [
        pytest.param("by-bob", id="unique"),
        pytest.param("taken", id="check"),
        pytest.param("x" * 40, id="too long"),
    ],
)
def test_a_hidden_column_that_collides_is_not_named(people, nobody, referral):
    """A constraint on a hidden column, met by a value of the service's own, is not told to clients by its name."""
    answer = nobody("POST", "/invitations", json={"name": referral, "email": "new@example.org"})

    assert "referral" not in answer.text
    assert CANARY not in answer.text


def test_the_document_knows_no_hidden_column(people):
    """Neither schemas nor parameters name them."""
    text = people.client.get("/openapi.json").text

    assert "password_hash" not in text
    assert "referral" not in text


def test_tags_say_nothing_of_hidden_columns(people, ada):
    """An entity tag does not change with what is hidden, so it tells nobody that a password did."""
    before = ada("GET", "/accounts/1").headers["etag"]
    with people.witness.begin() as session:
        session.execute(
            sa.update(Account).where(Account.id == ADA).values(password_hash="other", referral="new")
        )

    assert ada("GET", "/accounts/1").headers["etag"] == before


# API4: unrestricted resource consumption.


def test_bodies_are_bounded(people, ada):
    """A body over the limit is refused before it is read whole, by each route that takes one."""
    body = b'{"name": "' + b"x" * 2_000_000 + b'"}'
    options = {"content": body, "headers": {"Content-Type": "application/json"}}

    statuses = {
        ada(method, path, **options).status_code
        for method, path in ROUTES
        if method in {"POST", "PUT", "PATCH", "QUERY"}
    }

    assert statuses == {413}


@pytest.mark.parametrize("depth", [200, 100_000])
@pytest.mark.parametrize("opening", ["[", '{"a":', '{"filter":{"not":', '{"expand":{"notes":'])
def test_depth_is_bounded(ada, depth, opening):
    """JSON that is nested too deep is refused, and takes no stack with it."""
    body = {
        "content": (opening * depth)[:1_000_000].encode(),
        "headers": {"Content-Type": "application/json"},
    }

    assert ada("POST", "/accounts", **body).status_code in {400, 422}
    assert ada("POST", "/accounts/query", **body).status_code in {400, 422}


BOUNDS = {
    "rows": {"limit": 1_001},
    "no rows": {"limit": 0},
    "rows skipped": {"offset": 100_001},
    "values": {"filter": {"id__in": list(range(5_001))}},
    "conditions": {"filter": {"or": [{"name": str(n)} for n in range(1_000)]}},
    "depth": {"filter": functools.reduce(lambda inner, _: {"not": inner}, range(20), {"id": 1})},
    "sort terms": {"order_by": ["name"] * 100},
    "length of a value": {"filter": {"name__contains": "x" * 100_000}},
}


@pytest.mark.parametrize("document", BOUNDS.values(), ids=BOUNDS)
def test_queries_are_bounded(people, ada, document):
    """Each part of a query has a bound, and a query beyond it is refused without a statement."""
    with people.watching() as statements:
        answer = ada("POST", "/accounts/query", json=document)

    assert answer.status_code == 422
    assert statements == []


def test_a_list_without_a_limit_has_one(people, ada):
    """Who asks for no limit gets fifty rows."""
    people.store(*(Account(name=f"n{n}", email=f"{n}@example.org") for n in range(60)))

    assert len(ada("GET", "/accounts").json()["items"]) == 50


# API5: broken function level authorization.


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/audits"),
        ("HEAD", "/audits"),
        ("QUERY", "/audits"),
        ("POST", "/audits"),
        ("POST", "/audits/query"),
        ("GET", "/audits/1"),
        ("PUT", "/audits/1"),
        ("PATCH", "/audits/1"),
        ("DELETE", "/audits/1"),
        ("OPTIONS", "/audits"),
    ],
)
def test_routes_of_administrators_are_theirs(people, ada, method, path):
    """All routes of a Resource share its dependencies: a role is asked for by none or by all of them."""
    root = As(people.client, "token-of-root")
    body = {"json": {}} if method == "QUERY" or path.endswith("query") else {"json": {"said": "x"}}

    assert ada(method, path, **body).status_code == 403
    assert root(method, path, **body).status_code < 300


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["/news", "/news/1"])
def test_what_was_not_asked_for_is_not_served(people, ada, method, path):
    """`only=` leaves the other methods out: they are 405 for everybody, and nothing is changed."""
    answer = As(people.client, "token-of-root")(method, path, json={"said": "x"})

    assert answer.status_code == 405
    assert people.stored(sa.select(Audit.id, Audit.said)) == [(1, "all is well")]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_no_request_changes_a_whole_collection(people, method):
    """There is no such function, for administrators neither."""
    answer = As(people.client, "token-of-root")(method, "/audits", json={"said": "x"})

    assert answer.status_code == 405
    assert people.stored(sa.select(Audit.said)) == [("all is well",)]


@pytest.mark.parametrize(
    "header",
    ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL"],
)
def test_no_header_makes_another_request_of_it(people, ada, header):
    """The method and the path are those of the request line, so what a proxy has checked is what is done."""
    value = "/audits" if header.endswith("URL") else "DELETE"

    answer = ada("GET", "/accounts/1", headers={header: value})

    assert answer.json()["name"] == "Ada"
    assert people.stored(sa.select(sa.func.count(Account.id))) == [(3,)]


@pytest.mark.parametrize(
    "path", ["/AUDITS", "//audits", "/news/../audits", "/audits%2f1", "/audits;x=1", "/%2e/audits"]
)
def test_no_other_spelling_of_a_path_is_served(people, ada, path):
    """A rule of a proxy for a path has no second door: one slash at its end is all that is passed over."""
    answer = ada("GET", path)

    assert answer.status_code in {403, 404}
    assert "all is well" not in answer.text


# API6: unrestricted access to sensitive business flows.


def test_a_rule_of_the_business_holds_inside_of_the_transaction(people, ada):
    """A hook that refuses rolls the write back; how often somebody may try is not for splice to say."""
    answers = [ada("POST", "/bookings", json={"seat": n}) for n in range(SEATS + 3)]

    assert [answer.status_code for answer in answers] == [201] * SEATS + [409] * 3
    assert people.stored(sa.select(sa.func.count(Booking.id))) == [(SEATS,)]


# API7: server side request forgery.


@pytest.fixture
def listener() -> Iterator[Callable[[], list[str]]]:
    """An address of this machine, and whoever has connected to it."""
    seen: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        done = threading.Event()

        def watch() -> None:
            while not done.is_set():
                try:
                    connection, peer = server.accept()
                except TimeoutError:
                    continue
                connection.close()
                seen.append(str(peer))

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        yield lambda: [address, *seen]
        done.set()
        thread.join()


def test_no_address_that_is_sent_is_called(people, ada, listener):
    """A URL in a body, a parameter or a header is text: nothing connects to it."""
    (address,) = listener()
    sent = {
        "Referer": address,
        "X-Forwarded-Host": address[7:],
        "Host": address[7:],
        "Origin": address,
        "Link": f"<{address}>",
    }

    answers = [
        ada("POST", "/accounts", json={"name": address, "email": f"{address}/x"}, headers=sent),
        ada("POST", "/accounts", json={"$ref": address, "$schema": address}, headers=sent),
        ada("POST", "/accounts/query", json={"filter": {"name": address}}, headers=sent),
        ada("GET", "/accounts", params={"name": address, "expand": address}, headers=sent),
        ada("GET", "/problems/not-found", headers=sent),
        ada("GET", "/docs", params={"url": address, "configUrl": address}, headers=sent),
    ]

    assert [answer.status_code for answer in answers] == [201, 422, 200, 422, 200, 200]
    assert listener() == [address]


CALLERS = {
    "urllib.request",
    "http.client",
    "ftplib",
    "smtplib",
    "httpx",
    "httpx2",
    "requests",
    "aiohttp",
    "urllib3",
}


def test_nothing_that_serves_can_call_out():
    """No module of splice imports a client of HTTP, FTP or mail, but for the kit that tests use."""
    root = Path(splice.__file__).parent
    sources = [path for path in root.rglob("*.py") if root / "testing" not in path.parents]

    assert {name for path in sources for name in imported(path)} & CALLERS == set()


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


# API8: security misconfiguration.


def test_other_origins_get_nothing_unasked(people, ada):
    """No answer opens the API to scripts of other sites, or sets a cookie: that takes middleware of one's own."""
    preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "DELETE"}

    answers = [
        ada("OPTIONS", "/accounts/1", headers=preflight),
        ada("GET", "/accounts/1", headers=preflight),
        ada("GET", "/nowhere", headers=preflight),
    ]

    names = {name for answer in answers for name in answer.headers}
    assert not any(name.startswith("access-control") for name in names)
    assert "set-cookie" not in names


@pytest.mark.parametrize(
    "path", ["/accounts/<script>alert(1)</script>", "/problems/<script>alert(1)</script>", "/<script>"]
)
def test_nothing_that_was_sent_comes_back_as_html(ada, path):
    """Answers are JSON by their type, and the pages of HTML repeat nothing."""
    answer = ada("GET", path, headers={"Accept": "text/html", "X-Request-ID": "<script>"})

    assert answer.status_code in {404, 422}
    assert "<script>alert" not in answer.text or answer.headers["content-type"] == "application/problem+json"
    assert "<script>" not in str(answer.headers)


def test_what_is_stored_is_no_page(people, ada):
    """A row that holds markup is sent as JSON, CSV to be kept or JSON lines to be kept, never as a page."""
    ada("POST", "/accounts", json={"name": "<script>alert(1)</script>", "email": "e@example.org"})

    answers = [
        ada("GET", "/accounts", headers={"Accept": a})
        for a in ("text/html, */*", "text/csv", "application/jsonl")
    ]

    assert [answer.headers["content-type"].partition(";")[0] for answer in answers] == [
        "application/json",
        "text/csv",
        "application/jsonl",
    ]
    assert [answer.headers.get("content-disposition", "")[:10] for answer in answers] == [
        "",
        "attachment",
        "attachment",
    ]


def test_a_failure_tells_nothing(people):
    """What nobody foresaw is a problem document that names a request and nothing else."""
    app = FastAPI()
    install(app)

    @app.get("/fails")
    def fails() -> None:
        raise RuntimeError(CANARY)

    answer = people.client_of(app, raise_server_exceptions=False).get("/fails")

    assert answer.status_code == 500
    assert set(answer.json()) == {"type", "title", "status", "detail", "instance"}
    assert CANARY not in answer.text
    assert "RuntimeError" not in answer.text


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "TRACK", "DEBUG"])
def test_methods_that_echo_are_not_served(ada, method):
    """A request is never sent back."""
    answer = ada(method, "/accounts", headers={"X-Canary": CANARY})

    assert answer.status_code == 405
    assert CANARY not in answer.text


# API9: improper inventory management.

NOT_DOCUMENTED = {"HEAD", "OPTIONS", "QUERY"}
OF_INSTALL = ("/health", "/ready", "/problems", "/docs", "/redoc", "/openapi.json")


def test_the_document_lists_all_that_is_served(people):
    """Every route that answers is in the OpenAPI document, but for those of every path and those of `install`."""
    paths = people.client.get("/openapi.json").json()["paths"]
    served = {
        (method, context.path)
        for context in iter_route_contexts(people.app.routes)
        for method in (context.methods or ())
        if method not in NOT_DOCUMENTED and not context.path.startswith(OF_INSTALL)
    }

    documented = {(method.upper(), path) for path, item in paths.items() for method in item}

    assert {
        (method, path) for method, path in served - documented if path.split("/")[-1] not in LINKS
    } == set()
    assert documented - served == set()


LINKS = {"notes", "sheets", "owner"}
"""Relations; their routes are there for Resources that may still come, and answer 404 until then."""


def test_the_document_can_be_withheld(people):
    """An application without an OpenAPI document has no pages that show it."""
    app = FastAPI(openapi_url=None)
    install(app)
    client = people.client_of(app)

    assert {client.get(path).status_code for path in ("/openapi.json", "/docs", "/redoc")} == {404}


# API10: unsafe consumption of APIs.


@pytest.mark.parametrize("given", ["a\r\nSet-Cookie: a=b", "<script>", "x" * 129, "%0d%0a", "ä", "${jndi:x}"])
def test_the_id_that_a_proxy_sends_is_checked(people, given):
    """What comes from in front of the service is input, too: an id that is no plain text is replaced."""
    scope_value = given.encode("utf-8")

    answer = people.client.get("/health", headers=[(b"X-Request-ID", scope_value)])

    assert answer.headers["x-request-id"] != given
    assert "set-cookie" not in answer.headers


def test_what_the_database_holds_is_not_trusted(people, ada, caplog):
    """A stored value that is none of its column's fails by itself, and neither the answer nor the log quotes it."""
    with people.witness.begin() as session:
        session.execute(sa.text(f"UPDATE accounts SET plan = '{CANARY}' WHERE id = {ADA}"))

    answers = [ada("GET", path) for path in ("/accounts/1", "/accounts")]

    assert [answer.status_code for answer in answers] == [500, 500]
    assert CANARY not in "".join(answer.text for answer in answers) + caplog.text
    assert ada("GET", "/accounts/2").status_code == 200
