"""Several processes start at the same time on a database that is empty."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

import pytest

from tests.databases.servers import reserved_port
from tests.faults.load import at_once, client_of

SERVICES = 4
PROGRAMS = {"create": "tests.faults.application:app", "migrations": "examples.users.main:app"}
LISTS = {"create": "/entries", "migrations": "/users"}


@pytest.mark.faults
@pytest.mark.parametrize("way", ["create", "migrations"])
async def test_four_services_start_at_once_on_an_empty_database(database, way, service, witness, figures):
    """Four services that start at once make the tables once, by `create=` or by migrations, and all serve."""
    with ExitStack() as ends:
        services = [
            replace(service, port=ends.enter_context(reserved_port()), program=PROGRAMS[way])
            for _ in range(SERVICES)
        ]
        running = [ends.enter_context(each.started()) for each in services]
        seconds = await at_once(SERVICES, lambda number: running[number].ready())
        answers = await at_once(SERVICES, lambda number: _list(services[number], LISTS[way]))

    figures(services=SERVICES, ready_seconds=max(seconds))
    assert answers == [200] * SERVICES
    if way == "migrations":
        assert len(witness.values("SELECT version_num FROM alembic_version")) == 1
    assert service.failures == []


async def _list(service, path: str) -> int:
    async with client_of(service) as client:
        return (await client.get(path)).status_code
