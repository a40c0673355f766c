"""Databases that exist, reflected and served by the models that were written of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from splice.reflection import Model, Reflection, reflect
from splice.sources import models_source
from tests.databases.drivers import Driver
from tests.reflected import connected, imported, pages, reflected, served

NewDatabase = Callable[[str], str]


def run(url: str, *statements: str) -> None:
    """Run SQL as it stands."""
    with connected(url) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement.replace("%", "%%") if "sqlite" not in url else statement)


def model(reflection: Reflection, table: str, schema: str | None = None) -> Model:
    return next(one for one in reflection.models if (one.schema, one.table) == (schema, table))


def types(reflection: Reflection, table: str) -> dict[str, str]:
    return {column.name: repr(column.type) for column in model(reflection, table).columns}


# PostgreSQL


@pytest.fixture
def postgresql(new_database: NewDatabase) -> str:
    """The URL of an empty PostgreSQL."""
    return new_database("asyncpg")


POSTGRESQL_TYPES: Sequence[tuple[str, str, str, Any]] = (
    ("integer", "Integer()", "7", 7),
    ("bigint", "BigInteger()", "9007199254740993", 9007199254740993),
    ("smallint", "SmallInteger()", "7", 7),
    ("varchar(7)", "String(length=7)", "'ada'", "ada"),
    ("varchar", "String()", "'ada'", "ada"),
    ("text", "Text()", "'ada'", "ada"),
    ("char(5)", "CHAR(length=5)", "'ada'", "ada  "),
    ("citext", "CITEXT()", "'Ada'", "Ada"),
    ("name", "String()", "'ada'", "ada"),
    ("boolean", "Boolean()", "true", True),
    ("numeric(12, 4)", "Numeric(precision=12, scale=4)", "1.5", "1.5000"),
    ("numeric", "Numeric()", "1.50", "1.50"),
    ("real", "REAL()", "1.5", 1.5),
    ("double precision", "Double()", "0.1", 0.1),
    ("date", "Date()", "'2020-02-02'", "2020-02-02"),
    ("timestamp", "DateTime()", "'2020-02-02 10:00'", "2020-02-02T10:00:00"),
    ("timestamptz", "DateTime(timezone=True)", "'2020-02-02 10:00+02'", "2020-02-02T08:00:00Z"),
    ("time", "Time()", "'10:00'", "10:00:00"),
    ("timetz", "Time(timezone=True)", "'10:00+02'", "10:00:00+02:00"),
    ("interval", "Interval()", "'1 day 2 hours'", "P1DT2H"),
    ("uuid", "Uuid()", "'00000000-0000-0000-0000-000000000001'", "00000000-0000-0000-0000-000000000001"),
    ("json", "JSON()", "'[1]'", [1]),
    ("jsonb", "JSONB(astext_type=Text())", """'{"a": null}'""", {"a": None}),
    ("bytea", "LargeBinary()", r"'\xff00'", "/wA="),
    ("text[]", "ARRAY(Text())", """'{a,"b c"}'""", ["a", "b c"]),
    ("mood", "Enum('sad', \"it's ok\", name='mood')", "'sad'", "sad"),
    ("mood[]", "ARRAY(Enum('sad', \"it's ok\", name='mood'))", "'{sad}'", ["sad"]),
    ("year", "Integer()", "1999", 1999),
    ("oid", "BigInteger()", "7", 7),
)


def test_types_of_postgresql_are_served(postgresql: str, tmp_path: Path):
    """Generic types where there are any; a domain is what it is made from."""
    columns = [f"c{number} {name}" for number, (name, *_) in enumerate(POSTGRESQL_TYPES)]
    run(
        postgresql,
        "CREATE EXTENSION citext",
        "CREATE TYPE mood AS ENUM ('sad', 'it''s ok')",
        "CREATE DOMAIN year AS integer CHECK (VALUE > 1900)",
        f"CREATE TABLE t (id serial PRIMARY KEY, {', '.join(columns)})",
        f"INSERT INTO t VALUES (1, {', '.join(value for _, _, value, _ in POSTGRESQL_TYPES)})",
    )

    with served(postgresql, tmp_path) as found:
        shown = found.client.get("/t/1").json()

    found_types = list(types(found.reflection, "t").values())[1:]
    assert found_types == [one[1] for one in POSTGRESQL_TYPES]
    assert [shown[f"c{number}"] for number in range(len(POSTGRESQL_TYPES))] == [
        one[3] for one in POSTGRESQL_TYPES
    ]


def test_types_that_splice_cannot_show_are_left_out(postgresql: str):
    """Each with the reason; one that has to be filled in keeps rows from being made."""
    run(
        postgresql,
        "CREATE TABLE places (id serial PRIMARY KEY, at point NOT NULL, search tsvector, range int4range)",
        "CREATE TABLE only_unknown (id serial, at point NOT NULL, PRIMARY KEY (id))",
        "CREATE TABLE by_address (address inet PRIMARY KEY, x int)",
    )

    found = reflected(postgresql)

    assert [column.name for column in model(found, "places").columns] == ["id"]
    assert model(found, "places").writes == {"list", "read", "update", "delete"}
    assert ("places.search", "splice does not know the values of its type, TSVECTOR") in found.left_out
    assert (model(found, "by_address").key, model(found, "by_address").identity) == ((), ("x",))


def test_keys_that_postgresql_makes_are_known(postgresql: str):
    """Serial, identity and defaults; an integer alone is the client's."""
    run(
        postgresql,
        "CREATE TABLE a (id serial PRIMARY KEY)",
        "CREATE TABLE b (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY)",
        "CREATE TABLE c (id uuid DEFAULT gen_random_uuid() PRIMARY KEY)",
        "CREATE TABLE d (id integer PRIMARY KEY)",
        "CREATE TABLE e (x integer, n serial, PRIMARY KEY (x, n))",
    )

    found = reflected(postgresql)

    keys = {one.table: one.columns[-1] for one in found.models}
    assert (keys["a"].autoincrement, keys["a"].server_default) == (None, None)
    assert keys["b"].identity is not None
    assert keys["c"].server_default == "gen_random_uuid()"
    assert (keys["d"].autoincrement, keys["d"].server_default) == (False, None)
    assert keys["e"].server_default == "nextval('e_n_seq'::regclass)"


