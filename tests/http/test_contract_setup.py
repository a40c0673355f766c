"""What stops the start: each mistake is told with its fix, before the first request."""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from splice import Database, Resource, install, private, read_only, write_only
from splice.errors import SetupError


class Base(DeclarativeBase):
    pass


class Plain(Base):
    __tablename__ = "plain"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20))


class Shape(sa.types.UserDefinedType[Any]):
    """A type of which nobody knows the Python values."""

    def get_col_spec(self, **_: Any) -> str:
        return "SHAPE"


class Trimmed(sa.types.TypeDecorator[str]):
    impl = sa.String(20)
    cache_ok = True


class Unmappable(Base):
    __tablename__ = "unmappable"
    id: Mapped[int] = mapped_column(primary_key=True)
    area = mapped_column(Shape)


class Undecorated(Base):
    __tablename__ = "undecorated"
    id: Mapped[int] = mapped_column(primary_key=True)
    text = mapped_column(Trimmed)


class Decorated(Base):
    __tablename__ = "decorated"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(Trimmed)
    hidden = mapped_column(Shape, info=private)


class Secretive(Base):
    __tablename__ = "secretive"
    id: Mapped[int] = mapped_column(primary_key=True)
    password_hash: Mapped[str] = mapped_column(sa.String(20))


class ReadOnly(Base):
    __tablename__ = "read_only"
    id: Mapped[int] = mapped_column(primary_key=True)
    level: Mapped[int] = mapped_column(info=read_only)


class Precise(Base):
    __tablename__ = "precise"
    id: Mapped[int] = mapped_column(primary_key=True)
    amount: Mapped[Decimal] = mapped_column(sa.Numeric(20, 2))


class Unbounded(Base):
    __tablename__ = "unbounded"
    id: Mapped[int] = mapped_column(primary_key=True)
    amount: Mapped[Decimal] = mapped_column(sa.Numeric)


class Unmapped:
    pass


class SignUp(BaseModel):
    password: str


class Named(BaseModel):
    name: str


def in_memory(driver: str = "aiosqlite") -> Database[Any]:
    return Database(f"sqlite+{driver}:///:memory:")


def started(*resources: Resource[Any]) -> None:
    """Start an application of these resources, and stop it again."""
    app = FastAPI()
    for resource in resources:
        app.include_router(resource)
    with TestClient(app):
        pass


def test_an_ordinary_model_starts():
    """There is nothing to say about it."""
    db = in_memory()

    started(Resource(Plain, db), Resource(Decorated, db, only={"list"}))


@pytest.mark.parametrize(
    ("model", "options", "said"),
    [
        (Unmappable, {}, ["Unmappable.area", "Shape", "TypeDecorator", "private"]),
        (Undecorated, {}, ["Undecorated.text", "Mapped[", "private"]),
        (Unmapped, {}, ["Unmapped", "mapped", "DeclarativeBase"]),
        (int, {}, ["int", "mapped"]),
        (Precise, {}, ["Precise.amount", "15", "SQLite"]),
        (Unbounded, {}, ["Unbounded.amount", "15", "SQLite"]),
        (Plain, {"marks": {"nmae": private}}, ["nmae", "Plain", "name"]),
        (Plain, {"marks": {"name": {"splice": "hidden"}}}, ["Plain.name", "hidden", "private"]),
        (Plain, {"only": {"red"}}, ["red", "read"]),
    ],
)
def test_what_cannot_be_served_is_refused_at_once(model, options, said):
    """The message names the attribute and holds the fix."""
    with pytest.raises(SetupError) as raised:
        Resource(model, in_memory(), **options)

    assert [word for word in said if word not in str(raised.value)] == []


def test_a_type_that_is_private_need_not_be_known():
    """A private column is neither read nor written, so nothing has to be known about it."""
    resource = Resource(Unmappable, in_memory(), marks={"area": private})

    assert list(resource.Read.model_fields) == ["id"]


def test_large_decimals_are_served_elsewhere():
    """PostgreSQL and MariaDB store them exactly."""
    Resource(Precise, Database("postgresql+asyncpg://nobody@127.0.0.1:1/none"))
    Resource(Precise, Database("mariadb+asyncmy://nobody@127.0.0.1:1/none"))


