"""A file of SQLite → the models it would have."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from splice.reflection import Column, ForeignKey, Index, Model, Reflection, Relation, Unique, reflect
from splice.terms import VERBS
from splice.types import AsStored
from tests.reflected import connected, reflected

Reflect = Callable[..., Reflection]


@pytest.fixture
def look(tmp_path: Path) -> Reflect:
    """Make a file by some SQL, and reflect it."""

    def look(sql: str, **options: Any) -> Reflection:
        path = tmp_path / "some.db"
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(sql)
        return reflected(f"sqlite:///{path}", **options)

    return look


def model(reflection: Reflection, table: str) -> Model:
    return next(model for model in reflection.models if model.table == table)


def column(reflection: Reflection, name: str) -> Column:
    return next(column for model in reflection.models for column in model.columns if column.name == name)


def relation(reflection: Reflection, table: str, name: str) -> Relation:
    return next(relation for relation in model(reflection, table).relations if relation.name == name)


def relations(reflection: Reflection, table: str) -> dict[str, str]:
    return {relation.name: relation.target for relation in model(reflection, table).relations}


# Which tables


def test_tables_come_in_the_order_of_their_names(look: Reflect):
    """The same database gives the same models, whoever made its tables in which order."""
    found = look("CREATE TABLE b (id INTEGER PRIMARY KEY); CREATE TABLE a (id INTEGER PRIMARY KEY)")

    assert [model.name for model in found.models] == ["A", "B"]


@pytest.mark.parametrize(
    ("options", "tables"),
    [
        ({"include": ["order*"]}, ["order_items", "orders"]),
        ({"exclude": ["*_items"]}, ["orders", "users"]),
        ({"include": ["order*"], "exclude": ["orders"]}, ["order_items"]),
    ],
)
def test_tables_are_chosen_by_patterns(look: Reflect, options: dict[str, Any], tables: list[str]):
    """Without patterns all are served; what is excluded is never included."""
    sql = "".join(
        f"CREATE TABLE {name} (id INTEGER PRIMARY KEY);" for name in ("users", "orders", "order_items")
    )

    assert [model.table for model in look(sql, **options).models] == tables


def test_what_was_left_out_is_said(look: Reflect):
    """Every table that is not served is named with the reason."""
    found = look(
        """
        CREATE TABLE alembic_version (version_num VARCHAR(32));
        CREATE TABLE only_json (x JSON);
        CREATE TABLE gone (x INT); CREATE VIEW broken AS SELECT x FROM gone; DROP TABLE gone;
        CREATE TABLE unwanted (x INT);
        """,
        exclude=["un*"],
    )

    assert found.models == ()
    assert dict(found.left_out) == {
        "alembic_version": "Alembic keeps its place in it",
        "only_json": "none of its columns has a type that rows can be told apart by",
        "broken": "SQLite cannot read it: what it is made from, or a module, is missing",
        "unwanted": "a pattern of exclude fits",
    }


def test_the_parts_of_a_search_index_are_no_tables(look: Reflect):
    """FTS5 keeps five tables for one."""
    found = look("CREATE VIRTUAL TABLE pages USING fts5(title, body)")

    assert [model.table for model in found.models] == ["pages"]
    assert {why for _, why in found.left_out} == {"a part of another table"}


def test_a_column_without_a_name_is_left_out(look: Reflect):
    """SQLAlchemy has no columns without a name; the rest of the table is served."""
    found = look('CREATE TABLE t (id INTEGER PRIMARY KEY, "" INT)')

    assert [column.name for column in model(found, "t").columns] == ["id"]
    assert found.left_out == (("t.", "it has no name"),)


def test_progress_is_reported_table_by_table(look: Reflect):
    """Somebody who waits sees how far it is."""
    said: list[tuple[int, int, str]] = []

    look("CREATE TABLE a (x INT); CREATE TABLE b (x INT)", progress=lambda *step: said.append(step))

    assert said == [(1, 2, "a"), (2, 2, "b")]


# Keys and verbs


def test_a_table_with_a_key_has_every_verb(look: Reflect):
    """What can be read is read unless writing is asked for."""
    found = model(look("CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT)"), "t")

    assert (found.kind, found.key, found.reads) == ("table", ("id",), {"list", "read"})
    assert found.writes == {"list", "create", "read", "replace", "update", "delete"}


def test_a_table_without_a_key_can_be_listed(look: Reflect):
    """Its rows are told apart by all columns that can be compared, and it says so."""
    found = look("CREATE TABLE t (x INT, y TEXT, z JSON)")

    assert (model(found, "t").key, model(found, "t").identity) == ((), ("x", "y"))
    assert (model(found, "t").reads, model(found, "t").writes) == ({"list"}, {"list"})
    assert found.remarks == (("t", "no key that splice can use: its rows can be listed"),)


def test_a_view_can_be_listed(look: Reflect):
    """Nobody knows its key."""
    found = look("CREATE TABLE t (id INTEGER PRIMARY KEY); CREATE VIEW v AS SELECT id, id + 1 AS next FROM t")

    assert (model(found, "v").kind, model(found, "v").identity) == ("view", ("id", "next"))
    assert model(found, "v").writes == {"list"}
    assert found.remarks == (("v", "a view: its rows can be listed"),)


@pytest.mark.parametrize(
    ("sql", "autoincrement"),
    [
        ("id INTEGER PRIMARY KEY", None),
        ("id integer NOT NULL, PRIMARY KEY (id)", None),
        ("id INTEGER PRIMARY KEY AUTOINCREMENT", None),
        ("id INT PRIMARY KEY", False),
        ("id BIGINT NOT NULL PRIMARY KEY", False),
        ("id TEXT PRIMARY KEY", None),
    ],
)
def test_a_key_that_sqlite_makes_is_told_from_one_that_clients_send(
    look: Reflect, sql: str, autoincrement: bool | None
):
    """SQLite numbers the rows of an INTEGER PRIMARY KEY, and of no other; SQLAlchemy would think so of any integer."""
    assert column(look(f"CREATE TABLE t ({sql})"), "id").autoincrement is autoincrement


def test_a_table_without_rowid_is_not_numbered(look: Reflect):
    """There, even an INTEGER PRIMARY KEY is the client's."""
    assert column(look("CREATE TABLE t (id INTEGER PRIMARY KEY) WITHOUT ROWID"), "id").autoincrement is False