def test_a_key_that_refers_to_what_is_not_served_is_still_the_clients(postgresql: str):
    """Without its foreign key SQLAlchemy would take it for a number that the database makes."""
    run(
        postgresql,
        "CREATE TABLE users (id serial PRIMARY KEY)",
        "CREATE TABLE profiles (id integer PRIMARY KEY REFERENCES users)",
    )

    alone, together = (
        model(reflected(postgresql, exclude=patterns), "profiles") for patterns in (["users"], [])
    )

    assert (alone.columns[0].autoincrement, together.columns[0].autoincrement) == (False, None)


def test_schemas_are_served_side_by_side(postgresql: str, tmp_path: Path):
    """The one that a connection starts in is not spelt; the others are part of the path."""
    run(
        postgresql,
        "CREATE SCHEMA audit",
        "CREATE TYPE audit.level AS ENUM ('low', 'high')",
        "CREATE TABLE users (id serial PRIMARY KEY)",
        "CREATE TABLE audit.users (id serial PRIMARY KEY)",
        "CREATE TABLE audit.events (id serial PRIMARY KEY, level audit.level, user_id int REFERENCES public.users)",
        "INSERT INTO users DEFAULT VALUES",
        "INSERT INTO audit.events (level, user_id) VALUES ('high', 1)",
    )

    with served(postgresql, tmp_path) as found:
        shown = found.client.get("/audit.events").json()["items"]

    assert shown == [{"id": 1, "level": "high", "user_id": 1}]
    assert [(one.name, one.path) for one in found.reflection.models] == [
        ("User", "/users"),
        ("Event", "/audit.events"),
        ("AuditUser", "/audit.users"),
    ]
    assert [relation.target for relation in model(found.reflection, "events", "audit").relations] == ["User"]


def test_tables_of_schemas_are_chosen_by_either_name(postgresql: str):
    """Patterns fit the table alone, or the schema before it."""
    run(
        postgresql,
        "CREATE SCHEMA audit",
        "CREATE TABLE users (id int PRIMARY KEY)",
        "CREATE TABLE audit.users (id int PRIMARY KEY)",
        "CREATE TABLE audit.events (id int PRIMARY KEY)",
    )

    found = reflected(postgresql, include=["audit.*", "users"], exclude=["audit.users"])

    assert [(one.schema, one.table) for one in found.models] == [(None, "users"), ("audit", "events")]


