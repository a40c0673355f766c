"""Hostile requests: never 5xx, always a problem document that gives nothing away, nothing stored."""

from __future__ import annotations

import datetime as dt
import enum
import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from starlette.types import ASGIApp, Message, Scope

from examples.users import models as users
from splice import Database, Resource, install, private
from splice.description import describe
from tests.http.conftest import Service
from tests.http.hostile import GROUPS, JSON, SECRET, Attack, Group, creation, listing, writes

INTERNALS = re.compile(
    r"sqlite|asyncpg|psycopg|asyncmy|pymysql|sqlalchemy|pydantic|traceback|\.py\b|select |insert |update |constraint",
    re.IGNORECASE,
)
MAX_PROBLEM_BYTES = 65_536


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Own(DeclarativeBase):
    """What the example has no use for."""


class Sample(Own):
    __tablename__ = "samples"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    small: Mapped[int] = mapped_column(sa.SmallInteger)
    large: Mapped[int] = mapped_column(sa.BigInteger)
    ratio: Mapped[float]
    price: Mapped[Decimal] = mapped_column(sa.Numeric(6, 3))
    whole: Mapped[Decimal | None] = mapped_column(sa.Numeric(5, 0))
    colour: Mapped[Colour]
    size: Mapped[str | None] = mapped_column(sa.Enum("small", "large", name="size"))
    share: Mapped[Decimal | None] = mapped_column(sa.Numeric(4, 4))
    other: Mapped[uuid.UUID | None]
    naive: Mapped[dt.datetime | None]
    zoned: Mapped[dt.datetime | None] = mapped_column(sa.DateTime(timezone=True))
    hour: Mapped[dt.time]
    span: Mapped[dt.timedelta]
    data: Mapped[bytes] = mapped_column(sa.LargeBinary(12))
    tree: Mapped[Any] = mapped_column(sa.JSON)
    password_hash: Mapped[str] = mapped_column(sa.String(20), default="unset")
    hidden: Mapped[int] = mapped_column(default=0, info=private)


class Label(Own):
    __tablename__ = "labels"

    code: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    text: Mapped[str] = mapped_column(sa.String(5), unique=True)


class Base:
    """The tables of both."""

    metadata = sa.MetaData()


for _table in (*users.Base.metadata.sorted_tables, *Own.metadata.sorted_tables):
    _table.to_metadata(Base.metadata)

MODELS = (users.User, users.Post, Sample, Label)
DESCRIBED = tuple(describe(model) for model in MODELS)


def build(db: Database[Any]) -> FastAPI:
    app = FastAPI()
    install(app, db)
    for model in MODELS:
        app.include_router(Resource(model, db))
    return app


