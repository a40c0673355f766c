"""A mapped class in the API's own words."""

from __future__ import annotations

import datetime as dt
import functools
import uuid
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Optional, get_args

import pytest
import sqlalchemy as sa
from annotated_types import Ge
from pydantic import Field as Limit
from sqlalchemy.orm import (
    DeclarativeBase,
    DynamicMapped,
    Mapped,
    MappedAsDataclass,
    WriteOnlyMapped,
    column_property,
    declared_attr,
    mapped_column,
    relationship,
)

from splice import private, read_only, write_once, write_only
from splice.description import describe
from splice.errors import SetupError


class Base(DeclarativeBase): ...


class Stamped:
    """Columns that several models share."""

    created_at: Mapped[dt.datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())
    changed_at: Mapped[dt.datetime | None] = mapped_column(onupdate=sa.func.now())

    @declared_attr
    def made_by(cls) -> Mapped[str]:
        return mapped_column(sa.String(20), default="nobody")


class Team(Base):
    __tablename__ = "teams"
    id: Mapped[int] = mapped_column(primary_key=True)
    people: Mapped[list[Person]] = relationship(back_populates="team")
    guests: Mapped[list[Guest]] = relationship(cascade="all, delete-orphan")
    visits: Mapped[list[Visit]] = relationship()


class Person(Stamped, Base):
    __tablename__ = "people"
    __table_args__ = (
        sa.UniqueConstraint("first", "family_name", name="uq_name"),
        sa.CheckConstraint("age > 0 AND age < height", name="ck_age"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    first: Mapped[str] = mapped_column(sa.String(10), doc="Given name.")
    last: Mapped[str] = mapped_column("family_name", sa.String(10), comment="Family name.")
    email: Mapped[str] = mapped_column(sa.String(50), unique=True, index=True)
    age: Mapped[Annotated[int, Limit(ge=0)] | None]
    height: Mapped[int] = mapped_column(server_default="170")
    version: Mapped[int] = mapped_column(default=1)
    password_hash: Mapped[str] = mapped_column(sa.String(60))
    reset_token: Mapped[str | None] = mapped_column(sa.String(60), info=write_only)
    _hidden: Mapped[int | None] = mapped_column("hidden")
    full: Mapped[int] = mapped_column(sa.Computed("age + 1"))
    nick: Mapped[str | None] = mapped_column(sa.String(9), info=write_once)
    rank: Mapped[int] = mapped_column(default=1, info=read_only)
    team_id: Mapped[int | None] = mapped_column(sa.ForeignKey("teams.id", name="fk_team"))
    team: Mapped[Team | None] = relationship(back_populates="people")
    loud: Mapped[str] = column_property(sa.func.upper(first, type_=sa.String))
    __mapper_args__ = {"version_id_col": version}


class Guest(Base):
    __tablename__ = "guests"
    team_id: Mapped[int] = mapped_column(sa.ForeignKey("teams.id"), primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(10), primary_key=True)


class Visit(Base):
    __tablename__ = "visits"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    team_id: Mapped[int | None] = mapped_column(sa.ForeignKey("teams.id", ondelete="SET NULL"))


PERSON = describe(Person)


def model_with(name: str) -> type[Base]:
    """A model with a key and a text column of this name."""
    columns = {"id": mapped_column(sa.Integer, primary_key=True), name: mapped_column(sa.String(5))}
    return type(f"Row_{name}", (Base,), {"__tablename__": f"t_{name}", **columns})


def test_fields_are_named_after_attributes():
    """The API speaks of attributes, whatever the columns are called."""
    assert "family_name" not in PERSON.fields
    assert PERSON.fields["last"].column.name == "family_name"
    assert PERSON.field_of_column("FAMILY_NAME") is PERSON.fields["last"]


@pytest.mark.parametrize(
    ("name", "readable", "creatable", "updatable"),
    [
        ("id", True, False, False),
        ("first", True, True, True),
        ("created_at", True, False, False),
        ("changed_at", True, False, False),
        ("made_by", True, True, True),
        ("version", True, False, False),
        ("password_hash", False, False, False),
        ("reset_token", False, True, True),
        ("_hidden", False, False, False),
        ("full", True, False, False),
        ("nick", True, True, False),
        ("rank", True, False, False),
        ("loud", True, False, False),
    ],
)
def test_what_clients_may_do(name, readable, creatable, updatable):
    """Keys, versions, computed columns and server times are read-only without being told; marks say the rest."""
    field = PERSON.fields[name]

    assert (field.readable, field.creatable, field.updatable) == (readable, creatable, updatable)


@pytest.mark.parametrize(
    ("name", "required"),
    [
        ("first", True),
        ("email", True),
        ("age", False),
        ("height", False),
        ("made_by", False),
        ("id", False),
        ("team_id", False),
    ],
)
def test_what_post_has_to_send(name, required):
    """Required is what neither nullability nor a default nor the database supplies."""
    assert PERSON.fields[name].required is required


def test_names_that_look_secret_are_private_until_marked():
    """A secret name is hidden; a mark on the resource, even an empty one, says otherwise."""
    marked = describe(Person, {"password_hash": {}}).fields["password_hash"]

    assert PERSON.fields["password_hash"].guessed_private
    assert marked.readable
    assert not marked.guessed_private


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "user_password",
        "API_KEY",
        "x_token",
        "salt",
        "private_key",
        "secret",
        "userPassword",
        "accessToken",
        "apiKey",
        "userAPIKey",
        "passwordHash",
        "oauth2Token",
    ],
)
def test_secret_names(name):
    """The endings that make a column private."""
    assert not describe(model_with(name)).fields[name].readable