def test_a_descending_key_is_not_numbered(look: Reflect):
    """SQLite keeps it beside the number of the row, for compatibility with a mistake of its own."""
    assert column(look("CREATE TABLE t (id INTEGER PRIMARY KEY DESC)"), "id").autoincrement is False


def test_a_key_of_several_columns_is_in_their_order(look: Reflect):
    """The path of a row has its parts as the mapper has them."""
    found = look("CREATE TABLE t (a INT, b INT, c INT, PRIMARY KEY (c, a))")

    assert model(found, "t").key == ("a", "c")


def test_columns_that_look_secret_are_private(look: Reflect):
    """The report says what will not be shown."""
    found = look("CREATE TABLE t (id INTEGER PRIMARY KEY, password TEXT, apiToken TEXT)")

    assert model(found, "t").private == ("password", "apiToken")
    assert found.remarks == (("t", "password, apiToken looks secret and is private"),)


def test_a_required_secret_keeps_rows_from_being_made(look: Reflect):
    """A value that nobody may send cannot be required; the rows that are there can be changed."""
    found = look("CREATE TABLE t (id INTEGER PRIMARY KEY, password TEXT NOT NULL)")

    assert model(found, "t").writes == {"list", "read", "update", "delete"}
    assert ("t", "rows cannot be made: password is required and cannot be sent") in found.remarks


# Columns


@pytest.mark.parametrize(
    ("declared", "type_"),
    [
        ("INTEGER", "BIGINT"),
        ("INT", "BIGINT"),
        ("UNSIGNED BIG INT", "BIGINT"),
        ("BIGINT", "BIGINT"),
        ("SMALLINT", "SMALLINT"),
        ("NVARCHAR(160)", "VARCHAR(160)"),
        ("CHARACTER(20)", "VARCHAR(20)"),
        ("TEXT", "TEXT"),
        ("CLOB", "TEXT"),
        ("BLOB SUB_TYPE TEXT", "TEXT"),
        ("REAL", "REAL"),
        ("DOUBLE PRECISION", "DOUBLE"),
        ("FLOAT", "FLOAT"),
    ],
)
def test_plain_types_stay_plain(look: Reflect, declared: str, type_: str):
    """SQLite looks for parts of the declared type, in a fixed order, and so does reflection."""
    found = column(look(f"CREATE TABLE t (id INTEGER PRIMARY KEY, x {declared})"), "x").type

    assert str(found) == type_