@dataclass(frozen=True)
class Answer:
    """What came back; status 0 is no answer at all."""

    status: int = 0
    headers: Mapping[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Target:
    """A running service with one stored row of each model, whose keys stand for `{table}` in attacks."""

    service: Service
    keys: Mapping[str, str]

    def send(self, attack: Attack) -> Answer:
        """Send a request as a server hands it on, past every check of an HTTP client."""
        raw_path = self._filled(attack.path.encode())
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": attack.method,
            "scheme": "http",
            "path": unquote(raw_path.decode("ascii")),
            "raw_path": raw_path,
            "query_string": attack.query.encode("latin-1"),
            "root_path": "",
            "headers": [(b"host", b"testserver"), *attack.headers],
            "client": ("127.0.0.1", 50_000),
            "server": ("127.0.0.1", 80),
        }
        chunks = [self._filled(chunk) for chunk in attack.chunks]
        return self.service.client.portal.call(exchange, self.service.app, scope, chunks, attack.cut)

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Everything that is stored."""
        tables = self.service.metadata.sorted_tables
        return {table.name: sorted(self.service.stored(sa.select(table)), key=repr) for table in tables}

    def _filled(self, text: bytes) -> bytes:
        for table, key in self.keys.items():
            text = text.replace(f"{{{table}}}".encode(), key.encode())
        return text


async def exchange(app: ASGIApp, scope: Scope, chunks: Sequence[bytes], cut: bool) -> Answer:
    """Run one request; after the chunks the client is gone, which ends a body that is cut."""
    incoming = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks or [b""]]
    incoming[-1]["more_body"] = cut
    outgoing: list[Message] = []

    async def receive() -> Message:
        return incoming.pop(0) if incoming else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        outgoing.append(message)

    await app(scope, receive, send)
    if not outgoing:
        return Answer()
    body = b"".join(message.get("body", b"") for message in outgoing[1:])
    return Answer(outgoing[0]["status"], dict(outgoing[0]["headers"]), body)


@pytest.fixture
def target(service: Service) -> Target:
    """The service with one row of each model, stored through it: so bodies are valid but for what an attack changes."""
    keys: dict[str, str] = {}
    for model in DESCRIBED:
        answer = Target(service, keys).send(creation(model, 0))
        assert answer.status == 201, answer
        keys[model.table] = answer.headers[b"location"].decode().rpartition("/")[2]
    return Target(service, keys)


def faults(attack: Attack, answer: Answer) -> Iterator[str]:
    """What is wrong with the answer to an attack."""
    if answer.status not in attack.expected:
        yield f"{answer.status} is not one of {sorted(attack.expected)}: {answer.body[:300]!r}"
    if answer.status >= 400 and attack.method != "HEAD":
        yield from faults_of_problem(answer)
    if answer.status == 405 and not answer.headers.get(b"allow"):
        yield "405 without Allow"


def faults_of_problem(answer: Answer) -> Iterator[str]:
    if answer.headers.get(b"content-type") != b"application/problem+json":
        yield f"the type is {answer.headers.get(b'content-type')!r}"
        return
    document = json.loads(answer.body)
    if document["status"] != answer.status or not document["title"] or not document["instance"]:
        yield f"the document is incomplete: {document}"
    text = json.dumps(document, ensure_ascii=False)
    if SECRET in text or INTERNALS.search(text):
        yield f"the document tells too much: {text[:600]}"
    if len(answer.body) > MAX_PROBLEM_BYTES:
        yield f"the document has {len(answer.body)} bytes"


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__)
def test_hostile_requests_are_refused(target: Target, group: Group):
    """Each is answered 4xx by a problem document without internals or values; nothing is stored, and lists go on."""
    before = target.rows()

    found = [
        f"{attack.name}: {fault}"
        for attack in group(DESCRIBED)
        for fault in faults(attack, target.send(attack))
    ]

    assert not found, "\n".join(found)
    assert target.rows() == before
    assert {target.send(listing(model)).status for model in DESCRIBED} == {200}


def test_the_same_requests_are_taken_without_what_is_wrong(target: Target):
    """Attacks change one thing of writes that succeed, so that is what they are refused for."""
    answers = [(attack.name, target.send(attack)) for model in DESCRIBED for attack in writes(model)]

    assert [(name, answer) for name, answer in answers if answer.status not in {200, 201}] == []


COUNTS = {group.__name__: len(list(group(DESCRIBED))) for group in GROUPS}


@pytest.mark.parametrize("total", [sum(COUNTS.values())], ids=lambda total: f"{total} requests")
def test_there_are_many(total: int):
    """Each database gets them all; their number stands in the name of this test."""
    assert total >= 250
    assert min(COUNTS.values()) >= 10


ODD_HEADERS = (
    (b"if-none-match", b"garbage"),
    (b"if-none-match", b'"x", ' * 5000),
    (b"if-none-match", b"\xff\x00"),
    (b"if-modified-since", b"yesterday"),
    (b"range", b"bytes=5-2,x"),
    (b"accept", b"text/nothing;q=zzz"),
    (b"accept-encoding", b"\xff"),
    (b"x-http-method-override", b"DELETE"),
    (b"x-forwarded-host", b"evil.example"),
    (b"x-request-id", b"<script>\xff" * 900),
    (b"cookie", b"a=" + b"x" * 60_000),
    (b"authorization", b"Basic \xff"),
    (b"content-type", b"\xff"),
    (b"content-length", b"-1"),
    (b"expect", b"nothing"),
)


@pytest.mark.parametrize("header", ODD_HEADERS, ids=lambda header: f"{header[0].decode()} {header[1][:9]!r}")
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_odd_headers_change_no_read(target: Target, method: str, header: tuple[bytes, bytes]):
    """A header that means nothing here is passed over, and comes back in no answer."""
    path = f"/users/{target.keys['users']}"

    answer = target.send(Attack("odd", method, path, frozenset(), headers=(header,) * 50))

    assert answer.status == 200
    assert header[1] not in answer.headers.values()


def test_the_last_of_two_members_counts(target: Target):
    """A name that stands twice in an object is read as most parsers read it, and so stores one value."""
    path = f"/users/{target.keys['users']}"
    body = b'{"name": "first", "name": "last"}'

    answer = target.send(Attack("twice", "PATCH", path, frozenset(), "", (body,), JSON))

    assert (answer.status, json.loads(answer.body)["name"]) == (200, "last")