def test_partitions_are_served_as_one_table(postgresql: str, tmp_path: Path):
    """Their rows are those of the whole; views of both kinds are listed."""
    run(
        postgresql,
        "CREATE TABLE sales (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)",
        "CREATE TABLE sales_2020 PARTITION OF sales FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')",
        "INSERT INTO sales VALUES (1, '2020-05-05')",
        "CREATE MATERIALIZED VIEW kept AS SELECT id FROM sales",
        "CREATE VIEW seen AS SELECT id FROM sales",
    )

    with served(postgresql, tmp_path) as found:
        rows = {one.table: list(pages(found.client, one.path)) for one in found.reflection.models}

    assert rows == {"kept": [{"id": 1}], "sales": [{"id": 1, "at": "2020-05-05"}], "seen": [{"id": 1}]}
    assert found.reflection.left_out == (
        ("sales_2020", "a partition; its rows are those of the whole table"),
    )


def test_what_cannot_be_read_yet_is_left_out(postgresql: str):
    """A materialized view without data would be an error, and a table without columns has nothing to show."""
    run(
        postgresql,
        "CREATE TABLE t (id int PRIMARY KEY)",
        "CREATE TABLE nothing ()",
        "CREATE MATERIALIZED VIEW later AS SELECT id FROM t WITH NO DATA",
    )

    found = reflected(postgresql)

    assert [one.table for one in found.models] == ["t"]
    assert dict(found.left_out) == {
        "nothing": "it has no columns",
        "later": "it has not been filled yet; run REFRESH MATERIALIZED VIEW",
    }


def test_a_table_that_others_inherit_from_has_no_key(postgresql: str, tmp_path: Path):
    """Its rows come with theirs, and two of them may have one key."""
    run(
        postgresql,
        "CREATE TABLE parents (id int PRIMARY KEY)",
        "CREATE TABLE children (age int) INHERITS (parents)",
        "INSERT INTO parents VALUES (1)",
        "INSERT INTO children VALUES (1, 5)",
    )

    with served(postgresql, tmp_path) as found:
        assert found.model("parents").reads == {"list"}
        assert list(pages(found.client, "/parents")) == [{"id": 1}, {"id": 1}]


def test_foreign_keys_are_found_under_any_name(postgresql: str, tmp_path: Path):
    """SQLAlchemy reads them out of their SQL, and stumbles over names like these."""
    run(
        postgresql,
        'CREATE TABLE "a, (b) %" ("i, d" int PRIMARY KEY)',
        'CREATE TABLE "{c}" (id int PRIMARY KEY, "x, y" int REFERENCES "a, (b) %" DEFERRABLE INITIALLY DEFERRED)',
        'INSERT INTO "a, (b) %" VALUES (7)',
        'INSERT INTO "{c}" VALUES (1, 7)',
    )

    with served(postgresql, tmp_path) as found:
        (key,) = found.model("{c}").foreign_keys
        assert (key.columns, key.target, key.target_columns) == (("x, y",), (None, "a, (b) %"), ("i, d",))
        assert (key.deferrable, key.initially, key.ondelete) == (True, "DEFERRED", None)
        assert list(pages(found.client, found.model("{c}").path)) == [{"id": 1, "x_y": 7}]


def test_a_foreign_key_to_partitions_is_one(postgresql: str):
    """PostgreSQL keeps one more for each partition."""
    run(
        postgresql,
        "CREATE TABLE sales (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)",
        "CREATE TABLE sales_2020 PARTITION OF sales FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')",
        "CREATE TABLE t (id int PRIMARY KEY, sale int, at date, FOREIGN KEY (sale, at) REFERENCES sales)",
    )

    found = reflected(postgresql)

    assert [len(one.foreign_keys) for one in found.models if one.table == "t"] == [1]
    assert found.remarks == ()