@pytest.mark.parametrize(
    "name",
    [
        "tokens",
        "salty",
        "secretary",
        "passwords_changed",
        "basalt",
        "userTokens",
        "Passwordless",
        "tokenCount",
    ],
)
def test_names_that_only_sound_secret(name):
    """A word inside another one hides nothing."""
    assert describe(model_with(name)).fields[name].readable


@pytest.mark.parametrize("column", ["password_hash", "accessToken"])
def test_a_secret_column_is_private_under_any_attribute(column):
    """A short name in Python makes the values no less secret."""
    columns = {"id": mapped_column(sa.Integer, primary_key=True), "pw": mapped_column(column, sa.String(5))}
    model = type(f"Account_{column}", (Base,), {"__tablename__": f"accounts_{column}", **columns})

    assert not describe(model).fields["pw"].readable
    assert describe(model).fields["pw"].guessed_private
    assert describe(model, {"pw": write_only}).fields["pw"].creatable


class Utc(sa.types.TypeDecorator[dt.datetime]):
    impl = sa.DateTime
    cache_ok = True


class Local(sa.types.TypeDecorator[dt.datetime]):
    impl = Utc
    cache_ok = True


class Event(Base):
    __tablename__ = "events"
    id: Mapped[int] = mapped_column(primary_key=True)
    made: Mapped[dt.datetime] = mapped_column(Utc, server_default=sa.func.now())
    seen: Mapped[dt.datetime] = mapped_column(Local, default=lambda: dt.datetime.now(dt.UTC))
    lasts: Mapped[dt.timedelta] = mapped_column(sa.Interval, onupdate=dt.timedelta)
    code: Mapped[str] = mapped_column(
        sa.String(9), default=lambda context: context.get_current_parameters()["name"]
    )
    name: Mapped[str] = mapped_column(sa.String(9), default="plain")
    parts: Mapped[list[int]] = mapped_column(sa.JSON, default=list)
    tags: Mapped[list[int]] = mapped_column(sa.JSON, default=functools.partial(list, [1]))
    note: Mapped[str] = mapped_column(sa.String(9), default=lambda text="x": text)
    size: Mapped[int] = mapped_column(default=sa.func.abs(-1))
    number: Mapped[int] = mapped_column(sa.Sequence("numbers"))
    extra: Mapped[int] = mapped_column(server_default="1")


EVENT = describe(Event)


def test_a_server_time_is_read_only_behind_a_decorator():
    """A decorator changes how it is stored, not who sets it; an Interval is no DateTime, though stored as one."""
    writable = {field.name for field in EVENT.fields.values() if field.creatable}

    assert not {"made", "seen"} & writable
    assert "lasts" in writable


