"""What is left of an upgrade that fails, and what is said of it."""

from __future__ import annotations

import pytest

from splice.errors import SetupError
from tests.migrations.revisions import write_revision

PARENTS = """
op.create_table("parents", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(20)))
op.create_table(
    "children",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("parent_id", sa.Integer, sa.ForeignKey("parents.id", ondelete="CASCADE"), nullable=False),
)
op.execute("INSERT INTO parents VALUES (1, 'Ada')")
op.execute("INSERT INTO children VALUES (5, 1)")
"""


ANEW = 'with op.batch_alter_table("{table}") as batch_op:\n    batch_op.alter_column("{column}", {change})'


@pytest.fixture
def versions(migrated):
    return migrated.settings.folder / "versions"


async def tables(migrated) -> set[str]:
    import sqlalchemy as sa

    return await migrated.run(lambda session: set(sa.inspect(session.connection()).get_table_names()))


async def test_a_failing_revision_is_named(migrated, versions):
    """One sentence: which revision, what is left, and the reason in the database's words."""
    write_revision(versions, "one", None, PARENTS)
    write_revision(versions, "two", "one", 'op.execute("INSERT INTO nowhere VALUES (1)")')

    with pytest.raises(SetupError) as raised:
        await migrated.upgrade()

    assert str(raised.value).startswith("revision two (do two) failed")
    assert "nowhere" in str(raised.value)
    assert "\n" not in str(raised.value)


async def test_an_upgrade_is_whole_or_not_at_all(migrated, versions):
    """On SQLite and PostgreSQL the revisions before the failing one are rolled back with it; MariaDB keeps them."""
    write_revision(versions, "one", None, PARENTS)
    write_revision(
        versions,
        "two",
        "one",
        'op.create_table("three", sa.Column("id", sa.Integer))\nraise ValueError("no")',
    )

    with pytest.raises(SetupError, match=r"revision two \(do two\) failed.*: no$"):
        await migrated.upgrade()

    kept = {"parents", "children", "three"} if migrated.db.dialect == "mariadb" else set()
    assert await tables(migrated) - {"alembic_version"} == kept
    assert (await migrated.standing()).current == (("one",) if kept else ())


async def test_a_failed_upgrade_can_be_run_again(migrated, versions):
    """Once the revision is corrected, what is missing runs, under the lock that was given back."""
    write_revision(versions, "one", None, PARENTS)
    write_revision(versions, "two", "one", 'raise ValueError("no")')
    with pytest.raises(SetupError):
        await migrated.upgrade()
    write_revision(versions, "two", "one", "pass")

    await migrated.upgrade()

    assert (await migrated.standing()).current == ("two",)


async def test_children_survive_a_parent_that_is_made_anew(migrated, versions):
    """SQLite makes a changed table anew and drops the old one, which would delete or refuse its children."""
    write_revision(versions, "one", None, PARENTS)
    anew = ANEW.format(
        table="parents", column="name", change="type_=sa.String(30), existing_type=sa.String(20)"
    )
    write_revision(versions, "two", "one", anew)

    await migrated.upgrade()

    assert await migrated.execute("SELECT id, parent_id FROM children") == [(5, 1)]
    assert await migrated.execute("SELECT id, name FROM parents") == [(1, "Ada")]


@pytest.mark.parametrize("database_url", ["aiosqlite"], indirect=True)
async def test_rows_that_would_refer_to_nothing_stop_the_upgrade(migrated, versions):
    """While foreign keys are off, a migration may delete a parent; that is seen before COMMIT."""
    write_revision(versions, "one", None, PARENTS)
    await migrated.upgrade()
    write_revision(versions, "two", "one", 'op.execute("DELETE FROM parents")')

    with pytest.raises(
        SetupError, match=r"nothing was changed: rows would refer to rows that do not exist \(1 of children"
    ):
        await migrated.upgrade()

    assert await migrated.execute("SELECT id FROM parents") == [(1,)]


@pytest.mark.parametrize("database_url", ["aiosqlite"], indirect=True)
async def test_references_that_were_broken_before_do_not_stop_an_upgrade(migrated, versions):
    """What another program left behind is not the migration's fault."""
    write_revision(versions, "one", None, PARENTS + 'op.execute("INSERT INTO children VALUES (6, 77)")')
    import sqlite3

    with pytest.raises(SetupError):
        await migrated.upgrade()
    write_revision(versions, "one", None, PARENTS)
    await migrated.upgrade()
    with sqlite3.connect(migrated.db.engine.url.database) as connection:
        connection.execute("INSERT INTO children VALUES (6, 77)")
    connection.close()
    write_revision(versions, "two", "one", 'op.execute("INSERT INTO parents VALUES (2, NULL)")')

    await migrated.upgrade()

    assert (await migrated.standing()).current == ("two",)


