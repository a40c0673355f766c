"""Hostile requests: never 5xx, always a problem document that gives nothing away, nothing stored."""

from __future__ import annotations

import datetime as dt
import enum
import json
import logging
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeAlias

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from examples.users import models as users
from splice import Database, Resource, install, private
from splice.description import describe
from tests.http.conftest import Service
from tests.http.hostile.attacks import JSON, Attack, Group, Model, creation, listing, writes
from tests.http.hostile.figures import Sends
from tests.http.hostile.groups import GROUPS
from tests.http.hostile.targets import Target, faults, tells_too_much


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
ATTACKED = tuple(Model(describe(model), f"/{model.__tablename__}") for model in MODELS)
Log: TypeAlias = "Callable[[], list[str]]"


def build(db: Database[Any]) -> FastAPI:
    app = FastAPI()
    install(app, db)
    for model in MODELS:
        app.include_router(Resource(model, db))
    return app


@pytest.fixture
def target(service: Service) -> Target:
    """The service with one row of each model, stored through it: so bodies are valid but for what an attack changes."""
    keys: dict[str, str] = {}
    found = Target(service.app, service.client.portal.call, keys)
    for model in ATTACKED:
        answer = found.send(creation(model, 0))
        assert answer.status == 201, answer
        keys[model.table] = answer.headers[b"location"].decode().rpartition("/")[2]
    return found


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__)
def test_hostile_requests_are_refused(service: Service, target: Target, group: Group, log: Log, sends: Sends):
    """Each is answered 4xx by a problem document without internals or values; nothing is stored, and lists go on."""
    before, attacks = rows(service), list(group(ATTACKED))
    sends(group.__name__, len(attacks))

    found = [f"{attack.name}: {fault}" for attack in attacks for fault in faults(attack, target.send(attack))]

    assert not found, "\n".join(found)
    assert rows(service) == before
    assert {target.send(listing(model)).status for model in ATTACKED} == {200}
    assert [line for line in log() if tells_too_much(line)] == []


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Log:
    """What is logged from now on, by whomever, at any level above DEBUG."""
    caplog.set_level(logging.INFO)
    caplog.handler.setFormatter(logging.Formatter("%(message)s"))

    def lines() -> list[str]:
        return caplog.text.splitlines()

    return lines


def rows(service: Service) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that is stored."""
    tables = service.metadata.sorted_tables
    return {table.name: sorted(service.stored(sa.select(table)), key=repr) for table in tables}


def test_the_same_requests_are_taken_without_what_is_wrong(target: Target):
    """Attacks change one thing of writes that succeed, so that is what they are refused for."""
    answers = [(attack.name, target.send(attack)) for model in ATTACKED for attack in writes(model)]

    assert [(name, answer) for name, answer in answers if answer.status not in {200, 201}] == []


COUNTS = {group.__name__: len(list(group(ATTACKED))) for group in GROUPS}


@pytest.mark.parametrize("total", [sum(COUNTS.values())], ids=lambda total: f"{total} requests")
def test_there_are_many(total: int):
    """Each database gets them all; their number stands in the name of this test, and with each kind's at the end."""
    assert total >= 5_000
    assert min(COUNTS.values()) >= 50


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