@pytest.mark.parametrize(
    ("declared", "type_"),
    [
        ("DATE", "DATE"),
        ("DATETIME", "DATETIME"),
        ("TIMESTAMP", "TIMESTAMP"),
        ("TIMESTAMP WITH TIME ZONE", "TIMESTAMP"),
        ("TIME", "TIME"),
        ("DECIMAL(5,2)", "NUMERIC(5, 2)"),
        ("NUMERIC( 10 , 2 )", "NUMERIC(10, 2)"),
        ("NUMERIC(30, 20)", "NUMERIC(15, 15)"),
        ("NUMERIC", "NUMERIC"),
        ("BOOLEAN", "BOOLEAN"),
        ("BLOB", "BLOB"),
        ("JSON", "JSON"),
        ("", "BLOB"),
        ("UUID", "BLOB"),
    ],
)
def test_types_that_sqlite_does_not_hold_to_are_tolerant(look: Reflect, declared: str, type_: str):
    """Of dates, decimals, booleans, bytes and unknown types, anything may be stored."""
    found = column(look(f"CREATE TABLE t (id INTEGER PRIMARY KEY, x {declared})"), "x").type

    assert isinstance(found, AsStored)
    assert (str(found.declared) or "BLOB") == type_


def test_a_default_stays_sql(look: Reflect):
    """The database fills it in, so that it is not required."""
    found = look(
        """
        CREATE TABLE t (
            id INTEGER PRIMARY KEY, a TEXT NOT NULL DEFAULT 'it''s', b INT DEFAULT NULL,
            c DATETIME DEFAULT CURRENT_TIMESTAMP, d TEXT DEFAULT (upper('x')), e INT DEFAULT -1
        )
        """
    )

    defaults = {one.name: one.server_default for one in model(found, "t").columns}
    assert defaults == {
        "id": None,
        "a": "'it''s'",
        "b": None,
        "c": "CURRENT_TIMESTAMP",
        "d": "(upper('x'))",
        "e": "-1",
    }


def test_a_generated_column_is_computed(look: Reflect):
    """Nobody may send it."""
    found = look(
        """
        CREATE TABLE t (
            id INTEGER PRIMARY KEY, x INT, y INT GENERATED ALWAYS AS (x * 2) STORED,
            z TEXT GENERATED ALWAYS AS (x || 'a') VIRTUAL
        )
        """
    )

    computed = {one.name: (one.computed, one.persisted) for one in model(found, "t").columns}
    assert (computed["x"], computed["y"], computed["z"]) == (
        (None, None),
        ("x * 2", True),
        ("x || 'a'", False),
    )


def test_attributes_of_one_class_are_all_different(look: Reflect):
    """A column that is called as it should be keeps its name, whatever its neighbours would become."""
    found = look('CREATE TABLE t (id INTEGER PRIMARY KEY, "a b" INT, "a-b" INT, a_b INT)')

    names = {one.name: one.attribute for one in model(found, "t").columns}
    assert names == {"id": "id", "a_b": "a_b", "a b": "a_b_2", "a-b": "a_b_3"}


def test_paths_differ_in_more_than_signs(look: Reflect):
    """FastAPI makes the names of operations of them, in which all signs are the same."""
    found = look('CREATE TABLE "a b" (x); CREATE TABLE "a-b" (x); CREATE TABLE a_b (x)')

    assert len({re.sub(r"\W", "_", one.path) for one in found.models}) == 3


def test_classes_and_paths_are_all_different(look: Reflect):
    """Two tables may have one singular, and one path."""
    found = look(
        """
        CREATE TABLE people (id INTEGER PRIMARY KEY); CREATE TABLE person (id INTEGER PRIMARY KEY);
        CREATE TABLE "a/b" (id INTEGER PRIMARY KEY); CREATE TABLE "a-b" (id INTEGER PRIMARY KEY);
        CREATE TABLE health (id INTEGER PRIMARY KEY);
        """
    )

    names = {one.table: (one.name, one.path, one.has_default_path) for one in found.models}
    assert names == {
        "a-b": ("AB", "/a-b", True),
        "a/b": ("AB_2", "/a-b-table", False),
        "health": ("Health", "/health-table", False),
        "people": ("Person", "/people", True),
        "person": ("Person_2", "/person", True),
    }


