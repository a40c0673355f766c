"""A reflected database → the text of models.py."""

from __future__ import annotations

import ast
import importlib.util
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.schema import CreateTable

from splice.reflection import Check, Column, ForeignKey, Index, Model, Reflection, Relation, Unique
from splice.sources import models_source
from tests.reflected import imported, reflected

Write = Callable[[str], str]

SHOP = """
CREATE TABLE customers (
    id INTEGER PRIMARY KEY, name VARCHAR(80) NOT NULL, born DATE, notes TEXT, photo BLOB, active BOOLEAN DEFAULT 1,
    balance NUMERIC(10, 2) NOT NULL DEFAULT 0, rating REAL, anything, extra JSON NOT NULL,
    CONSTRAINT named CHECK (rating BETWEEN 0 AND 5)
);
CREATE TABLE "Order Details" (
    "Order ID" INT, line INT, customer_id INT NOT NULL REFERENCES customers (id) ON DELETE CASCADE, class TEXT UNIQUE,
    total INT AS (line * 2) STORED, PRIMARY KEY ("Order ID", line)
);
CREATE TABLE notes (order_id INT, line INT, text TEXT, FOREIGN KEY (order_id, line) REFERENCES "Order Details");
CREATE INDEX notes_by_a_name_that_is_long_enough_to_fill_most_of_a_line ON notes (order_id, line);
CREATE TABLE staff (id INTEGER PRIMARY KEY, store_id INT REFERENCES stores (id), boss_id INT REFERENCES staff (id));
CREATE TABLE stores (id INTEGER PRIMARY KEY, manager_id INT NOT NULL REFERENCES staff (id));
CREATE TABLE tags (id INTEGER PRIMARY KEY);
CREATE TABLE customer_tags (
    customer_id INT REFERENCES customers (id), tag_id INT REFERENCES tags (id), PRIMARY KEY (customer_id, tag_id)
);
CREATE VIEW names AS SELECT name, length(name) FROM customers;
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A file with the tables of a shop."""
    return file_of(tmp_path / "shop.db", SHOP)


def file_of(path: Path, sql: str) -> str:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(sql)
    return f"sqlite:///{path}"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """The text of the models of a file that is made by some SQL."""

    def write(sql: str) -> str:
        return models_source(reflected(file_of(tmp_path / "some.db", sql)), "some.db")

    return write


# How it reads


def test_a_model_is_written_as_one_would(write: Write):
    """Annotations say what they can, and columns only the rest."""
    source = write(
        """
        CREATE TABLE artists (id INTEGER PRIMARY KEY, name VARCHAR(120));
        CREATE TABLE albums (
            id INTEGER PRIMARY KEY, title VARCHAR(160) NOT NULL, released DATE,
            price NUMERIC(10, 2) NOT NULL DEFAULT 9.99, artist_id INT NOT NULL REFERENCES artists (id)
        );
        """
    )

    assert (
        source
        == '''"""The tables of some.db."""

from decimal import Decimal

from splice.types import AsStored, Moment
from sqlalchemy import BigInteger, Date, ForeignKey, Integer, Numeric, String, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    """What the models have in common."""

    # An INTEGER of SQLite has 64 bits.
    type_annotation_map = {int: BigInteger().with_variant(Integer, "sqlite")}


class Album(Base):
    __tablename__ = "albums"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(160))
    released: Mapped[Moment | None] = mapped_column(AsStored(Date))
    price: Mapped[Decimal] = mapped_column(
        AsStored(Numeric(10, 2)), server_default=text("9.99")
    )
    artist_id: Mapped[int] = mapped_column(ForeignKey("artists.id"))

    artist: Mapped["Artist"] = relationship(back_populates="albums")


class Artist(Base):
    __tablename__ = "artists"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(String(120))

    albums: Mapped[list["Album"]] = relationship(back_populates="artist")
'''
    )


def test_the_text_passes_a_linter(url: str, tmp_path: Path):
    """Nothing is unused, undefined, out of order, or longer than a line."""
    path = tmp_path / "models.py"
    path.write_text(models_source(reflected(url), "shop.db"))

    assert ruff("check", "--select", "F,E,I", str(path)) == "All checks passed!"


