"""Tables are the same whoever made them: a migration, `create=`, or a hand that left names to the database."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from splice import Database
from splice.conventions import named
from splice.migrations import commands
from splice.migrations.references import metadata_of

MODELS = ("shop:SECOND", "gallery:EVERYTHING", "gallery:CONVENTION")


@pytest.mark.parametrize("models", [*MODELS, "gallery:SCHEMAS", "gallery:POSTGRESQL"])
async def test_after_an_upgrade_nothing_differs(migrated, models):
    """Whatever the models say, it is in the database, and nothing else; and a downgrade leaves nothing."""
    if models.endswith(("SCHEMAS", "POSTGRESQL")) and migrated.db.dialect != "postgresql":
        pytest.skip("PostgreSQL alone has these")
    migrated.models(models)
    await migrated.revise("first")

    for _ in range(2):
        await migrated.upgrade()
        assert await migrated.check() == ()
        await migrated.downgrade()
        assert await left(migrated) == {"alembic_version"}


async def left(migrated) -> set[str]:
    def look(session) -> set[str]:
        inspector = sa.inspect(session.connection())
        enums = inspector.get_enums() if migrated.db.dialect == "postgresql" else []
        return {*inspector.get_table_names(), *(found["name"] for found in enums)}

    return await migrated.run(look)


@pytest.mark.parametrize("models", MODELS)
async def test_what_create_makes_does_not_differ(migrated, database_url, models):
    """A database of `create=` goes on with migrations as it is."""
    migrated.models(models)
    await migrated.revise("first")
    db = Database(database_url, create=metadata_of(migrated.settings)[0])
    await db.start()
    await db.close()

    await migrated.run(commands.mark, migrated.project, "heads")

    assert await migrated.check() == ()


@pytest.mark.parametrize("database_url", ["asyncpg"], indirect=True)
@pytest.mark.parametrize("models", ["shop:SECOND", "gallery:EVERYTHING"])
async def test_names_are_those_that_postgresql_makes(migrated, models):
    """Constraints without names in the models are named by PostgreSQL exactly as splice would."""
    migrated.models(models)
    [metadata] = metadata_of(migrated.settings)
    await migrated.run(lambda session: metadata.create_all(session.connection()))

    wanted = {
        str(constraint.name)
        for table in named(metadata).tables.values()
        for constraint in table.constraints
        if not isinstance(constraint, sa.PrimaryKeyConstraint)
    }
    users = "connamespace = 'public'::regnamespace"
    found = await migrated.execute(
        f"SELECT conname FROM pg_constraint WHERE contype IN ('u', 'f', 'c') AND {users}"
    )
    assert {row.conname for row in found} == wanted


def test_the_models_are_not_touched():
    """Names are given to a copy."""
    metadata = sa.MetaData()
    table = sa.Table("t", metadata, sa.Column("a", sa.Integer, unique=True), sa.CheckConstraint("a > 0"))

    copy = named(metadata)

    assert {constraint.name for constraint in table.constraints} == {None}
    names = {str(constraint.name) for constraint in copy.tables["t"].constraints} - {"None"}
    assert names == {"t_a_key", "t_a_check"}


def test_names_of_equal_rules_are_counted():
    """In the order of the model, as PostgreSQL does."""
    metadata = sa.MetaData()
    rules = [sa.CheckConstraint(f"a + b > {number}") for number in range(3)]
    sa.Table("t", metadata, sa.Column("a", sa.Integer), sa.Column("b", sa.Integer), *rules)

    found = {
        str(rule.sqltext): str(rule.name)
        for rule in named(metadata).tables["t"].constraints
        if hasattr(rule, "sqltext")
    }

    assert found == {"a + b > 0": "t_check", "a + b > 1": "t_check1", "a + b > 2": "t_check2"}


def test_long_names_are_cut_as_postgresql_cuts_them():
    """The longer of table and column gives way."""
    metadata = sa.MetaData()
    sa.Table("t" * 50, metadata, sa.Column("c" * 40, sa.Integer, unique=True))

    [name] = [
        str(c.name)
        for c in named(metadata).tables["t" * 50].constraints
        if isinstance(c, sa.UniqueConstraint)
    ]

    assert len(name) == 63
    assert name == f"{'t' * 29}_{'c' * 29}_key"


def test_a_full_convention_is_taken_as_it_is():
    """Nothing is copied then."""
    metadata = sa.MetaData(naming_convention={"uq": "u", "fk": "f", "ck": "c"})

    assert named(metadata) is metadata


async def test_listeners_run_on_the_copy(new_database):
    """DDL that the user hung on tables or on all of them is still run by create=."""
    metadata = sa.MetaData()
    table = sa.Table("t", metadata, sa.Column("id", sa.Integer, primary_key=True))
    sa.event.listen(table, "after_create", sa.DDL("INSERT INTO t VALUES (1)"))
    sa.event.listen(metadata, "after_create", sa.DDL("INSERT INTO t VALUES (2)"))
    db = Database(new_database("aiosqlite"), create=metadata)

    found = await db.run(lambda session: session.execute(sa.text("SELECT id FROM t ORDER BY id")).all())

    assert [tuple(row) for row in found] == [(1,), (2,)]
    await db.close()