def test_types_without_a_counterpart_do_not_stop_the_rest(postgresql: str, tmp_path: Path):
    """Decimals may have more places than digits, or less than none; a domain over an enum compares with nothing."""
    run(
        postgresql,
        "CREATE TYPE mood AS ENUM ('sad')",
        "CREATE DOMAIN mine AS mood",
        "CREATE TABLE t (id int PRIMARY KEY, tiny numeric(2, 2), fine numeric(999, 500), feeling mine)",
        "INSERT INTO t VALUES (1, 0.12, 1.5, 'sad')",
    )
    if version(postgresql) >= 15:
        run(postgresql, "ALTER TABLE t ALTER tiny TYPE numeric(1, 2) USING 0, ADD large numeric(3, -2)")

    with served(postgresql, tmp_path, write=True) as found:
        (row,) = pages(found.client, "/t")
        assert float(row["fine"]) == 1.5
        assert found.client.get("/openapi.json").status_code == 200
        assert [what for what, _ in found.reflection.left_out] == ["t.feeling"]


def version(url: str) -> int:
    """The major version of a server."""
    with connected(url) as connection:
        info = connection.dialect.server_version_info
    assert info is not None
    return int(info[0])


def test_tables_that_may_not_be_read_are_left_out(postgresql: str):
    """They would only answer with an error."""
    run(postgresql, "CREATE TABLE open (id int PRIMARY KEY)", "CREATE TABLE closed (id int PRIMARY KEY)")
    user = "reader_of_one_table"

    with connected(postgresql) as connection:
        connection.exec_driver_sql(f"CREATE ROLE {user}")
        connection.exec_driver_sql(f"GRANT SELECT ON open TO {user}")
        connection.exec_driver_sql(f"SET LOCAL ROLE {user}")
        found = reflect(connection)
        connection.rollback()

    assert [one.table for one in found.models] == ["open"]
    assert found.left_out == (("closed", "this user may not read it"),)


def test_commands_that_rules_divert_are_left_out(postgresql: str):
    """PostgreSQL would not say which row was made."""
    run(
        postgresql,
        "CREATE TABLE t (id serial PRIMARY KEY, x int)",
        "CREATE RULE elsewhere AS ON INSERT TO t WHERE new.x > 0 DO INSTEAD NOTHING",
    )

    found = reflected(postgresql)

    assert model(found, "t").writes == {"list", "read", "update", "delete"}
    assert found.remarks == (("t", "a rule diverts every INSERT, which is left out"),)


# MariaDB


@pytest.fixture
def mariadb(new_database: NewDatabase) -> str:
    """The URL of an empty MariaDB."""
    return new_database("asyncmy")


MARIADB_TYPES: Sequence[tuple[str, str, str, Any]] = (
    ("int", "Integer()", "7", 7),
    ("int unsigned", "INTEGER(unsigned=True)", "4294967295", 4294967295),
    ("bigint unsigned", "BIGINT(unsigned=True)", "18446744073709551615", 18446744073709551615),
    ("smallint unsigned", "SMALLINT(unsigned=True)", "65535", 65535),
    ("mediumint", "Integer()", "7", 7),
    ("tinyint", "TINYINT()", "-7", -7),
    ("tinyint unsigned", "TINYINT(unsigned=True)", "255", 255),
    ("tinyint(1)", "Boolean()", "1", True),
    ("boolean", "Boolean()", "0", False),
    ("year", "SmallInteger()", "1999", 1999),
    ("decimal(20, 4)", "Numeric(precision=20, scale=4)", "1234567890123456.789", "1234567890123456.7890"),
    ("double", "Double()", "0.1", 0.1),
    ("float", "Float()", "1.5", 1.5),
    ("varchar(7)", "String(length=7)", "'ada'", "ada"),
    ("char(5)", "CHAR(length=5)", "'ada'", "ada"),
    ("longtext", "Text()", "'ada'", "ada"),
    ("enum('a', 'b''c')", "Enum('a', \"b'c\")", "'a'", "a"),
    ("json", "JSON()", """'{"a": [1]}'""", {"a": [1]}),
    ("date", "Date()", "'2020-02-02'", "2020-02-02"),
    ("datetime(3)", "DateTime()", "'2020-02-02 10:00:00.123'", "2020-02-02T10:00:00.123000"),
    ("timestamp null", "TIMESTAMP()", "'2020-02-02 10:00:00'", "2020-02-02T10:00:00"),
    ("time", "Time()", "'10:00'", "10:00:00"),
    ("longblob", "LargeBinary()", "x'ff00'", "/wA="),
    ("varbinary(10)", "LargeBinary(length=10)", "x'ff00'", "/wA="),
    ("binary(2)", "LargeBinary(length=2)", "x'ff00'", "/wA="),
    ("uuid", "Uuid()", "'00000000-0000-0000-0000-000000000001'", "00000000-0000-0000-0000-000000000001"),
)


