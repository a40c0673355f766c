"""Projects of Alembic's own: their env.py runs as it is, and what splice adds stands around it."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from splice import Database
from splice.cli import main
from splice.errors import SetupError
from splice.settings import find_settings
from tests.migrations.revisions import write_revision

TABLE = 'op.create_table("things", sa.Column("id", sa.Integer, primary_key=True))'


def start_project(folder: Path, template: str, url: str) -> None:
    """What `alembic init` does, and the one line that it asks to edit."""
    config = Config(
        folder / "alembic.ini",
        folder / "pyproject.toml",
        cmd_opts=Namespace(quiet=True),
        stdout=io.StringIO(),
    )
    command.init(config, str(folder / "alembic"), template)
    ini = folder / "alembic.ini"
    ini.write_text(ini.read_text().replace("driver://user:pass@localhost/dbname", url.replace("%", "%%")))


@pytest.fixture(params=["generic", "async", "pyproject", "pyproject_async"])
def project(request, tmp_path, monkeypatch) -> Path:
    """What `alembic init` makes of each of its templates, on an SQLite file, with one revision."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n')
    driver = "aiosqlite" if "async" in request.param else "pysqlite"
    start_project(tmp_path, request.param, f"sqlite+{driver}:///{tmp_path}/app.db")
    write_revision(tmp_path / "alembic/versions", "one", None, TABLE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_project_is_found(project):
    """alembic.ini or [tool.alembic] is enough, also from a folder below."""
    assert find_settings(project / "alembic/versions").is_alembic


async def test_check_reads_without_running_env(project):
    """A database that is behind is refused; env.py, which might do anything, is left alone."""
    (project / "alembic/env.py").write_text("raise AssertionError('env.py was run')\n")
    db = Database(f"sqlite:///{project}/app.db", migrations="check")

    with pytest.raises(SetupError, match="behind by one migration, one"):
        await db.start()
    await db.close()


async def test_upgrade_runs_its_env(project):
    """Also one that calls asyncio.run, from within a running event loop."""
    db = Database(f"sqlite:///{project}/app.db", migrations="upgrade")

    found = await db.run(lambda session: sa.inspect(session.connection()).get_table_names())

    assert "things" in found
    assert not list(project.glob("app.db-migrations"))
    await db.close()


async def test_logging_is_as_it_was(project):
    """Its fileConfig would switch off every logger of the service."""
    mine, handlers = logging.getLogger("mine"), list(logging.getLogger().handlers)
    db = Database(f"sqlite:///{project}/app.db", migrations="upgrade")

    await db.start()

    assert not mine.disabled
    assert logging.getLogger().handlers == handlers
    await db.close()


async def test_an_env_of_another_database_is_noticed(project):
    """What it has upgraded is not what is served; the start does not go on as if it were."""
    db = Database(f"sqlite:///{project}/other.db", migrations="upgrade")

    with pytest.raises(SetupError, match="has upgraded another database"):
        await db.start()
    await db.close()


@pytest.mark.parametrize("written", ['version_table="my_versions"', "version_table=TABLE"])
async def test_its_version_table_is_honoured(project, written):
    """The name is read from the text of env.py, where it is one or a constant."""
    file = project / "alembic/env.py"
    text = file.read_text().replace(
        "target_metadata=target_metadata", f"target_metadata=target_metadata, {written}"
    )
    file.write_text(text.replace("target_metadata = None", 'target_metadata = None\nTABLE = "my_versions"'))
    subprocess.run(  # noqa: ASYNC221  # nothing else waits
        [sys.executable, "-m", "alembic", "upgrade", "head"], cwd=project, check=True, capture_output=True
    )
    db = Database(f"sqlite:///{project}/app.db", migrations="check")

    await db.start()

    found = await db.run(lambda session: sa.inspect(session.connection()).get_table_names())
    assert "my_versions" in found
    await db.close()


@pytest.mark.parametrize("driver", ["asyncpg", "asyncmy"])
async def test_servers_are_locked_meanwhile(new_database, tmp_path, monkeypatch, driver):
    """The lock is held on a connection beside that of env.py."""
    url = new_database(driver)
    start_project(tmp_path, "async", url)
    held = {
        "asyncpg": "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'",
        "asyncmy": "SELECT IS_USED_LOCK(CONCAT('splice.', MD5(DATABASE()))) IS NOT NULL",
    }[driver]
    write_revision(
        tmp_path / "alembic/versions", "one", None, f'assert op.get_bind().scalar(sa.text("{held}")) == 1'
    )
    monkeypatch.chdir(tmp_path)
    db = Database(url, migrations="upgrade")

    await db.start()
    await db.close()


def test_the_command_runs_alembics_own(project, capsys):
    """Each command of `splice db` does what that of `alembic` does, in the project's own environment."""
    url = [f"--database=sqlite:///{project}/app.db"]
    file = project / "alembic/env.py"
    table = "sa.Table('things', target_metadata, sa.Column('id', sa.Integer, primary_key=True))"
    models = f"import sqlalchemy as sa\ntarget_metadata = sa.MetaData()\n{table}"
    file.write_text(file.read_text().replace("target_metadata = None", models))

    assert main(["db", "check", *url]) == 1
    assert main(["db", "upgrade", *url]) == 0
    assert main(["db", "check", *url]) == 0
    assert main(["db", "revision", "-m", "more", *url]) == 0
    assert main(["db", "current", *url]) == 0
    assert main(["db", "upgrade", *url]) == 0
    assert main(["db", "downgrade", "-1", *url]) == 0

    said = capsys.readouterr()
    assert "upgrade one  do one" in said.out
    assert "more.py; look it through" in said.out
    assert "INFO" not in said.err
    assert (
        said.err == "error: the database is behind by one migration, one (do one); run: splice db upgrade\n"
    )
