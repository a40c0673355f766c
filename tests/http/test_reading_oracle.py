"""Every page is what the same query gives in plain Python, whatever the models, the rows and the query."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, note, seed, settings
from hypothesis import strategies as st

from splice import Database, Resource, install
from tests.databases.drivers import DRIVERS, REPRESENTATIVES, Place
from tests.databases.plugin import reason_to_skip
from tests.http.conftest import Service, serving
from tests.http.oracle import World, answer
from tests.http.worlds import documents, filters, mapped, worlds

SEEDS = (1, 2, 3)
"""Each gives another set of models and rows; more may be tried by hand."""


@functools.cache
def drawn(number: int) -> World:
    """The world of a seed, the same for all databases."""
    found: list[World] = []

    @seed(number)
    @settings(max_examples=8, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(worlds())
    def draw(world: World) -> None:
        found.append(world)

    draw()
    return found[-1]


@pytest.fixture(scope="module", params=SEEDS)
def world(request: pytest.FixtureRequest) -> World:
    """Models and rows."""
    return drawn(request.param)


@pytest.fixture(scope="module", params=REPRESENTATIVES)
def service(
    request: pytest.FixtureRequest,
    world: World,
    tmp_path_factory: pytest.TempPathFactory,
    administrations: Any,
) -> Iterator[Service]:
    """An application that serves the world, on each database."""
    driver = DRIVERS[request.param]
    if reason := reason_to_skip(driver.dialect):
        pytest.skip(reason)
    if driver.dialect == "sqlite":
        with serving(
            module(world), driver, Place(str(tmp_path_factory.mktemp("world") / "test.db"))
        ) as running:
            yield filled(running, world)
    else:
        with (
            administrations(driver.dialect).database() as place,
            serving(module(world), driver, place) as running,
        ):
            yield filled(running, world)


@pytest.fixture(autouse=True)
def count(request: pytest.FixtureRequest, service: Service) -> None:
    """Count the driver among those that were tested."""
    request.node.user_properties.append(("driver", service.driver.name))


def module(world: World) -> Any:
    base, classes = mapped(world)

    def build(db: Database[Any]) -> FastAPI:
        app = FastAPI()
        install(app, db)
        for model in classes.values():
            app.include_router(Resource(model, db, only={"list", "read"}))
        return app

    return SimpleNamespace(Base=base, build=build)


def filled(service: Service, world: World) -> Service:
    with service.witness.begin() as session:
        for name, rows in world.rows.items():
            if rows:
                session.execute(service.metadata.tables[name].insert(), [dict(row) for row in rows])
    return service


SETTINGS = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.function_scoped_fixture,
        HealthCheck.data_too_large,
    ],
)


@given(data=st.data())
@SETTINGS
def test_a_filter_finds_what_plain_python_finds(service: Service, world: World, data: st.DataObject):
    """Trees of conditions, NULLs and relations in them, find the same rows as the contract done by hand."""
    name = data.draw(st.sampled_from(list(world.entities)))
    for tree in data.draw(st.lists(filters(world, name), min_size=1, max_size=6)):
        document = {"filter": tree, "limit": 1000, "fields": list(world.entities[name].key)}

        page = asked(service, world, name, document)

        assert page["items"] == answer(world, name, document)["items"]


@given(data=st.data())
@SETTINGS
def test_a_page_is_what_plain_python_finds(service: Service, world: World, data: st.DataObject):
    """Filters, order, limits, offsets, totals, fields and expanded relations agree with the contract done by hand."""
    name = data.draw(st.sampled_from(list(world.entities)))
    document = data.draw(documents(world, name))
    if data.draw(st.booleans()):
        document["offset"] = data.draw(st.integers(0, 20))
    if data.draw(st.booleans()):
        document["count"] = "exact"

    page = asked(service, world, name, document)

    expected = answer(world, name, document)
    # As text: members come in the order of the model, too.
    assert json.dumps(page["items"]) == json.dumps(expected["items"])
    assert page.get("total") == expected.get("total")
    assert (page["next"] is not None) is expected["more"]


def asked(service: Service, world: World, name: str, document: dict[str, Any]) -> Any:
    """The page that the application answers."""
    response = service.client.post(f"/{name}/query", json=document)
    note(f"{name}: {world.entities[name]}")
    note(f"{json.dumps(document, ensure_ascii=False)} -> {response.text[:3000]}")
    assert response.status_code == 200
    return response.json()