def test_the_stored_type_lies_below_every_decorator():
    """What a database does with a column is decided there."""
    assert type(EVENT.fields["seen"].stored_type) is sa.DateTime
    assert type(EVENT.fields["lasts"].stored_type) is sa.Interval
    assert EVENT.fields["name"].stored_type is EVENT.fields["name"].type


@pytest.mark.parametrize(
    ("name", "value"), [("name", "plain"), ("parts", []), ("tags", [1]), ("note", "x")], ids=str
)
def test_a_default_of_a_replacement(name, value):
    """Values, and functions that can be called as they are."""
    default = EVENT.fields[name].replace_default

    assert default is not None
    assert default() == value


def test_an_expression_is_a_default_of_a_replacement():
    """The database computes it in an UPDATE as well."""
    default = EVENT.fields["size"].replace_default

    assert default is not None
    assert str(default()) == "abs(:abs_1)"


@pytest.mark.parametrize("name", ["code", "number", "extra"])
def test_a_default_of_an_insert_is_none_of_a_replacement(name):
    """A function of the execution context and a sequence have no value outside of an INSERT."""
    assert EVENT.fields[name].replace_default is None
    assert not EVENT.fields[name].required


def test_docs_and_comments_describe_fields():
    """`doc` comes first, a comment of the database serves as well."""
    assert PERSON.fields["first"].doc == "Given name."
    assert PERSON.fields["last"].doc == "Family name."


def test_annotations_inside_mapped_are_kept():
    """Also where the module postpones their evaluation."""
    inner, _ = get_args(PERSON.fields["age"].annotation)

    assert get_args(inner)[1].metadata == [Ge(0)]
    assert PERSON.fields["team_id"].annotation == int | None


def test_constraints_are_about_fields():
    """A constraint names attributes, and a CHECK that is text is read for its columns."""
    found = {rule.name: (rule.kind, rule.fields) for rule in PERSON.constraints if rule.name}

    assert found["uq_name"] == ("unique", ("first", "last"))
    assert found["ck_age"] == ("check", ("age", "height"))
    assert found["fk_team"] == ("foreign_key", ("team_id",))
    assert found["ix_people_email"] == ("unique", ("email",))


def test_relations_that_keep_their_parent():
    """Children without a delete cascade forbid the delete, unless the database lets them go."""
    assert [relation.name for relation in describe(Team).keeps] == ["people"]


def test_composite_and_made_keys():
    """A key is the client's unless something else makes it."""
    assert [field.name for field in describe(Guest).key] == ["team_id", "name"]
    assert describe(Guest).client_key
    assert not describe(Visit).client_key
    assert not PERSON.client_key


def test_dataclass_models_are_models():
    """MappedAsDataclass changes constructors, not columns."""

    class Point(MappedAsDataclass, Base):
        __tablename__ = "points"
        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        x: Mapped[int]
        y: Mapped[int] = mapped_column(default=0)

    fields = describe(Point).fields

    assert fields["x"].required
    assert not fields["y"].required


def test_a_discriminator_is_read_only():
    """What a row is cannot be written by clients."""

    class Animal(Base):
        __tablename__ = "animals"
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str] = mapped_column(sa.String(10))
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}

    assert not describe(Animal).fields["kind"].creatable
    assert describe(Animal).fields["kind"].has_python_default


def test_a_class_that_is_not_mapped_is_refused():
    """The message says what to give instead."""
    with pytest.raises(SetupError, match="__tablename__"):
        describe(int)


def test_a_mark_for_no_field_is_refused():
    """A misspelt mark would leave a column open."""
    with pytest.raises(SetupError, match="emial"):
        describe(Person, {"emial": private})


class Appointment(Base):
    """Fields called like their types, and types in quotes."""

    __tablename__ = "appointments"
    id: Mapped[int] = mapped_column(primary_key=True)
    date: Mapped[date]
    until: Mapped["dt.date"]  # noqa: UP037  # quoted twice, as modules without the future import do
    price: Mapped[Optional["Decimal"]]  # noqa: UP037, UP045  # the same