def test_names_that_look_like_numbers_pass_a_linter(tmp_path: Path):
    """A column keeps its name, with a word to the linter; a class does not."""
    with closing(sqlite3.connect(tmp_path / "some.db")) as connection:
        connection.executescript(
            """
            CREATE TABLE l (id INTEGER PRIMARY KEY, l INT, "O" DATETIME DEFAULT CURRENT_TIMESTAMP, "I" TEXT);
            CREATE TABLE i (id INTEGER PRIMARY KEY, l_id INT REFERENCES l (id));
            CREATE TABLE o (id INTEGER PRIMARY KEY);
            """
        )
    path = tmp_path / "models.py"
    path.write_text(models_source(reflected(f"sqlite:///{tmp_path / 'some.db'}"), "some.db"))

    assert ruff("check", "--select", "F,E,I,RUF100", str(path)) == "All checks passed!"


def test_the_text_is_formatted(url: str, tmp_path: Path):
    """A formatter has nothing to change."""
    path = tmp_path / "models.py"
    path.write_text(models_source(reflected(url), "shop.db"))

    assert ruff("format", "--check", str(path)) == "1 file already formatted"


def ruff(*arguments: str) -> str:
    """What ruff says with the settings of somebody who has none."""
    if importlib.util.find_spec("ruff") is None:
        pytest.skip("ruff is not installed")
    command = [sys.executable, "-m", "ruff", *arguments, "--isolated", "--no-cache"]
    folder = Path(arguments[-1]).parent
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout.strip() or done.stderr.strip()


def test_the_same_database_gives_the_same_text(url: str):
    """Whoever prints it twice has no difference to look at."""
    assert models_source(reflected(url), "shop.db") == models_source(reflected(url), "shop.db")


# What it makes


def test_the_tables_are_those_of_the_database(url: str, tmp_path: Path):
    """A database that is made from the models reflects to the same models."""
    source = models_source(reflected(url, exclude=["names"]), "shop.db")
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'copy.db'}")
    imported(source, tmp_path).Base.metadata.create_all(engine)
    engine.dispose()

    assert models_source(reflected(f"sqlite:///{tmp_path / 'copy.db'}"), "shop.db") == source


def test_circles_and_relations_do_not_warn(url: str, tmp_path: Path):
    """Tables that refer to each other, and to themselves, can be mapped and put in order."""
    module = imported(models_source(reflected(url), "shop.db"), tmp_path)

    names = [table.name for table in module.Base.metadata.sorted_tables]
    assert names.index("customers") < names.index("customer_tags")
    assert module.Customer.tags.property.viewonly
    assert module.Staff.boss.property.direction.name == "MANYTOONE"


def test_relations_lead_to_each_other(url: str, tmp_path: Path):
    """What is appended on one side is there on the other."""
    module = imported(models_source(reflected(url), "shop.db"), tmp_path)

    customer = module.Customer(name="Ada")
    customer.order_details.append(module.OrderDetail(line=1))
    assert customer.order_details[0].customer is customer


def test_attributes_hide_nothing_that_their_class_needs(tmp_path: Path):
    """Columns may be called like the types and functions that the lines below them use."""
    hiding = """
        "text" TEXT DEFAULT 'x', "date" DATE, "dt" TIME, "int" INT, "str" TEXT DEFAULT 'y', "bytes" BLOB, "list" TEXT,
        "Moment" DATE, "Mapped" INT, "mapped_column" VARCHAR(3), "relationship" INT, "bId" INT REFERENCES b (id),
        "ForeignKey" INT, "String" VARCHAR(4), "ForeignKeyId" INT REFERENCES b (id), "Decimal" NUMERIC(3, 1),
        "AsStored" NUMERIC(4, 1), "Base" INT, "B" INT
    """
    sql = f"CREATE TABLE b (id INTEGER PRIMARY KEY); CREATE TABLE a ({hiding}, id INTEGER PRIMARY KEY)"

    module = imported(models_source(reflected(file_of(tmp_path / "x.db", sql)), "x"), tmp_path)

    assert sa.inspect(module.A).relationships.keys() == ["b", "foreign_key"]
    assert isinstance(module.A.__table__.c["ForeignKeyId"].type, sa.Integer)


# Other databases than SQLite


def written(columns: list[Column], dialect: str, **parts: Any) -> str:
    """The text of one model."""
    return models_source(Reflection(dialect, (model_of(columns, **parts),), (), ()), "some")


def model_of(columns: list[Column], **parts: Any) -> Model:
    key = tuple(column.attribute for column in columns if column.primary_key)
    verbs = frozenset({"list"})
    given: dict[str, Any] = {
        "name": "Some",
        "table": "some",
        "schema": None,
        "path": "/some",
        "kind": "table",
        "columns": tuple(columns),
        "key": key,
        "identity": key or tuple(column.attribute for column in columns),
        "private": (),
        "foreign_keys": (),
        "uniques": (),
        "indexes": (),
        "checks": (),
        "relations": (),
        "reads": verbs,
        "writes": verbs,
    }
    return Model(**{**given, **parts})


