"""A service that is started before its database."""

from __future__ import annotations

from dataclasses import replace

import anyio
import pytest
import sqlalchemy as sa
from anyio.to_thread import run_sync

from tests.faults.load import client_of, until_written

AWAY_SECONDS = 1
WAITS = "waiting 30 seconds for the database: no database answers"
BOUND_SECONDS = 10

pytestmark = pytest.mark.faults


async def test_a_service_waits_for_its_database(own, service, ledger, judge, figures):
    """A service that is started first waits, says so once, and serves when its database answers."""
    own.server.stop()
    with service.started() as running:
        with anyio.fail_after(BOUND_SECONDS):
            while WAITS not in service.log.read_text():  # noqa: ASYNC110  # nothing else tells
                await anyio.sleep(0.05)
        await anyio.sleep(AWAY_SECONDS)
        waits = running.process.poll() is None
        await run_sync(own.server.start)
        ready = await running.ready()
        async with client_of(service) as client:
            await until_written(client, ledger)

    figures(away_seconds=AWAY_SECONDS, ready_seconds=ready)
    assert waits
    assert service.log.read_text().count(WAITS) == 1
    judge()


@pytest.mark.parametrize("server", ["uvicorn", "splice"])
async def test_a_service_does_not_wait_without_end(own, server, service, figures):
    """When its database does not come within the bound, the service ends with an error that says what to do."""
    own.server.stop()
    service = replace(service, server=server, options={"START_TIMEOUT_SECONDS": "1"})
    with anyio.fail_after(BOUND_SECONDS), service.started() as running:
        code = await running.ended(BOUND_SECONDS)

    log = service.log.read_text()
    figures(exit_code=code)
    assert code not in {0, None}
    assert f"no database answers at {own.server.server.host}:{own.server.server.port}" in log
    assert own.server.server.password not in log


async def test_a_service_that_is_not_let_in_ends_at_once(own, service, figures):
    """A wrong password is nothing to wait for: the service ends, and neither that nor the right one is in its log."""
    url = sa.make_url(own.url).set(password="not the right one")
    service = replace(service, database=url.render_as_string(hide_password=False))
    with anyio.fail_after(BOUND_SECONDS), service.started() as running:
        code = await running.ended(BOUND_SECONDS)

    log = service.log.read_text()
    figures(exit_code=code)
    assert code not in {0, None}
    assert "does not let user" in log
    assert not [
        word for word in ("not the right one", "not%20the", own.server.server.password) if word in log
    ]