# Constraints


def test_a_foreign_key_keeps_what_it_does(look: Reflect):
    """Names and actions are the database's; NO ACTION is no action."""
    found = look(
        """
        CREATE TABLE parents (id INTEGER PRIMARY KEY);
        CREATE TABLE t (
            id INTEGER PRIMARY KEY, p INT, q INT REFERENCES parents (id) ON UPDATE NO ACTION,
            CONSTRAINT named FOREIGN KEY (p) REFERENCES parents (id) ON DELETE CASCADE ON UPDATE SET NULL
        )
        """
    )

    assert model(found, "t").foreign_keys == (
        ForeignKey(("p",), (None, "parents"), ("id",), "named", ondelete="CASCADE", onupdate="SET NULL"),
        ForeignKey(("q",), (None, "parents"), ("id",)),
    )


def test_a_key_that_refers_to_itself_leads_nowhere(look: Reflect):
    """Every row fulfils it, and no model can be made of it."""
    found = model(look("CREATE TABLE t (id INTEGER PRIMARY KEY REFERENCES t (id))"), "t")

    assert (found.foreign_keys, found.relations) == ((), ())


@pytest.mark.parametrize("reference", ["nowhere (id)", "seen (id)", "parents (plain)", "parents (part)"])
def test_rows_around_a_broken_foreign_key_are_for_reading(look: Reflect, reference: str):
    """SQLite would refuse each of them because of a key that it has accepted."""
    found = look(
        f"""
        CREATE TABLE parents (id INTEGER PRIMARY KEY, plain INT, part INT);
        CREATE UNIQUE INDEX by_part ON parents (part) WHERE part > 0;
        CREATE VIEW seen AS SELECT id FROM parents;
        CREATE TABLE t (id INTEGER PRIMARY KEY, x INT REFERENCES {reference})
        """
    )

    assert model(found, "t").writes == {"list", "read"}
    assert model(found, "parents").writes >= {"list", "read", "create"}
    assert ("delete" in model(found, "parents").writes) is not reference.startswith("parents")
    assert any(
        what == "t" and why.startswith("rows cannot be written: x refers to") for what, why in found.remarks
    )


@pytest.mark.parametrize(
    "reference", ["parents", "PARENTS (Id)", "parents (code)", "parents (mail)", "hidden (id)"]
)
def test_rows_around_a_sound_foreign_key_can_be_written(look: Reflect, reference: str):
    """It refers to a key, to something unique, or to a table that is only left out."""
    found = look(
        f"""
        CREATE TABLE parents (id INTEGER PRIMARY KEY, code INT UNIQUE, mail INT);
        CREATE UNIQUE INDEX by_mail ON parents (mail);
        CREATE TABLE hidden (id INTEGER PRIMARY KEY);
        CREATE TABLE t (id INTEGER PRIMARY KEY, x INT REFERENCES {reference})
        """,
        exclude=["hidden"],
    )

    assert [one.writes for one in found.models] == [frozenset(VERBS)] * 2


def test_a_foreign_key_finds_its_table_in_any_letter_case(look: Reflect):
    """SQLite does not tell ARTIST from Artist."""
    found = look(
        """
        CREATE TABLE Artist (ArtistId INTEGER PRIMARY KEY);
        CREATE TABLE t (id INTEGER PRIMARY KEY, a INT REFERENCES ARTIST (artistid), b INT REFERENCES artist);
        """
    )

    assert [key.target_columns for key in model(found, "t").foreign_keys] == [("ArtistId",), ("ArtistId",)]


@pytest.mark.parametrize("target", ["gone (id)", "hidden (id)", '"a.b" (id)', "ok (missing)"])
def test_a_foreign_key_to_what_is_not_served_is_a_plain_column(look: Reflect, target: str):
    """A model that refers to nothing could not be mapped."""
    found = look(
        f"""
        CREATE TABLE hidden (id INTEGER PRIMARY KEY); CREATE TABLE "a.b" (id INTEGER PRIMARY KEY);
        CREATE TABLE ok (id INTEGER PRIMARY KEY);
        CREATE TABLE t (id INTEGER PRIMARY KEY, x INT REFERENCES {target});
        """,
        exclude=["hidden"],
    )

    assert model(found, "t").foreign_keys == ()
    assert [what for what, why in found.remarks if why.startswith("x refers to")] == ["t"]


