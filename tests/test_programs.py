"""The text of `main.py` runs, reads well, and passes ruff as it is."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from splice.programs import Metadata, Program, Route, main_source

RUFF = Path(sys.executable).with_name("ruff")
ALBUMS = Program(
    title="chinook",
    source="chinook.sqlite",
    url="sqlite:///chinook.sqlite",
    routes=(Route("Album", only=("list", "read")), Route("Artist", only=("list", "read"))),
)


def test_the_whole_text():
    """Nothing is hidden: this is all that serves."""
    assert (
        main_source(ALBUMS)
        == '''"""A REST API for chinook.sqlite."""

import os

from fastapi import FastAPI
from splice import Database, Resource, install

from models import Album, Artist

db = Database(os.environ.get("DATABASE_URL", "sqlite:///chinook.sqlite"))
app = FastAPI(title="chinook")
install(app, db)

app.include_router(Resource(Album, db, only={"list", "read"}))
app.include_router(Resource(Artist, db, only={"list", "read"}))
'''
    )


def test_a_secret_url_is_left_to_the_environment():
    """Where the URL is not given, the variable has to be set."""
    text = main_source(Program("shop", "shop", None, ALBUMS.routes))

    assert 'db = Database(os.environ["DATABASE_URL"])\n' in text


def test_all_verbs_need_no_words():
    """Neither `only` nor `prefix` is written where a Resource does the same by itself."""
    text = main_source(Program("shop", "shop", None, (Route("Item"),)))

    assert "app.include_router(Resource(Item, db))\n" in text


def test_paths_and_remarks_are_written():
    """A path of its own is an argument, and why a route is as it is stands above it."""
    route = Route("Sale", only=("list",), prefix="/sales.2024", remark="a view:\nits rows can be listed")

    text = main_source(Program("shop", "shop", None, (route,)))

    assert (
        "# a view: its rows can be listed\n"
        'app.include_router(Resource(Sale, db, only={"list"}, prefix="/sales.2024"))\n' in text
    )


def test_tables_can_be_made_at_the_start():
    """The base is imported with the models."""
    program = Program(
        "shop", "shop", "sqlite:///a.db", (Route("Item", "shop.models"),), Metadata("shop.models")
    )

    text = main_source(program)

    assert "from shop.models import Base, Item\n" in text
    assert "create=Base.metadata" in text


def test_models_of_one_name_are_told_apart():
    """Two models of one name, or one called like something that the program needs, are imported under another."""
    routes = (Route("Item", "shop"), Route("Item", "shop.old"), Route("Resource", "shop"))

    text = main_source(Program("shop", "shop", None, routes))

    assert "from shop.old import Item as OldItem\n" in text
    assert "from shop import Resource as ShopResource\n" in text
    assert "Resource(OldItem, db)" in text
    assert "Resource(ShopResource, db)" in text


@pytest.mark.parametrize(
    "name", ['a "quoted" name', "back\\slash", "línea\nnueva", "it's", "'both' \"kinds\"", '"""']
)
def test_names_of_all_kinds_stay_text(name):
    """What a database or a file is called can never become code."""
    text = main_source(Program(name, name, f"sqlite:///{name}", ALBUMS.routes))

    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    assert name in [
        keyword.value.value for call in calls for keyword in call.keywords if keyword.arg == "title"
    ]


def test_the_same_input_gives_the_same_text():
    """Nothing depends on the run."""
    assert main_source(ALBUMS) == main_source(ALBUMS)


LONG = "AnUncommonlyLongNameForATableThatSomebodyHasOnceThoughtOf"
PROGRAMS = {
    "none": Program("x", "x", None, ()),
    "few": ALBUMS,
    "many": Program("x", "x", None, tuple(Route(f"Item{number}") for number in range(120))),
    "long": Program(
        "a title " * 20,
        "x",
        f"sqlite:////somewhere/{'deep/' * 20}down.db",
        (
            Route(LONG, only=("list", "read"), prefix="/an uncommonly long name"),
            Route(f"{LONG}{LONG}"[:90], only=("list", "create", "read", "replace", "update", "delete")),
            Route("Short", prefix="/" + "p" * 80),
        ),
        Metadata("models"),
    ),
    "quotes": Program("it's", 'a "b"', 'sqlite:///a "b".db', ALBUMS.routes),
    "modules": Program(
        "x",
        "x",
        None,
        tuple(
            Route(model, module)
            for module in ("shop.b", "shop.a10", "shop.a2", "models")
            for model in ("Item", "URL", "Item10", "Item2", "item")
        ),
    ),
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_ruff_has_nothing_to_say(program, tmp_path):
    """Imports are sorted and lines broken as ruff does it by itself."""
    for module in ("models", "shop/a2", "shop/a10", "shop/b"):
        path = tmp_path / f"{module}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    (tmp_path / "main.py").write_text(main_source(program), encoding="utf-8")

    # E501 is not among ruff's defaults: names can be longer than a line.
    for command in (
        ["check", "--isolated", "--extend-select", "I,D,UP,SIM"],
        ["format", "--isolated", "--diff"],
    ):
        done = subprocess.run(
            [RUFF, *command, "main.py"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
