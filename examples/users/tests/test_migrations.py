"""The migrations make what the models say; `splice db check` is what CI runs."""

import os
import subprocess
import sys


def splice(*arguments: str, database_url: str) -> str:
    """Run the command as a shell would."""
    program = [sys.executable, "-m", "splice", *arguments]
    environment = os.environ | {"DATABASE_URL": database_url}
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_models_and_migrations_agree(database_url: str) -> None:
    """Once a new database is upgraded, nothing differs."""
    splice("db", "upgrade", database_url=database_url)

    said = splice("db", "check", database_url=database_url)

    assert said == "The database is up to date, and as the models say.\n"