def test_types_of_mariadb_are_served(mariadb: str, tmp_path: Path):
    """Booleans and JSON are what they were declared to be, unsigned numbers keep their range."""
    columns = [f"c{number} {name}" for number, (name, *_) in enumerate(MARIADB_TYPES)]
    run(
        mariadb,
        f"CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY, {', '.join(columns)})",
        f"INSERT INTO t VALUES (1, {', '.join(value for _, _, value, _ in MARIADB_TYPES)})",
    )

    with served(mariadb, tmp_path) as found:
        shown = found.client.get("/t/1").json()

    found_types = list(types(found.reflection, "t").values())[1:]
    assert found_types == [one[1] for one in MARIADB_TYPES]
    assert [shown[f"c{number}"] for number in range(len(MARIADB_TYPES))] == [one[3] for one in MARIADB_TYPES]


def test_views_that_their_definer_may_not_read_are_left_out(mariadb: str):
    """MariaDB describes them, and refuses each of their rows."""
    run(
        mariadb,
        "CREATE TABLE t (id int PRIMARY KEY)",
        "CREATE VIEW fine AS SELECT id FROM t",
        "CREATE DEFINER = 'nobody_at_all'@'localhost' VIEW foreign_ AS SELECT id FROM t",
    )

    found = reflected(mariadb)

    assert [one.table for one in found.models] == ["fine", "t"]
    assert [what for what, _ in found.left_out] == ["foreign_"]


def test_a_tiny_number_without_a_sign_is_no_boolean(mariadb: str, tmp_path: Path):
    """A BOOLEAN has a sign there, so that this column was meant for numbers."""
    run(mariadb, "CREATE TABLE t (id int PRIMARY KEY, n tinyint(1) unsigned)", "INSERT INTO t VALUES (1, 5)")

    with served(mariadb, tmp_path) as found:
        assert found.client.get("/t/1").json() == {"id": 1, "n": 5}


def test_what_mariadb_cannot_describe_is_left_out(mariadb: str):
    """A view of a table that is gone, a set, a shape: each with the reason."""
    run(
        mariadb,
        "CREATE TABLE t (id int PRIMARY KEY, flags set('x', 'y'), at point, bits bit(4))",
        "CREATE TABLE gone (x int)",
        "CREATE VIEW broken AS SELECT x FROM gone",
        "DROP TABLE gone",
    )

    found = reflected(mariadb)

    assert [one.table for one in found.models] == ["t"]
    assert [what for what, _ in found.left_out] == ["broken", "t.flags", "t.at", "t.bits"]


def test_keys_that_mariadb_makes_are_known(mariadb: str):
    """AUTO_INCREMENT, also in a key of several columns, and nothing else."""
    run(
        mariadb,
        "CREATE TABLE a (id int AUTO_INCREMENT PRIMARY KEY)",
        "CREATE TABLE b (id int PRIMARY KEY)",
        "CREATE TABLE c (x int, n int AUTO_INCREMENT, PRIMARY KEY (x, n), KEY (n))",
    )

    numbered = {one.table: one.columns[-1].autoincrement for one in reflected(mariadb).models}

    assert numbered == {"a": None, "b": False, "c": True}


# SQLite


@pytest.fixture
def sqlite(new_database: NewDatabase) -> str:
    """The URL of an empty SQLite."""
    return new_database("aiosqlite")


DECLARED = (
    "",
    "BLOB",
    "DATE",
    "DATETIME",
    "BOOLEAN",
    "NUMERIC(10,2)",
    "NUMERIC",
    "JSON",
    "INTEGER",
    "TIME",
    "REAL",
    "TEXT",
)
STORED = (None, 1, 2**62, 2.5, 1e-9, "text", "2016-07-04", "{", "", b"ok", "\x00", -5, float("inf"))