@pytest.mark.parametrize("database_url", ["aiosqlite"], indirect=True)
async def test_triggers_survive_a_table_that_is_made_anew(migrated, versions):
    """They are dropped with the old table, and put back on the new one; those that a revision drops are not."""
    write_revision(versions, "one", None, PARENTS)
    await migrated.upgrade()
    for name in ("kept", "gone"):
        await migrated.execute(f"CREATE TRIGGER {name} AFTER DELETE ON parents BEGIN SELECT 1; END")
    anew = ANEW.format(
        table="parents", column="name", change="type_=sa.String(30), existing_type=sa.String(20)"
    )
    write_revision(versions, "two", "one", f'op.execute("DROP TRIGGER gone")\n{anew}')

    await migrated.upgrade()

    assert await migrated.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'") == [("kept",)]


@pytest.mark.parametrize("database_url", ["aiosqlite"], indirect=True)
async def test_a_check_without_a_name_is_not_lost(migrated, versions):
    """Alembic would leave it out of the table that is made anew, with a warning; here the upgrade stops."""
    write_revision(
        versions,
        "one",
        None,
        'op.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER CHECK (a > 0))")',
    )
    anew = ANEW.format(table="t", column="a", change="nullable=False, existing_type=sa.Integer()")
    write_revision(versions, "two", "one", anew)

    with pytest.raises(SetupError, match="Unnamed CHECK constraint"):
        await migrated.upgrade()


async def test_an_unknown_revision_is_said(migrated, versions):
    """No traceback of Alembic's."""
    write_revision(versions, "one", None, "pass")

    with pytest.raises(SetupError, match="nope"):
        await migrated.upgrade("nope")


async def test_a_revision_that_cannot_be_read_is_named(migrated, versions):
    """A mistake in a file is said with the file's name."""
    (versions / "one.py").write_text("def upgrade(:\n")

    with pytest.raises(SetupError, match=r"one\.py"):
        _ = migrated.project


async def test_tables_that_exist_already_lead_to_stamp(migrated, versions):
    """Who moves from create= to migrations is told how."""
    await migrated.execute("CREATE TABLE parents (id INTEGER)")
    write_revision(versions, "one", None, PARENTS)

    with pytest.raises(SetupError, match="splice db stamp"):
        await migrated.upgrade()


@pytest.mark.parametrize("database_url", ["asyncpg"], indirect=True)
async def test_a_block_of_autocommit_works(migrated, versions):
    """CREATE INDEX CONCURRENTLY runs outside of a transaction, and the lock is still held."""
    write_revision(versions, "one", None, PARENTS)
    write_revision(
        versions,
        "two",
        "one",
        "with op.get_context().autocommit_block():\n"
        '    op.create_index("ix", "parents", ["name"], postgresql_concurrently=True)',
    )

    await migrated.upgrade()

    assert (await migrated.standing()).current == ("two",)


@pytest.mark.parametrize("database_url", ["asyncpg"], indirect=True)
async def test_what_was_committed_early_is_not_said_to_be_undone(migrated, versions):
    """A block of autocommit commits what was done before it."""
    write_revision(versions, "one", None, PARENTS)
    block = "with op.get_context().autocommit_block():\n    op.execute('SELECT 1')"
    write_revision(versions, "two", "one", f'{block}\nraise ValueError("no")')

    with pytest.raises(SetupError, match="halfway, what was done before it stays"):
        await migrated.upgrade()

    assert "parents" in await tables(migrated)


async def test_two_newest_revisions_are_to_be_put_in_order(migrated, versions):
    """Two branches of work that were merged are told how to become one history; an upgrade runs both."""
    write_revision(versions, "one", None, PARENTS)
    write_revision(versions, "two", "one", "pass")
    write_revision(versions, "three", "one", "pass")
    migrated.models("shop:FIRST")
    await migrated.upgrade()

    with pytest.raises(
        SetupError, match=r"2 newest revisions, three \(do three\) and two \(do two\): let one follow"
    ):
        await migrated.revise()


async def test_a_revision_leaves_the_database_as_it_was(migrated):
    """Comparing writes nothing, not even Alembic's own table."""
    migrated.models("shop:FIRST")

    await migrated.revise()

    assert await tables(migrated) == set()


async def test_rows_can_be_read_and_written_between_changes(migrated, versions):
    """A statement prepared before ALTER TABLE is prepared again after it."""
    write_revision(versions, "one", None, PARENTS)
    read = "assert len(op.get_bind().execute(sa.text('SELECT * FROM parents')).all()) == 1"
    add = 'op.add_column("parents", sa.Column("age", sa.Integer))'
    write_revision(versions, "two", "one", f'{read}\n{add}\n{read}\nop.execute("UPDATE parents SET age = 7")')

    await migrated.upgrade()

    assert await migrated.execute("SELECT age FROM parents") == [(7,)]