def test_unique_columns_and_indexes_are_kept(look: Reflect):
    """The API names the field of a value that is taken; a migration finds nothing to drop."""
    found = look(
        """
        CREATE TABLE t (
            id INTEGER PRIMARY KEY, a INT UNIQUE, b INT, c INT, CONSTRAINT both UNIQUE (b, c)
        );
        CREATE INDEX plain ON t (b); CREATE UNIQUE INDEX one ON t (c);
        CREATE UNIQUE INDEX partial ON t (b) WHERE c > 0; CREATE UNIQUE INDEX expression ON t (abs(b));
        """
    )

    assert set(model(found, "t").uniques) == {Unique(("a",)), Unique(("b", "c"), "both")}
    assert set(model(found, "t").indexes) == {Index("plain", ("b",), False), Index("one", ("c",), True)}


def test_named_rules_are_kept_whole(look: Reflect):
    """A rule without a name is enforced all the same."""
    found = look(
        """
        CREATE TABLE t (
            id INTEGER PRIMARY KEY, x TEXT, CHECK (x <> 'unnamed'),
            CONSTRAINT known CHECK (x IN ('a',
                                          'b'))
        )
        """
    )

    assert [(rule.name, rule.text) for rule in model(found, "t").checks] == [("known", "x IN ('a', 'b')")]


# Relations


MUSIC = """
CREATE TABLE Artist (ArtistId INTEGER PRIMARY KEY);
CREATE TABLE Album (AlbumId INTEGER PRIMARY KEY, ArtistId INT NOT NULL REFERENCES Artist (ArtistId));
CREATE TABLE Track (TrackId INTEGER PRIMARY KEY, AlbumId INT REFERENCES Album (AlbumId));
CREATE TABLE Playlist (PlaylistId INTEGER PRIMARY KEY);
CREATE TABLE PlaylistTrack (
    PlaylistId INT NOT NULL REFERENCES Playlist (PlaylistId), TrackId INT NOT NULL REFERENCES Track (TrackId),
    PRIMARY KEY (PlaylistId, TrackId)
);
CREATE TABLE Employee (EmployeeId INTEGER PRIMARY KEY, ReportsTo INT REFERENCES Employee (EmployeeId));
"""


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("Artist", {"albums": "Album"}),
        ("Album", {"artist": "Artist", "tracks": "Track"}),
        ("Track", {"album": "Album", "playlist_tracks": "PlaylistTrack", "playlists": "Playlist"}),
        ("Playlist", {"playlist_tracks": "PlaylistTrack", "tracks": "Track"}),
        ("PlaylistTrack", {"playlist": "Playlist", "track": "Track"}),
        ("Employee", {"reports_to": "Employee", "reports_to_employees": "Employee"}),
    ],
)
def test_relations_are_named_as_a_person_would(look: Reflect, table: str, expected: dict[str, str]):
    """One by its column, many by their class, through a link by what it leads to."""
    assert relations(look(MUSIC), table) == expected


def test_a_relation_tells_whether_it_may_be_missing(look: Reflect):
    """By the column that refers."""
    found = look(MUSIC)

    assert (relation(found, "Album", "artist").optional, relation(found, "Track", "album").optional) == (
        False,
        True,
    )


def test_two_keys_to_one_table_are_told_apart(look: Reflect):
    """In both directions."""
    found = look(
        """
        CREATE TABLE language (language_id INTEGER PRIMARY KEY);
        CREATE TABLE film (
            film_id INTEGER PRIMARY KEY, language_id INT REFERENCES language (language_id),
            original_language_id INT REFERENCES language (language_id)
        );
        """
    )

    assert set(relations(found, "film")) == {"language", "original_language"}
    assert set(relations(found, "language")) == {"films", "original_language_films"}
    assert relation(found, "language", "original_language_films").foreign_keys == ("original_language_id",)


