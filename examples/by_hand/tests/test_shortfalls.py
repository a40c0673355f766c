"""What docs/tutorial/by-hand.md says that the apps by hand still lack, and a Resource has."""

from collections.abc import Callable

import pytest

from examples.by_hand.tests.service import BY_HAND, Service, started

BY_HAND_APPS = [
    ("sync_session", "sqlite3"),
    ("sync_session", "psycopg2"),
    ("async_session", "aiosqlite"),
    ("async_session", "asyncpg"),
]
MISSPELT = '{"nmae": "Ada"}'
NUL = r'{"name": "\u0000"}'
SURROGATE = r'{"name": "\ud800"}'
NAN = '{"name": NaN}'


def post(service: Service, body: str) -> int:
    headers = {"Content-Type": "application/json"}
    return service.client.post("/users/", content=body, headers=headers).status_code


@pytest.mark.parametrize(("app", "driver_name"), BY_HAND_APPS)
def test_by_hand_some_bodies_are_stored_wrongly_or_fail(
    app: str, driver_name: str, new_database: Callable[[str], str]
) -> None:
    """The apps by hand answer as the page says; once they do better, the page has to change."""
    nul = 201 if "sqlite" in driver_name else 500

    with started(app, BY_HAND, new_database(driver_name)) as service:
        statuses = [post(service, body) for body in (MISSPELT, NUL, SURROGATE, NAN)]

    assert statuses == [201, nul, 500, 500]


@pytest.mark.parametrize("driver_name", ["aiosqlite", "asyncpg"])
def test_a_resource_refuses_the_same_bodies(driver_name: str, new_database: Callable[[str], str]) -> None:
    """None of them is stored, and none is the server's fault."""
    with started("on_resource", BY_HAND, new_database(driver_name)) as service:
        statuses = [post(service, body) for body in (MISSPELT, NUL, SURROGATE, NAN)]
        stored = service.rows

    assert set(statuses) <= {400, 422}
    assert stored == []