def test_whatever_is_stored_can_be_read(sqlite: str, tmp_path: Path):
    """SQLite keeps any value in any column, and each of them is shown, alone and in a list."""
    names = [f"c{number}" for number in range(len(DECLARED))]
    columns = ", ".join(f"{name} {declared}" for name, declared in zip(names, DECLARED, strict=True))
    run(sqlite, f"CREATE TABLE t (id INTEGER PRIMARY KEY, {columns})")
    with connected(sqlite) as connection:
        for value in STORED:
            marks = ", ".join("?" * len(names))
            statement = f"INSERT INTO t ({', '.join(names)}) VALUES ({marks})"
            connection.exec_driver_sql(statement, (value,) * len(names))

    with served(sqlite, tmp_path) as found:
        rows = list(pages(found.client, "/t"))
        alone = [found.client.get(f"/t/{row['id']}").json() for row in rows]

    assert len(rows) == len(STORED)
    assert alone == rows


@pytest.mark.parametrize(
    ("declared", "stored", "shown"),
    [
        ("DATETIME", "2016-07-04", "2016-07-04"),
        ("DATETIME", "2016-07-04 10:00:00", "2016-07-04 10:00:00"),
        ("TIMESTAMP", 1467590400, 1467590400),
        ("NUMERIC(10,2)", 4.99, "4.99"),
        ("NUMERIC", 18, 18),
        ("NUMERIC", 2.5, 2.5),
        ("INTEGER", 2**62, 2**62),
        ("", 5, 5),
        ("", "five", "five"),
        ("BLOB SUB_TYPE TEXT", "text", "text"),
    ],
)
def test_a_row_is_found_by_what_is_shown_of_it(
    sqlite: str, tmp_path: Path, declared: str, stored: Any, shown: Any
):
    """A filter takes the value of the answer as it is."""
    run(sqlite, f"CREATE TABLE t (id INTEGER PRIMARY KEY, x {declared})")
    with connected(sqlite) as connection:
        connection.exec_driver_sql("INSERT INTO t (x) VALUES (?)", (stored,))

    with served(sqlite, tmp_path) as found:
        items = found.client.get("/t", params={"x": shown}).json()["items"]

    assert items == [{"id": 1, "x": shown}]


def test_a_key_of_64_bits_has_an_address(sqlite: str, tmp_path: Path):
    """An INTEGER of SQLite is larger than one of other databases."""
    run(sqlite, "CREATE TABLE t (id INTEGER PRIMARY KEY)", f"INSERT INTO t VALUES ({2**62})")

    with served(sqlite, tmp_path) as found:
        assert found.client.get(f"/t/{2**62}").json() == {"id": 2**62}


# All of them


LIBRARY = (
    "CREATE TABLE authors ({key}, name VARCHAR(80) NOT NULL, born DATE)",
    """
    CREATE TABLE books (
        {key}, title VARCHAR(80) NOT NULL UNIQUE, price NUMERIC(10, 2) DEFAULT 9.99 NOT NULL, author_id INTEGER,
        original_author_id INTEGER, CONSTRAINT positive CHECK (price > 0),
        CONSTRAINT written FOREIGN KEY (author_id) REFERENCES authors (id) ON DELETE CASCADE,
        CONSTRAINT first_written FOREIGN KEY (original_author_id) REFERENCES authors (id)
    )
    """,
    "CREATE TABLE shelves (room INTEGER NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (room, number))",
    """
    CREATE TABLE loans (
        book_id INTEGER NOT NULL, room INTEGER NOT NULL, number INTEGER NOT NULL,
        PRIMARY KEY (book_id, room, number), CONSTRAINT lent FOREIGN KEY (book_id) REFERENCES books (id),
        CONSTRAINT placed FOREIGN KEY (room, number) REFERENCES shelves (room, number)
    )
    """,
    "CREATE INDEX by_price ON books (price, title)",
    "CREATE VIEW titles AS SELECT title, price FROM books",
)
KEYS = {
    "sqlite": "id INTEGER PRIMARY KEY",
    "postgresql": "id SERIAL PRIMARY KEY",
    "mariadb": "id INTEGER AUTO_INCREMENT PRIMARY KEY",
}


@pytest.fixture
def library(database_url: str) -> str:
    """A database of books on each dialect."""
    key = KEYS[database_url.partition("+")[0]]
    run(database_url, *(statement.format(key=key) for statement in LIBRARY))
    return database_url


