"""What a project says of itself, read without importing anything of it."""

from __future__ import annotations

import pytest

from splice.errors import SetupError
from splice.settings import expanded, find_settings


def test_the_nearest_project_counts(tmp_path):
    """Settings are found from a folder upwards, and references stand as they are written."""
    (tmp_path / "pyproject.toml").write_text(
        '[tool.splice]\napp = "main:app"\nmetadata = ["a:Base", "b:Base"]\n'
    )
    (tmp_path / "deeper").mkdir()

    settings = find_settings(tmp_path / "deeper")

    assert (settings.root, settings.folder) == (tmp_path, tmp_path / "migrations")
    assert (settings.app, settings.metadata) == ("main:app", ("a:Base", "b:Base"))


def test_what_is_said_wins(tmp_path):
    """The command line is nearer than the file."""
    (tmp_path / "pyproject.toml").write_text('[tool.splice]\napp = "main:app"\ndatabase = "main:db"\n')

    settings = find_settings(tmp_path, database="sqlite:///other.db", folder="steps")

    assert (settings.app, settings.database, settings.chosen) == ("main:app", "sqlite:///other.db", True)
    assert settings.folder == tmp_path / "steps"


@pytest.mark.parametrize(
    ("text", "said"), [("[tool.splice", "cannot be read"), ("[tool.splice]\napp = 1", "app")]
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, text, said):
    """Neither is the file skipped nor a value of the wrong kind taken."""
    (tmp_path / "pyproject.toml").write_text(text)

    with pytest.raises(SetupError, match=said):
        find_settings(tmp_path)


def test_a_name_is_looked_up():
    """`$NAME` and `${NAME}` stand for a variable, anything else for itself."""
    environ = {"SHOP": "sqlite:///shop.db"}

    assert expanded("$SHOP", environ) == expanded("${SHOP}", environ) == "sqlite:///shop.db"
    assert expanded("sqlite:///$SHOP", environ) == "sqlite:///$SHOP"


def test_a_name_that_is_not_set_is_told():
    """An empty variable is none."""
    with pytest.raises(SetupError, match="the environment variable SHOP is not set; export it"):
        expanded("$SHOP", {"SHOP": ""})
