"""Hooks: inside the transaction around a write, and after its commit."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from splice import Database, Resource, install
from splice.errors import Conflict


class Base(DeclarativeBase):
    pass


class Person(Base):
    __tablename__ = "people"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(50))
    slug: Mapped[str | None] = mapped_column(sa.String(50))
    quota: Mapped[int | None] = mapped_column(default=10)
    created_at: Mapped[dt.datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())
    updated_at: Mapped[dt.datetime | None] = mapped_column(sa.DateTime(timezone=True), onupdate=sa.func.now())


class Event(Base):
    __tablename__ = "events"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(sa.String(100))


def build(db: Database) -> FastAPI:
    """One resource with plain hooks, one with async ones; `app.state.told` is what left the transaction."""
    app = FastAPI()
    install(app, db)
    app.state.told = []
    app.include_router(plain_hooks(Resource(Person, db, prefix="/plain"), app.state.told))
    app.include_router(async_hooks(Resource(Person, db, prefix="/async"), app.state.told))
    return app


def slug_of(person: Person) -> None:
    if person.name == "refused":
        raise Conflict("not this one")
    if person.name == "http":
        raise HTTPException(418, "I am a teapot")
    if person.name == "broken":
        raise RuntimeError("a mistake in a hook")
    person.slug = person.name.lower()


def seen(person: Person) -> str:
    return f"{person.id is not None} {person.slug} {person.quota} {person.created_at is not None} {person.updated_at}"


def refuse(person: Person, name: str) -> None:
    if person.name == name:
        raise Conflict("not now")


def tell(told: list[Any], change: Any) -> None:
    told.append((change.action, change.model, change.row["name"]))
    if change.row["name"] == "untold":
        raise RuntimeError("the mail server is away")


def plain_hooks(people: Resource[Person], told: list[Any]) -> Resource[Person]:
    @people.before_create
    @people.before_update
    def before(session: Session, person: Person, body: BaseModel) -> None:
        assert isinstance(body, people.Create | people.Update | people.Replace)
        session.execute(sa.select(Person.id)).all()
        slug_of(person)

    @people.after_create
    @people.after_update
    def after(session: Session, person: Person, body: BaseModel) -> None:
        session.add(Event(text=seen(person)[:100]))
        refuse(person, "late")

    @people.before_delete
    def before_delete(session: Session, person: Person) -> None:
        refuse(person, "kept")
        session.add(Event(text=f"going {person.name}"))

    @people.after_delete
    def after_delete(session: Session, person: Person) -> None:
        session.add(Event(text=f"gone {person.name}"))

    @people.after_commit
    def after_commit(change: Any) -> None:
        tell(told, change)

    return people


def async_hooks(people: Resource[Person], told: list[Any]) -> Resource[Person]:
    @people.before_create
    @people.before_update
    async def before(session: AsyncSession, person: Person, body: BaseModel) -> None:
        (await session.execute(sa.select(Person.id))).all()
        slug_of(person)

    @people.after_create
    @people.after_update
    async def after(session: AsyncSession, person: Person, body: BaseModel) -> None:
        session.add(Event(text=seen(person)[:100]))
        refuse(person, "late")

    @people.before_delete
    async def before_delete(session: AsyncSession, person: Person) -> None:
        refuse(person, "kept")
        session.add(Event(text=f"going {person.name}"))

    @people.after_delete
    async def after_delete(session: AsyncSession, person: Person) -> None:
        session.add(Event(text=f"gone {person.name}"))

    @people.after_commit
    async def after_commit(change: Any) -> None:
        tell(told, change)

    return people


KINDS = pytest.mark.parametrize("path", ["/plain", "/async"])


@pytest.fixture
def told(service) -> list[Any]:
    """What the hooks after commit were told."""
    service.app.state.told.clear()
    return service.app.state.told


def events(service) -> list[str]:
    return [text for (text,) in service.stored(sa.select(Event.text).order_by(Event.id))]


def names(service) -> list[str]:
    return [name for (name,) in service.stored(sa.select(Person.name).order_by(Person.id))]


@KINDS
def test_a_hook_changes_what_is_stored(client, path):
    """What a hook sets before a write is in the answer and in the row."""
    made = client.post(path, json={"name": "Ada"})
    changed = client.patch(made.headers["location"], json={"name": "Grace"})
    replaced = client.put(made.headers["location"], json={"name": "Eve"})

    assert [answer.json()["slug"] for answer in (made, changed, replaced)] == ["ada", "grace", "eve"]
    assert client.get(made.headers["location"]).content == replaced.content


@KINDS
def test_a_hook_sees_the_whole_row_afterwards(service, path):
    """After the write, key and server defaults are there to read, without another statement of the hook's."""
    address = service.client.post(path, json={"name": "Ada", "quota": None}).headers["location"]
    answer = service.client.patch(address, json={"name": "Grace"})

    assert answer.status_code == 200, answer.text
    first, second = events(service)
    assert first == "True ada None True None"
    assert second.startswith("True grace None True 20")


