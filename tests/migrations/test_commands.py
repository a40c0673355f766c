"""`splice db`, as a person uses it, in a project on SQLite."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from splice.cli import main
from tests.migrations.revisions import write_revision

MODELS = """
from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Person(Base):
    __tablename__ = "people"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50), unique=True)
"""
MAIN = """
from fastapi import FastAPI
from models import Person

from splice import Database, Resource, install

db = Database("sqlite:///app.db", migrations="check")
app = FastAPI()
install(app, db)
app.include_router(Resource(Person, db))
"""


class Shell:
    """The command, and what it said."""

    def __init__(self, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self.capsys = capsys
        self.folder = folder

    def __call__(self, *arguments: str) -> str:
        code, said = self.fails(*arguments)
        assert code == 0, said
        return said

    def fails(self, *arguments: str) -> tuple[int, str]:
        """The exit code, and stdout and stderr together."""
        try:
            code = main(["db", *arguments])
        finally:
            # Other tests have modules of these names, too.
            for name in ("main", "models"):
                sys.modules.pop(name, None)
        out, err = self.capsys.readouterr()
        return code, out + err

    def models(self, old: str, new: str) -> None:
        """Change the models."""
        file = self.folder / "models.py"
        file.write_text(file.read_text().replace(old, new))
        # Two changes within one second, of one length, look like none to Python's cache.
        os.utime(file, (0, file.stat().st_mtime + 10))

    def revisions(self) -> list[Path]:
        return sorted(self.folder.glob("migrations/versions/*.py"), key=lambda file: file.stat().st_mtime_ns)


@pytest.fixture
def db(tmp_path, monkeypatch, capsys) -> Shell:
    """The command in a folder with models and an application."""
    (tmp_path / "models.py").write_text(MODELS)
    (tmp_path / "main.py").write_text(MAIN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return Shell(capsys, tmp_path)


@pytest.fixture
def begun(db) -> Shell:
    """A project with a first revision, not yet run."""
    db("init")
    db("revision", "-m", "initial", "--database", "sqlite:///empty.db")
    return db


def test_init_finds_what_there_is(db):
    """The section names the application and the models that lie beside it; comments stay."""
    (db.folder / "pyproject.toml").write_text('# mine\n[project]\nname = "x"  # kept\n')

    said = db("init")

    text = (db.folder / "pyproject.toml").read_text()
    assert text.startswith('# mine\n[project]\nname = "x"  # kept\n')
    assert '[tool.splice]\napp = "main:app"\nmetadata = "models:Base"\nmigrations = "migrations"\n' in text
    assert 'splice db revision -m "initial"' in said


def test_init_twice_changes_nothing(db):
    """What somebody has set stays."""
    (db.folder / "pyproject.toml").write_text('[tool.splice]\nmigrations = "changes"\n')
    db("init")
    before = (db.folder / "pyproject.toml").read_text()

    db("init", "--migrations", "others")

    assert (db.folder / "pyproject.toml").read_text() == before
    assert 'migrations = "changes"' in before
    assert (db.folder / "changes/versions").is_dir()


def test_the_first_minutes(db):
    """From nothing to an upgraded database, and what each command says on the way."""
    db("init")
    assert "splice db upgrade" in db("revision", "-m", "initial")
    assert "behind by 1" in db("current")
    assert re.fullmatch(r"upgrade [0-9a-f]{12}  initial\n", db("upgrade"))
    assert db("upgrade") == "The database is up to date.\n"
    assert re.fullmatch(r"[0-9a-f]{12}  initial\nup to date\n", db("current"))
    assert re.fullmatch(r"✓ [0-9a-f]{12}  initial\n", db("history"))
    assert db("check") == "The database is up to date, and as the models say.\n"


def test_a_revision_of_nothing_is_not_written(begun):
    """It is said instead."""
    begun("upgrade")

    assert "Nothing has changed" in begun("revision", "-m", "again")
    assert len(begun.revisions()) == 1


def test_an_empty_revision_is_written_when_asked_for(begun):
    """For changes of rows; it needs no database."""
    begun("revision", "-m", "fill", "--empty")

    assert begun.revisions()[-1].read_text().count("pass") == 2


def test_a_revision_wants_the_database_up_to_date(begun):
    """Otherwise what is not yet run would be written a second time."""
    code, said = begun.fails("revision", "-m", "again")

    assert code == 1
    assert re.fullmatch(
        r"error: the database is behind by one migration, \w+ \(initial\); run: splice db upgrade\n", said
    )


def test_check_fails_when_the_database_is_behind(begun):
    """CI upgrades first."""
    code, said = begun.fails("check")

    assert (code, "splice db upgrade" in said) == (1, True)


def test_check_fails_when_models_and_migrations_differ(begun):
    """Each difference is a line."""
    begun("upgrade")
    begun.models("String(50), unique=True", "String(60)")
    begun.models(
        "class Person",
        "class Pet(Base):\n    __tablename__ = 'pets'\n"
        "    id: Mapped[int] = mapped_column(primary_key=True)\n\n\nclass Person",
    )

    code, said = begun.fails("check")

    assert code == 1
    assert said.splitlines() == [
        "the database lacks the table pets",
        "people.name is String(length=60) in the models, VARCHAR(length=50) in the database",
        "the models lack the unique people_name_key of people (name)",
        'error: models and migrations differ; run: splice db revision -m "…"',
    ]


@pytest.mark.parametrize(
    ("old", "new", "hint"),
    [
        (
            "name: Mapped",
            "title: Mapped",
            r"people\.name is dropped with its data and title added: if it was renamed",
        ),
        (
            '"people"',
            '"persons"',
            r"the table people is dropped with its rows and persons created: if it was renamed",
        ),
        ("    name:", "    age: Mapped[int]\n    name:", r"people\.age is NOT NULL without a server default"),
    ],
)
def test_what_autogenerate_cannot_see_is_hinted(begun, old, new, hint):
    """A rename looks like a loss, and rows may stand in the way."""
    begun("upgrade")
    begun.models(old, new)

    assert re.search(hint, begun("revision", "-m", "change").replace("\n", " "))


def test_downgrade_goes_back_and_upgrade_forth(begun):
    """By steps, and to the base."""
    begun("upgrade")

    assert re.fullmatch(r"downgrade [0-9a-f]{12}  initial\n", begun("downgrade", "-1"))
    assert begun("downgrade", "base") == "There is nothing to undo.\n"
    assert begun("upgrade", "+1").startswith("upgrade")


def test_stamp_counts_tables_that_exist(begun):
    """A database of create= gets to where migrations go on."""
    from splice import Database

    models = __import__("models")
    import asyncio

    async def make() -> None:
        made = Database("sqlite:///app.db", create=models.Base.metadata)
        await made.start()
        await made.close()

    asyncio.run(make())
    code, said = begun.fails("upgrade")
    assert (code, "splice db stamp" in said) == (1, True)

    begun("stamp")

    assert begun("check") == "The database is up to date, and as the models say.\n"


def test_sql_is_printed_without_a_database(begun):
    """For each kind of database in its own words, as an engine of splice would run it."""
    written = begun("sql", "--database", "mariadb://")

    assert "CREATE TABLE people" in written
    assert "AUTO_INCREMENT" in written
    assert not (begun.folder / "app.db").exists()


def test_the_sql_of_an_upgrade_is_what_would_be_run(begun):
    """From where the database is; nothing is changed."""
    assert "CREATE TABLE people" in begun("upgrade", "--sql")
    begun("upgrade")

    assert "CREATE TABLE people" not in begun("upgrade", "--sql")
    assert "DROP TABLE people" in begun("downgrade", "base", "--sql")


def test_the_environment_wins_over_the_application(begun, monkeypatch):
    """As in production, where the same code meets another database."""
    monkeypatch.setenv("DATABASE_URL", "sqlite:///other.db")

    begun("upgrade")

    assert (begun.folder / "other.db").exists()
    assert not (begun.folder / "app.db").exists()


def test_the_command_line_wins_over_the_environment(begun, monkeypatch):
    """Who names a database means it."""
    monkeypatch.setenv("DATABASE_URL", "sqlite:///other.db")

    begun("upgrade", "--database", "sqlite:///third.db")

    assert (begun.folder / "third.db").exists()
    assert not (begun.folder / "other.db").exists()


def test_a_variable_names_the_database(begun, monkeypatch):
    """Written as '$NAME', it is read by splice, and its password stands in no list of processes."""
    monkeypatch.setenv("SHOP", "sqlite:///fourth.db")

    begun("upgrade", "--database", "$SHOP")

    assert (begun.folder / "fourth.db").exists()
    assert begun.fails("upgrade", "--database", "$NONE")[1].startswith(
        "error: the environment variable NONE is not set"
    )


def test_no_password_is_shown(begun):
    """Not in what is said when the server cannot be reached."""
    code, said = begun.fails("current", "--database", "postgresql://me:geheim@127.0.0.1:1/db")

    assert code == 1
    assert said.startswith("error: no database answers at 127.0.0.1:1")
    assert "geheim" not in said


def test_models_are_found_by_their_application(begun):
    """Without `metadata`, the Resources of the application tell where the models are."""
    file = begun.folder / "pyproject.toml"
    file.write_text(file.read_text().replace('metadata = "models:Base"\n', ""))
    begun("upgrade")

    assert begun("check") == "The database is up to date, and as the models say.\n"


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ('metadata = "modles:Base"', "did you mean models?"),
        ('metadata = "models:Bsae"', "models has no 'Bsae'; did you mean models:Base?"),
        ('metadata = "models"', "write it as module:attribute"),
        ('metadata = "models:String"', "neither a MetaData nor a base of models"),
        ('app = "models:Base"', "leads to no database"),
        ("metadata = 7", "is to be a text"),
    ],
)
def test_a_wrong_setting_is_one_sentence(begun, section, said):
    """It names what is wrong and what to write."""
    rest = '\napp = "main:app"' if "app" not in section else '\nmetadata = "models:Base"'
    begun("upgrade")
    (begun.folder / "pyproject.toml").write_text(f"[tool.splice]\n{section}{rest}\n")

    code, told = begun.fails("revision", "-m", "x")

    assert code == 1
    assert said in told
    assert told.startswith("error: ")
    assert told.count("\n") == 1


def test_models_that_fail_are_told_by_their_line(begun):
    """What cannot be imported is named by its file and line, as `splice serve` does it."""
    (begun.folder / "models.py").write_text("# Models.\n1 / 0\n")

    code, said = begun.fails("revision", "-m", "x")

    assert (code, said) == (1, "error: models.py, line 2: ZeroDivisionError: division by zero\n")


def test_an_ejected_environment_is_used(begun):
    """Its options are the project's to change, and Alembic's own program runs it, too."""
    begun("eject")
    file = begun.folder / "migrations/env.py"
    file.write_text(
        file.read_text().replace(
            "options(context.config, connection))",
            'options(context.config, connection), version_table="mine")',
        )
    )

    begun("upgrade")

    import sqlite3
    import subprocess

    with sqlite3.connect("app.db") as connection:
        assert connection.execute("SELECT count(*) FROM mine").fetchone() == (1,)
    connection.close()
    assert begun("check") == "The database is up to date, and as the models say.\n"
    program = [sys.executable, "-m", "alembic", "current"]
    shown = subprocess.run(program, cwd=begun.folder, capture_output=True, text=True, check=True).stdout
    assert "(head)" in shown


def test_ejecting_twice_is_refused(begun):
    """What was changed is not overwritten."""
    begun("eject")

    code, said = begun.fails("eject")

    assert (code, "of its own already" in said) == (1, True)


def test_a_failing_revision_is_one_sentence(begun):
    """No traceback, and no SQL."""
    begun("upgrade")
    previous = re.search(r"_([0-9a-f]{12})_", begun.revisions()[0].name)[1]
    write_revision(
        begun.folder / "migrations/versions", "two", previous, 'op.execute("INSERT INTO nowhere VALUES (1)")'
    )

    code, said = begun.fails("upgrade")

    assert code == 1
    assert said.splitlines() == [
        "upgrade two  do two",
        "error: revision two (do two) failed, nothing was changed: no such table: nowhere",
    ]