def test_annotations_are_read_as_python_reads_them():
    """A name means what it means in the module, also where the class has an attribute of that name."""
    fields = describe(Appointment).fields

    assert fields["date"].annotation is dt.date
    assert fields["until"].annotation is dt.date
    assert fields["price"].annotation == Optional[Decimal]  # noqa: UP045  # as written


def test_an_annotation_that_cannot_be_read_is_refused():
    """A name imported under TYPE_CHECKING would silently lose its limits."""

    class Odd(Base):
        __tablename__ = "odd"
        id: Mapped[int] = mapped_column(primary_key=True)

    Odd.__annotations__["id"] = "Mapped[Elsewhere]"

    with pytest.raises(SetupError, match="import that name at module level"):
        describe(Odd)


class Node(Base):
    """A tree, whose rows are tagged, described and remembered."""

    __tablename__ = "nodes"
    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(sa.String(5), unique=True)
    parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("nodes.id"))
    root_id: Mapped[int] = mapped_column(sa.ForeignKey("nodes.id"))
    twin_code: Mapped[str] = mapped_column(sa.ForeignKey("nodes.code"))
    shade: Mapped[str] = mapped_column(sa.String(5))
    parent: Mapped[Node | None] = relationship(
        remote_side="Node.id", foreign_keys=[parent_id], back_populates="children", doc="The node above."
    )
    children: Mapped[list[Node]] = relationship(foreign_keys=[parent_id], back_populates="parent")
    root: Mapped[Node] = relationship(remote_side="Node.id", foreign_keys=[root_id])
    twin: Mapped[Node] = relationship(remote_side=[code], foreign_keys=[twin_code])
    same_shade: Mapped[Node] = relationship(
        primaryjoin=lambda: sa.orm.foreign(Node.shade) == sa.orm.remote(Node.code), viewonly=True
    )
    above: Mapped[Node] = relationship(
        primaryjoin=lambda: sa.orm.foreign(Node.parent_id) > sa.orm.remote(Node.id),
        viewonly=True,
        uselist=False,
    )
    big_parent: Mapped[Node] = relationship(
        primaryjoin=lambda: sa.and_(sa.orm.foreign(Node.parent_id) == sa.orm.remote(Node.id), Node.id > 100),
        viewonly=True,
    )
    tags: Mapped[list[Tag]] = relationship(secondary=lambda: NODE_TAGS)
    first_tag: Mapped[Tag] = relationship(secondary=lambda: NODE_TAGS, uselist=False, viewonly=True)
    memories: WriteOnlyMapped[Memory] = relationship()
    dreams: DynamicMapped[Memory] = relationship(viewonly=True)
    last_memory: Mapped[Memory] = relationship(viewonly=True)
    secrets: Mapped[list[Memory]] = relationship(viewonly=True, info=private)
    _inner: Mapped[list[Memory]] = relationship(viewonly=True)


class Tag(Base):
    __tablename__ = "tags"
    id: Mapped[int] = mapped_column(primary_key=True)


class Memory(Base):
    __tablename__ = "memories"
    __table_args__ = (sa.Index("ix_first", "shade", unique=True, sqlite_where=sa.text("id > 3")),)
    id: Mapped[int] = mapped_column(primary_key=True)
    node_id: Mapped[int] = mapped_column(sa.ForeignKey("nodes.id"))
    shade: Mapped[str] = mapped_column(sa.String(5))


NODE_TAGS = sa.Table(
    "node_tags",
    Base.metadata,
    sa.Column("node", sa.ForeignKey("nodes.id"), primary_key=True),
    sa.Column("tag", sa.ForeignKey("tags.id"), primary_key=True),
)


@pytest.mark.parametrize(
    ("name", "many", "joins", "nullable", "pairs"),
    [
        ("parent", False, True, True, (("parent_id", "id"),)),
        ("children", True, False, True, (("id", "parent_id"),)),
        ("root", False, True, False, (("root_id", "id"),)),
        ("twin", False, True, False, (("twin_code", "code"),)),
        ("same_shade", False, True, True, (("shade", "code"),)),
        ("above", False, False, True, ()),
        ("big_parent", False, True, True, ()),
        ("tags", True, False, True, ()),
        ("first_tag", False, False, True, ()),
        ("memories", True, False, True, (("id", "node_id"),)),
        ("dreams", True, False, True, (("id", "node_id"),)),
        ("last_memory", False, False, True, (("id", "node_id"),)),
    ],
)
def test_links_say_where_they_lead(name, many, joins, nullable, pairs):
    """To a list or a row; by a key of it or not; to none perhaps; by columns that are equal or by more."""
    link = describe(Node).links[name]

    assert (link.many, link.joins, link.nullable, link.pairs) == (many, joins, nullable, pairs)


