"""One value, wanted by many at once: the constraint decides, and says so to each of them."""

from __future__ import annotations

from collections import Counter

from tests.faults.ledger import code_of
from tests.faults.load import at_once, client_of

ROUNDS = 5
CLIENTS = 20


async def test_one_of_many_creates_gets_a_unique_value(database, service, witness, figures):
    """Of twenty who create the same value at once one is answered 201, the others 409, and one row is stored."""
    answers: Counter[str] = Counter()

    async with service.running(), client_of(service) as client:
        for number in range(ROUNDS):
            body = {"email": f"{number}@example.com"}
            got = await at_once(CLIENTS, lambda _, body=body: client.post("/accounts", json=body))
            answers.update(f"{answer.status_code} {code_of(answer)}" for answer in got)

    figures(**{f"answers_{name.split()[0]}": count for name, count in answers.items()})
    assert answers == {"201 None": ROUNDS, "409 not-unique": ROUNDS * (CLIENTS - 1)}
    stored = witness.values("SELECT email FROM accounts")
    assert sorted(stored) == sorted({f"{number}@example.com" for number in range(ROUNDS)})
    assert service.failures == []