def test_a_relation_is_never_called_like_a_column(look: Reflect):
    """A column keeps its name; the relation says more."""
    found = look(
        """
        CREATE TABLE customers (id INTEGER PRIMARY KEY, orders TEXT);
        CREATE TABLE folders (id INTEGER PRIMARY KEY, parent INT REFERENCES folders (id));
        CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INT REFERENCES customers (id));
        """
    )

    assert set(relations(found, "orders")) == {"customer_row"}
    assert set(relations(found, "customers")) == {"customer_row_orders"}
    assert set(relations(found, "folders")) == {"parent_folder", "parent_folder_folders"}


def test_a_unique_key_leads_back_to_one_row(look: Reflect):
    """A user has a profile, not profiles."""
    found = look(
        """
        CREATE TABLE users (id INTEGER PRIMARY KEY);
        CREATE TABLE profiles (id INTEGER PRIMARY KEY REFERENCES users (id));
        CREATE TABLE badges (id INTEGER PRIMARY KEY, user_id INT UNIQUE REFERENCES users (id));
        """
    )

    assert set(relations(found, "users")) == {"badge", "profile"}
    assert not relation(found, "users", "badge").many


def test_one_key_of_a_circle_comes_late(look: Reflect):
    """Without it, the tables can be made one after the other."""
    found = look(
        """
        CREATE TABLE staff (id INTEGER PRIMARY KEY, store_id INT NOT NULL REFERENCES store (id));
        CREATE TABLE store (id INTEGER PRIMARY KEY, manager_id INT NOT NULL REFERENCES staff (id));
        """
    )

    assert [key.late for one in found.models for key in one.foreign_keys] == [False, True]


def test_a_column_of_two_keys_is_written_by_one_relation(look: Reflect):
    """Two relations that write the same column could contradict each other."""
    found = look(
        """
        CREATE TABLE places (tenant INT, id INT, PRIMARY KEY (tenant, id));
        CREATE TABLE t (
            id INTEGER PRIMARY KEY, tenant INT, a INT, b INT, FOREIGN KEY (tenant, a) REFERENCES places (tenant, id),
            FOREIGN KEY (tenant, b) REFERENCES places (tenant, id)
        );
        """
    )

    assert [one.view_only for one in model(found, "t").relations] == [False, True]


# Cost


def test_a_file_is_asked_a_bounded_number_of_questions(tmp_path: Path):
    """Four hundred tables take four hundred times as long as one, and no longer."""
    counts = [questions(tmp_path / f"{tables}.db", tables) for tables in (10, 400)]

    assert counts[1] - counts[0] <= 390 * 16


def questions(path: Path, tables: int) -> int:
    """How many statements it takes to reflect so many tables."""
    with closing(sqlite3.connect(path)) as connection:
        for number in range(tables):
            columns = ", ".join(f"c{place} TEXT" for place in range(10))
            up = f"up INT REFERENCES t{max(0, number - 1)} (id)"
            connection.execute(f"CREATE TABLE t{number} (id INTEGER PRIMARY KEY, {up}, {columns})")
    count = 0

    def counted(*_: object) -> None:
        nonlocal count
        count += 1

    with connected(f"sqlite:///{path}") as connection:
        sa.event.listen(connection, "before_cursor_execute", counted)
        found = reflect(connection)
    assert len(found.models) == tables
    return count


def test_constraints_are_those_that_sqlite_has(look: Reflect):
    """However they are written: what a column says of itself is not always seen in the text of the table."""
    found = look(
        """
        CREATE TABLE p (id INTEGER PRIMARY KEY, a VARCHAR(9) NOT NULL UNIQUE, b TEXT UNIQUE, c TEXT DEFAULT 'x' UNIQUE);
        CREATE TABLE c (
            id INTEGER PRIMARY KEY, p_id INTEGER NOT NULL REFERENCES p(id) ON DELETE CASCADE ON UPDATE SET NULL,
            q_id INTEGER REFERENCES p
        );
        """
    )

    assert {unique.columns for unique in model(found, "p").uniques} == {("a",), ("b",), ("c",)}
    assert [(key.columns, key.ondelete, key.onupdate) for key in model(found, "c").foreign_keys] == [
        (("p_id",), "CASCADE", "SET NULL"),
        (("q_id",), None, None),
    ]