def test_links_come_in_the_order_of_the_model():
    """Without those that are marked private, or whose name says so."""
    links = describe(Node).links

    assert list(links)[:4] == ["parent", "children", "root", "twin"]
    assert not {"secrets", "_inner"} & set(links)
    assert (links["parent"].target, links["parent"].doc) == (Node, "The node above.")
    assert "team" in PERSON.links


def test_a_mark_of_a_resource_hides_a_relation():
    """Or shows one that the model hides."""
    links = describe(Node, {"tags": private, "secrets": {}}).links

    assert "tags" not in links
    assert "secrets" in links


def test_a_link_by_part_of_a_key_does_not_join():
    """Neither do an index over some of the rows, and one of two columns of a key."""

    class Seat(Base):
        __tablename__ = "seats"
        id: Mapped[int] = mapped_column(primary_key=True)
        team_id: Mapped[int]
        shade: Mapped[str] = mapped_column(sa.String(5))
        guest: Mapped[Guest] = relationship(
            primaryjoin=lambda: sa.orm.foreign(Seat.team_id) == Guest.team_id, viewonly=True
        )
        memory: Mapped[Memory] = relationship(
            primaryjoin=lambda: sa.orm.foreign(Seat.shade) == Memory.shade, viewonly=True
        )

    links = describe(Seat).links

    assert not links["guest"].joins
    assert not links["memory"].joins
    assert not links["guest"].many


def view(name: str, *columns: sa.Column[Any], key: tuple[str, ...]) -> type[Base]:
    """A model of something without a primary key of its own."""
    table = sa.Table(name, Base.metadata, *columns)
    options = {"primary_key": [table.c[column] for column in key]}
    return type(name, (Base,), {"__table__": table, "__mapper_args__": options})


def test_a_key_tells_rows_apart_or_not():
    """A primary key does, and a unique one without NULLs; the columns of a view do not."""

    def columns(**of_code: Any) -> list[sa.Column[Any]]:
        return [sa.Column("code", sa.Integer, **of_code), sa.Column("size", sa.Integer)]

    assert PERSON.unique
    assert not describe(view("plain", *columns(), key=("code", "size"))).unique
    assert not describe(view("loose", *columns(unique=True), key=("code",))).unique
    assert describe(view("strict", *columns(unique=True, nullable=False), key=("code", "size"))).unique
    assert not describe(view("other", *columns(unique=True, nullable=False), key=("size",))).unique


def test_a_joined_subclass_is_joined_by_the_key_of_its_parent():
    """One key, in two tables."""

    class Vehicle(Base):
        __tablename__ = "vehicles"
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str] = mapped_column(sa.String(5))
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "any"}

    class Car(Vehicle):
        __tablename__ = "cars"
        id: Mapped[int] = mapped_column(sa.ForeignKey("vehicles.id"), primary_key=True)
        __mapper_args__ = {"polymorphic_identity": "car"}

    class Bike(Vehicle):
        __mapper_args__ = {"polymorphic_identity": "bike"}

    class Wheel(Base):
        __tablename__ = "wheels"
        id: Mapped[int] = mapped_column(primary_key=True)
        car_id: Mapped[int] = mapped_column(sa.ForeignKey("cars.id"))
        bike_id: Mapped[int] = mapped_column(sa.ForeignKey("vehicles.id"))
        car: Mapped[Car] = relationship(foreign_keys=[car_id])
        bike: Mapped[Bike] = relationship(foreign_keys=[bike_id])

    links = describe(Wheel).links

    assert describe(Car).unique
    assert (links["car"].joins, links["car"].nullable, links["car"].pairs) == (
        True,
        False,
        (("car_id", "id"),),
    )
    assert (links["bike"].joins, links["bike"].nullable, links["bike"].pairs) == (True, True, ())