@pytest.mark.parametrize("model", [Secretive, ReadOnly])
def test_a_row_that_nobody_could_create_stops_the_start(model):
    """A required field that is not the client's has to come from somewhere."""
    with pytest.raises(SetupError) as raised:
        started(Resource(model, in_memory()))

    for fix in ("default", "before_create", "create=", "only="):
        assert fix in str(raised.value)


def test_each_way_of_supplying_the_field_is_enough():
    """A hook, a model for create, leaving create out, or another mark."""
    hooked = Resource(Secretive, in_memory())
    hooked.before_create(lambda *_: None)
    modelled = Resource(Secretive, in_memory(), create=SignUp)
    modelled.before_create(lambda *_: None)

    started(hooked)
    started(modelled)
    started(Resource(Secretive, in_memory(), only={"list", "read", "update"}))
    started(Resource(Secretive, in_memory(), marks={"password_hash": write_only}))


def test_a_field_of_a_model_for_create_that_nothing_uses_stops_the_start():
    """A field that the row does not have is for a hook; without one it would vanish."""
    with pytest.raises(SetupError, match=r"SignUp.*password.*before_create"):
        started(Resource(Plain, in_memory(), create=SignUp))

    started(Resource(Plain, in_memory(), create=Named))


@pytest.mark.parametrize(
    "name",
    [
        "before_create",
        "after_create",
        "before_update",
        "after_update",
        "before_delete",
        "after_delete",
        "after_commit",
    ],
)
def test_an_async_hook_on_a_synchronous_database_is_refused(name):
    """It could not be awaited there; a plain one can be called."""
    people = Resource(Plain, in_memory("pysqlite"))

    async def hook(*_: Any) -> None: ...

    with pytest.raises(SetupError, match=r"hook.*def.*(aiosqlite|asyncpg|asyncmy)"):
        getattr(people, name)(hook)
    getattr(people, name)(lambda *_: None)


def test_a_resource_needs_one_source_of_sessions():
    """A Database or a dependency, not none and not both."""

    def get_db() -> Any: ...

    with pytest.raises(SetupError, match="session="):
        Resource(Plain)
    with pytest.raises(SetupError, match="session="):
        Resource(Plain, in_memory(), session=get_db)


def test_install_comes_once():
    """Twice would serve everything twice."""
    app = FastAPI()
    install(app)

    with pytest.raises(SetupError, match="twice"):
        install(app)


def test_a_column_hidden_for_its_name_is_told_at_the_start(caplog):
    """A name that looks secret is private, and the log says so."""
    with caplog.at_level(logging.WARNING, logger="splice"):
        started(Resource(Secretive, in_memory(), only={"list"}))

    assert ["password_hash" in record.getMessage() for record in caplog.records] == [True]


def test_a_column_that_is_marked_is_not_told(caplog):
    """Whoever has said what it is knows it."""
    with caplog.at_level(logging.WARNING, logger="splice"):
        started(Resource(Secretive, in_memory(), marks={"password_hash": write_only}))

    assert caplog.records == []


def test_verbs_serve_scripts():
    """The same validation, hooks and problems on a plain session, which the caller commits."""
    db: Database[Session] = Database("sqlite+pysqlite:///:memory:")
    people = Resource(Plain, db)

    with db.begin() as session:
        Plain.__table__.create(session.connection())
        ada = people.create(session, {"name": "Ada"})
        people.update(session, ada.id, values={"name": "Grace"})
        found = people.find(session)

        assert [person.name for person in found] == ["Grace"]
        assert people.read(session, ada.id) is ada
        people.remove(session, ada.id)
        assert people.find(session) == []


def test_a_hook_may_take_either_session():
    """On an async Database both kinds of hook are welcome."""
    people = Resource(Plain, in_memory())

    @people.before_create
    async def awaited(session: AsyncSession, person: Plain, body: Any) -> None: ...

    @people.before_create
    def called(session: Session, person: Plain, body: Any) -> None: ...

    started(people)