def test_relations_are_the_same_on_every_database(library: str):
    """Names come from the tables, not from what the database makes of them."""
    found = reflected(library)

    assert {one.table: {each.name: each.target for each in one.relations} for one in found.models} == {
        "authors": {"books": "Book", "original_author_books": "Book"},
        "books": {"author": "Author", "original_author": "Author", "loans": "Loan", "shelves": "Shelf"},
        "loans": {"book": "Book", "shelf": "Shelf"},
        "shelves": {"loans": "Loan", "books": "Book"},
        "titles": {},
    }


def test_models_make_the_database_that_they_were_made_from(
    library: str, new_database: NewDatabase, tmp_path: Path
):
    """Tables created from the text reflect to the same text."""
    source = models_source(reflected(library, exclude=["titles"]), "library")
    driver = {"sqlite": "aiosqlite", "postgresql": "asyncpg", "mariadb": "asyncmy"}[library.partition("+")[0]]
    copy = new_database(driver)

    with connected(copy) as connection:
        imported(source, tmp_path).Base.metadata.create_all(connection)

    assert models_source(reflected(copy), "library") == source


def test_rows_are_written_through_models_of_a_database(library: str, tmp_path: Path):
    """Keys are made by the database, defaults filled in, rules and references named in refusals."""
    with served(library, tmp_path, write=True) as found:
        author = found.client.post("/authors", json={"name": "Ada"})
        key = author.json()["id"]
        book = found.client.post("/books", json={"title": "Notes", "author_id": key})
        refusals = [
            found.client.post("/books", json=body).json()["errors"][0]["pointer"]
            for body in (
                {"title": "Notes"},
                {"title": "More", "price": "-1.00"},
                {"title": "Less", "author_id": 99},
            )
        ]
        found.client.put(f"/shelves/{1}/{2}", json={})
        changed = found.client.patch(f"/books/{book.json()['id']}", json={"price": "1.50"})
        gone = found.client.delete(f"/authors/{key}")
        left = found.client.get("/books").json()["items"]

    assert (author.status_code, book.status_code, book.json()["price"]) == (201, 201, "9.99")
    assert refusals == ["/title", "/price", "/author_id"]
    assert (changed.json()["price"], gone.status_code, left) == ("1.50", 204, [])


async def test_every_driver_sees_the_same(driver: Driver, driver_url: str):
    """Reflection is the business of the database; drivers only carry it."""
    key = KEYS[driver.dialect]
    run(driver_url, *(statement.format(key=key) for statement in LIBRARY))
    engine = driver.engine(driver_url)

    if isinstance(engine, AsyncEngine):
        async with engine.connect() as connection:
            found = await connection.run_sync(reflect)
        await engine.dispose()
    else:
        with engine.connect() as connection:
            found = reflect(connection)
        engine.dispose()

    assert models_source(found, "library") == models_source(reflected(driver_url), "library")


def test_four_hundred_tables_take_a_bounded_number_of_questions(database_url: str, tmp_path: Path):
    """PostgreSQL is asked the same for any number of tables, the others some for each; all can be mapped."""
    name = database_url.partition("+")[0]
    run(database_url, *many(KEYS[name], range(20)))
    few, _ = questions(database_url)
    run(database_url, *many(KEYS[name], range(20, 400)))
    many_questions, found = questions(database_url)

    module = imported(models_source(found, "many"), tmp_path)

    assert len(found.models) == 400
    assert len(module.Base.metadata.sorted_tables) == 400
    assert many_questions - few <= {"postgresql": 0, "mariadb": 380 * 3, "sqlite": 380 * 16}[name]


def many(key: str, numbers: Sequence[int]) -> Iterator[str]:
    """So many tables of twelve columns, each of which refers to the one before."""
    for number in numbers:
        columns = ", ".join(f"c{place} VARCHAR(20)" for place in range(10))
        yield (
            f"CREATE TABLE things_{number} ({key}, up_id INTEGER, {columns}, "
            f"CONSTRAINT up_{number} FOREIGN KEY (up_id) REFERENCES things_{max(0, number - 1)} (id))"
        )


def questions(url: str) -> tuple[int, Reflection]:
    """How many statements it takes to reflect a database, and what that gives."""
    asked: list[str] = []
    with connected(url) as connection:
        sa.event.listen(connection, "before_cursor_execute", lambda *event: asked.append(event[2]))
        found = reflect(connection)
    return len(asked), found
