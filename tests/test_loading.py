"""Modules of the user's, imported: whatever goes wrong is one sentence with the place and the fix."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from splice.errors import SetupError
from splice.loading import databases_of, load

BROKEN = {
    "import flying_carpet": r"shop\.py, line 2: No module named 'flying_carpet'; install the package",
    "1 / 0": r"shop\.py, line 2: ZeroDivisionError: division by zero",
    "x = (": r"shop\.py, line 2: '\(' was never closed",
    "import os; os.environ['NO_SUCH_URL']": r"shop\.py, line 2: the environment variable NO_SUCH_URL is not set",
    "raise SystemExit": "shop ended the program while it was imported",
    "raise type('Skipped', (BaseException,), {})('no')": r"shop\.py, line 2: Skipped: no",
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The folder of a project, of which nothing stays imported."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in ("shop", "models"):
        sys.modules.pop(name, None)


def test_a_reference_leads_to_what_it_names(folder):
    """An attribute may be one of another, and what is found is the module's own."""
    (folder / "models.py").write_text("class Base:\n    metadata = {'x'}\n")

    assert load(folder, "models:Base.metadata") == {"x"}


@pytest.mark.parametrize("code", BROKEN)
def test_a_module_that_fails_is_told_by_its_line(folder, code):
    """The place is that of the user's own code, and what is missing is named."""
    (folder / "shop.py").write_text(f"# A shop.\n{code}\n")

    with pytest.raises(SetupError, match=f"^{BROKEN[code]}"):
        load(folder, "shop:app")


@pytest.mark.parametrize("name", ["types", "splice", "sqlalchemy", "fastapi"])
def test_a_module_called_like_one_in_use_is_refused(folder, name):
    """Python would give the other one, whatever stands in this."""
    (folder / f"{name}.py").write_text("x = 1\n")

    with pytest.raises(SetupError, match=rf"{name}\.py cannot be imported: .*; rename it$"):
        load(folder, f"{name}:x")


def test_an_interrupted_import_stays_interrupted(folder):
    """It is the person who does not want to wait, not the module that is wrong."""
    (folder / "shop.py").write_text("raise KeyboardInterrupt\n")

    with pytest.raises(KeyboardInterrupt):
        load(folder, "shop:app")


def test_a_wrong_use_of_splice_stays_as_it_is(folder):
    """The sentence of a SetupError holds its fix already."""
    (folder / "shop.py").write_text("from splice import Database\ndb = Database('')\n")

    with pytest.raises(SetupError, match=r"^the database URL is empty"):
        load(folder, "shop:db")


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("modles:Base", r"there is no module modles in .*; did you mean models\?"),
        ("nowhere:Base", "there is no module nowhere in .*; correct the name, or start in the folder"),
        ("models:Bsae", r"models has no 'Bsae'; did you mean models:Base\?"),
        ("models:Xyz", "models has no 'Xyz'; correct 'models:Xyz'"),
        ("models:Base.nothing", "models has no 'Base.nothing'"),
        ("models", "'models' is no reference; write it as module:attribute"),
        (":Base", "':Base' is no reference"),
    ],
)
def test_a_wrong_reference_is_told_with_the_next_best(folder, reference, said):
    """A misspelt module or attribute is answered by the one that is there."""
    (folder / "models.py").write_text("class Base: ...\n")

    with pytest.raises(SetupError, match=f"^{said}"):
        load(folder, reference)


def test_databases_are_those_of_an_installed_application():
    """Of anything else there are none."""
    app = SimpleNamespace(state=SimpleNamespace(splice=SimpleNamespace(databases=["db"])))

    assert databases_of(app) == ("db",)
    assert databases_of(SimpleNamespace(state=SimpleNamespace())) == ()
    assert databases_of(object()) == ()
