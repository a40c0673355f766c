"""`splice routes`: what is answered, and by what."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing


def test_routes_say_where_they_come_from(shop, run):
    """Generated routes name their model, others the function that answers."""
    said = run("routes", "main:app")

    lines = [line.split() for line in said.out.splitlines()]
    assert said.code == 0
    assert ["GET,", "HEAD", "/customers", "List", "customers", "generated", "for", "Customer"] in lines
    assert ["DELETE", "/customers/{id}", "Delete", "a", "Customer", "generated", "for", "Customer"] in lines
    assert ["GET", "/hello", "Hello", "main.hello"] in lines
    assert ["GET,", "HEAD", "/health", "Health", "splice.install"] in lines


def test_routes_can_be_read_by_programs(shop, run):
    """--json has the same, a list of objects."""
    said = run("routes", "shop.db", "--write", "--json")

    routes = json.loads(said.out)
    made = {(method, route["path"]) for route in routes for method in route["methods"] if route["resource"]}
    assert ("POST", "/customers") in made
    assert ("GET", "/Order Details/{order}/{line}") in made
    assert ("GET", "/visits") in made
    assert not any(
        path.startswith("/visits/{") or (method, path) == ("POST", "/visits") for method, path in made
    )


def test_what_is_no_route_of_a_method_is_listed_too(shop, run):
    """WebSockets and mounted applications stand in the list as what they are."""
    with (shop / "main.py").open("a", encoding="utf-8") as program:
        program.write(
            '\n\n@app.websocket("/live")\nasync def live(): ...\n\n\napp.mount("/old", FastAPI())\n'
        )

    lines = [line.split() for line in run("routes", "main:app").out.splitlines()]

    assert ["WEBSOCKET", "/live", "Live", "main.live"] in lines
    assert ["ANY", "/old", "FastAPI"] in lines


def test_a_bare_database_is_read_only(shop, run):
    """The routes are those that `serve` would have, with the same options."""
    routes = json.loads(run("routes", "shop.db", "--json").out)

    assert {method for route in routes for method in route["methods"]} == {"GET", "HEAD", "POST", "QUERY"}
    assert {route["path"] for route in routes if "POST" in route["methods"]} == {
        f"{route['path']}/query" for route in routes if "QUERY" in route["methods"]
    }


def test_the_project_names_the_target(shop, run, monkeypatch):
    """Without a target it is the application of pyproject.toml, found from the current folder upwards."""
    (shop / "pyproject.toml").write_text('[tool.splice]\napp = "main:app"\n')
    (shop / "below").mkdir()
    monkeypatch.chdir(shop / "below")

    assert "main.hello" in run("routes").out


def test_the_environment_names_the_database(shop, run, monkeypatch):
    """Without any target, DATABASE_URL is one; with models it says where their rows are."""
    monkeypatch.setenv("DATABASE_URL", "sqlite:///shop.db")

    assert "generated for Visit" in run("routes").out
    assert "generated for Order" in run("routes", "models.py").out


def test_a_variable_can_hold_the_target(shop, run, monkeypatch):
    """`$NAME`, unexpanded, is read from the environment, so that a password is in no history."""
    monkeypatch.setenv("SHOP_URL", "sqlite:///shop.db")

    assert "generated for Visit" in run("routes", "$SHOP_URL").out


def test_a_table_that_would_hide_the_documentation_gets_another_path(shop, run):
    """Paths that an application has for itself stay its own."""
    models = shop / "models.py"
    models.write_text(models.read_text().replace('__tablename__ = "orders"', '__tablename__ = "docs"'))
    with closing(sqlite3.connect(shop / "shop.db")) as connection:
        connection.execute("CREATE TABLE docs (id INTEGER PRIMARY KEY, customer_id INTEGER)")

    paths = {route["path"]: route["from"] for route in json.loads(run(*ROUTES, "--json").out)}

    assert paths["/docs"] == "splice.install"
    assert paths["/Order"] == "generated for Order"


ROUTES = ("routes", "models.py", "--database", "shop.db")
