"""The judge of all cases: what counts as acknowledged, refused and unknown, and what is found wrong."""

from __future__ import annotations

import httpx2
import pytest

from splice.problems import MEDIA_TYPE
from tests.faults.ledger import Comparison, Ledger


def answer(status: int, code: str | None = None, **headers: str) -> httpx2.Response:
    if code is None:
        return httpx2.Response(status, json={}, headers=headers)
    document = {"type": f"/problems/{code}"}
    return httpx2.Response(status, json=document, headers={**headers, "Content-Type": MEDIA_TYPE})


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        (answer(201), "acknowledged"),
        (answer(409, "not-unique"), "refused"),
        (answer(503, "too-busy"), "refused"),
        (answer(503, "commit-unknown"), "unknown"),
        (answer(500, "internal-error"), "unknown"),
        (answer(502), "unknown"),
        (None, "unknown"),
    ],
)
def test_an_answer_says_what_became_of_a_write(response, outcome):
    """2xx is stored, a problem that says so is not, and of all else nobody knows."""
    assert Ledger().note("a", response).outcome == outcome


@pytest.mark.parametrize(
    ("response", "in_order"),
    [
        (answer(201), True),
        (answer(503, "too-busy", **{"Retry-After": "1"}), True),
        (answer(503, "too-busy"), False),
        (answer(503, "commit-unknown"), True),
        (answer(500, "internal-error"), False),
        (answer(409, "not-unique"), False),
    ],
)
def test_in_trouble_a_client_is_owed_the_time_to_come_back(response, in_order):
    """While the database is in trouble 2xx is in order, and 503 that says when to come back."""
    ledger = Ledger()
    ledger.note("a", response)

    assert (not ledger.out_of_order) is in_order


def test_a_ledger_is_held_against_the_table():
    """What was acknowledged is stored, what was refused or sent to nobody is not, and nothing is stored twice."""
    ledger = Ledger()
    lost, refused, unreached, twice, unknown, unheard = (ledger.new_name() for _ in range(6))
    ledger.note(lost, answer(201))
    ledger.note(refused, answer(409, "not-unique"))
    ledger.note_unreached(unreached)
    ledger.note(twice, answer(201))

    found = ledger.compare([refused, unreached, twice, twice, unknown, "somebody's"])

    assert ledger.named("unknown") == {unknown, unheard}
    assert found == Comparison(
        lost=frozenset({lost}),
        stored_though_refused=frozenset({refused, unreached}),
        twice=frozenset({twice}),
        unheard_of=frozenset({"somebody's"}),
    )