ID = Column("id", "id", sa.Integer(), nullable=False, primary_key=True)


def with_type(type_: Any, **parts: Any) -> list[Column]:
    return [ID, Column("x", "x", type_, nullable=False, primary_key=False, **parts)]


@pytest.mark.parametrize(
    ("dialect", "type_", "line"),
    [
        ("postgresql", sa.Integer(), "x: Mapped[int]"),
        ("postgresql", sa.BigInteger(), "x: Mapped[int] = mapped_column(BigInteger)"),
        ("postgresql", sa.String(160), "x: Mapped[str] = mapped_column(String(160))"),
        ("postgresql", sa.CHAR(20), "x: Mapped[str] = mapped_column(CHAR(20))"),
        ("postgresql", sa.Text(), "x: Mapped[str] = mapped_column(Text)"),
        ("postgresql", postgresql.CITEXT(), "x: Mapped[str] = mapped_column(CITEXT)"),
        ("postgresql", sa.Numeric(10, 2), "x: Mapped[Decimal] = mapped_column(Numeric(10, 2))"),
        ("postgresql", sa.Double(), "x: Mapped[float] = mapped_column(Double)"),
        ("postgresql", sa.DateTime(), "x: Mapped[dt.datetime]"),
        (
            "postgresql",
            sa.DateTime(timezone=True),
            "x: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))",
        ),
        ("postgresql", sa.Date(), "x: Mapped[dt.date]"),
        ("postgresql", sa.Interval(), "x: Mapped[dt.timedelta]"),
        ("postgresql", sa.Uuid(), "x: Mapped[UUID]"),
        ("postgresql", sa.LargeBinary(), "x: Mapped[bytes]"),
        ("postgresql", postgresql.JSONB(), "x: Mapped[Any] = mapped_column(JSONB, nullable=False)"),
        ("postgresql", sa.ARRAY(sa.Text()), "x: Mapped[list[str]] = mapped_column(ARRAY(Text))"),
        (
            "postgresql",
            sa.Enum("a", "b", name="mood"),
            'x: Mapped[str] = mapped_column(Enum("a", "b", name="mood"))',
        ),
        ("mysql", mysql.INTEGER(unsigned=True), "x: Mapped[int] = mapped_column(INTEGER(unsigned=True))"),
        ("mysql", sa.Boolean(), "x: Mapped[bool]"),
        ("mysql", sa.LargeBinary(16), "x: Mapped[bytes] = mapped_column(LargeBinary(16))"),
    ],
    ids=str,
)
def test_types_are_spelt_as_one_would(dialect: str, type_: Any, line: str, tmp_path: Path):
    """Generic types where they say enough, and none at all where the annotation does."""
    source = written(with_type(type_), dialect)

    assert f"    {line}\n" in source
    assert repr(imported(source, tmp_path).Some.__table__.c.x.type) == repr(type_)


@pytest.mark.parametrize(
    ("parts", "spelt"),
    [
        ({"server_default": "now()"}, 'server_default=text("now()")'),
        ({"server_default": "'at :a'::text"}, "server_default=text(\"'at \\\\:a'::text\")"),
        ({"identity": {"always": True, "start": 1, "increment": 1}}, "Identity(always=True)"),
        ({"identity": {"always": False, "start": 10, "increment": 5}}, "Identity(start=10, increment=5)"),
        ({"computed": "id * 2", "persisted": True}, 'Computed("id * 2", persisted=True)'),
        ({"comment": 'say "it"'}, "comment='say \"it\"'"),
    ],
    ids=str,
)
def test_what_the_database_fills_in_is_kept(parts: dict[str, Any], spelt: str):
    """Defaults, identities and computed columns are SQL, and stay it."""
    assert f"mapped_column({spelt})" in written(with_type(sa.Integer(), **parts), "postgresql")


def test_a_colon_in_sql_is_no_parameter(tmp_path: Path):
    """`text()` would take what follows it for a parameter's name."""
    columns = with_type(sa.Text(), server_default="'at :30'::text")
    source = written(columns, "postgresql", checks=(Check("time", "x ~ ':a'"),))

    table = imported(source, tmp_path).Some.__table__

    made = str(CreateTable(table).compile(dialect=postgresql.dialect()))
    assert "DEFAULT 'at :30'::text" in made
    assert "CHECK (x ~ ':a')" in made