@KINDS
@pytest.mark.parametrize(
    ("name", "status"), [("refused", 409), ("http", 418), ("broken", 500), ("late", 409)]
)
def test_a_hook_that_raises_undoes_the_write(service, told, path, name, status):
    """Nothing of the unit is stored, nobody is told, and the answer is the hook's."""
    made = service.client.post(path, json={"name": "Ada"}).headers["location"]
    before = events(service)

    created = service.client.post(path, json={"name": name})
    changed = service.client.patch(made, json={"name": name})

    assert (created.status_code, changed.status_code) == (status, status)
    assert created.headers["content-type"] == "application/problem+json"
    assert names(service) == ["Ada"]
    assert events(service) == before
    assert told == [("create", Person, "Ada")]


@KINDS
def test_hooks_around_a_delete_are_in_its_transaction(service, told, path):
    """They run before and after it, and may forbid it."""
    address = service.client.post(path, json={"name": "Ada"}).headers["location"]
    kept = service.client.post(path, json={"name": "kept"}).headers["location"]

    assert service.client.delete(address).status_code == 204
    assert service.client.delete(kept).status_code == 409

    assert events(service)[2:] == ["going Ada", "gone Ada"]
    assert names(service) == ["kept"]
    assert [action for action, *_ in told] == ["create", "create", "delete"]


@KINDS
def test_those_after_commit_are_told_of_each_change_once(service, told, path):
    """They get plain values, in the order of the changes."""
    address = service.client.post(path, json={"name": "Ada"}).headers["location"]
    service.client.patch(address, json={"name": "Grace"})
    service.client.put(address, json={"name": "Eve"})
    service.client.delete(address)

    assert told == [
        ("create", Person, "Ada"),
        ("update", Person, "Grace"),
        ("update", Person, "Eve"),
        ("delete", Person, "Eve"),
    ]


@KINDS
def test_nobody_is_told_of_what_was_refused(service, told, path):
    """A request that changes nothing is no change."""
    service.client.post(path, json={})
    service.client.delete(f"{path}/2147483647")
    service.client.get(path)

    assert told == []


@KINDS
def test_a_failure_after_commit_is_logged(service, told, path, caplog):
    """The row is stored, so the answer stands."""
    with caplog.at_level(logging.ERROR, logger="splice"):
        answer = service.client.post(path, json={"name": "untold"})

    assert answer.status_code == 201
    assert names(service) == ["untold"]
    assert [record.exc_info[0] for record in caplog.records] == [RuntimeError]


def test_a_null_that_was_sent_is_none_to_hooks(service):
    """A hook sees Python's values, whatever is done to store them."""
    service.client.post("/plain", json={"name": "Ada", "quota": None})

    assert events(service)[0].split()[2] == "None"
    assert service.stored(sa.select(Person.quota)) == [(None,)]