def test_tables_of_other_schemas_say_so(tmp_path: Path):
    """The default schema is not spelt, and so a foreign key names only the others."""
    key = ForeignKey(("id",), ("audit", "some"), ("id",))
    source = written([ID], "postgresql", schema="audit", foreign_keys=(key,), comment="Who did what")

    table = imported(source, tmp_path).Some.__table__

    assert (table.schema, table.comment) == ("audit", "Who did what")
    assert [str(one.target_fullname) for one in table.foreign_keys] == ["audit.some.id"]


# Hostile databases


ALLOWED_CALLS = frozenset(
    [
        "mapped_column",
        "relationship",
        "ForeignKey",
        "ForeignKeyConstraint",
        "UniqueConstraint",
        "CheckConstraint",
        "Index",
        "Computed",
        "Enum",
        "text",
    ]
)
ANY = st.text(max_size=30)
HOSTILE = ANY | st.sampled_from(
    [
        '"""',
        "'''",
        '"',
        "'",
        "\\",
        '\\"',
        "\n",
        "\r",
        "{x}",
        "%s",
        ":x",
        "#",
        '")',
        "')",
        "__import__('os')",
        "\x85",
        "\u2028",
    ]
)


def calls(source: str) -> Iterator[str]:
    """Every function that a module calls."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            yield node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "?")


def statements(source: str) -> set[str]:
    """The kinds of statements at the top of a module and inside of its classes."""
    body = ast.parse(source).body
    inner = [part for node in body if isinstance(node, ast.ClassDef) for part in node.body]
    return {type(node).__name__ for node in [*body, *inner]}


@given(st.lists(HOSTILE, min_size=12, max_size=12))
@settings(max_examples=300)
def test_no_name_of_a_database_is_run(words: list[str]):
    """Whatever its names, comments, labels, defaults and rules say, a database writes only literals."""
    table, schema, comment, name, default, label, rule, text, index, unique, target, title = words
    columns = [
        ID,
        Column(
            "x", name, sa.Enum(label, "b", name=rule), False, False, server_default=default, comment=comment
        ),
        Column("y", target, sa.Integer(), True, False, computed=text, persisted=True),
    ]
    model = model_of(
        columns,
        table=table,
        schema=schema or "s",
        comment=comment,
        foreign_keys=(
            ForeignKey((name,), (schema, target), (table,), rule, ondelete=text, late=True),
            ForeignKey((name, target), (None, table), (name, label), None),
        ),
        uniques=(Unique((name, target), unique),),
        indexes=(Index(index, (name,), True),),
        checks=(Check(rule, text),),
        relations=(Relation("others", "Some", many=True, optional=False, back="x", owner="Some"),),
    )

    source = models_source(Reflection("postgresql", (model,), (), ()), title)

    assert set(calls(source)) <= ALLOWED_CALLS
    assert statements(source) <= {"Expr", "Import", "ImportFrom", "ClassDef", "Assign", "AnnAssign"}
    literals = {node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)}
    assert {table, comment, name, label, rule, index, unique, target} - {""} <= literals


NAMES = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), min_size=1, max_size=20
).filter(lambda name: not name.lower().startswith("sqlite_"))


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@given(NAMES, st.lists(NAMES, min_size=1, max_size=5, unique_by=str.lower), st.data())
@settings(max_examples=60)
def test_any_names_can_be_mapped(tmp_path_factory: Any, table: str, columns: list[str], data: st.DataObject):
    """Whatever a table and its columns are called, they are read by those names."""
    folder = tmp_path_factory.mktemp("names")
    kept = [name for name in columns if name.lower() != "id_"]
    parts = ", ".join(
        f"{quoted(name)} {data.draw(st.sampled_from(['INT', 'TEXT', 'DATE', '']))}" for name in kept
    )
    try:
        url = file_of(
            folder / "x.db", f"CREATE TABLE {quoted(table)} (id_ INTEGER PRIMARY KEY, {parts or 'x INT'})"
        )
    except sqlite3.OperationalError:  # SQLite compares letter cases of ASCII only, and has names of its own.
        return
    reflection = reflected(url)
    module = imported(models_source(reflection, table), folder)
    engine = sa.create_engine(url)

    with engine.connect() as connection:
        for model in reflection.models:
            mapped = getattr(module, model.name)
            assert connection.execute(sa.select(mapped)).all() == []
            assert {column.name for column in mapped.__table__.columns} >= set(kept)

    engine.dispose()
