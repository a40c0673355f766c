"""One contract, kept by all four apps on every database that they can reach."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from examples.by_hand.tests.service import Service

MORE_THAN_A_POOL_HOLDS = 20


def test_create_answers_201_with_the_row(service: Service) -> None:
    """POST stores the user of its JSON body and answers what was stored, with its new id."""
    answer = service.client.post("/users/", json={"name": "Ada", "email": "ada@example.org"})

    assert answer.status_code == 201
    assert answer.json() == {"id": answer.json()["id"], "name": "Ada", "email": "ada@example.org"}
    assert service.rows == [("Ada", "ada@example.org")]


def test_read_answers_what_was_stored(service: Service) -> None:
    """GET answers the row that POST made."""
    user_id = service.create("Ada", "ada@example.org")

    answer = service.client.get(f"/users/{user_id}")

    assert answer.status_code == 200
    assert answer.json() == {"id": user_id, "name": "Ada", "email": "ada@example.org"}


def test_nullable_columns_may_be_null_or_omitted(service: Service) -> None:
    """`Column(String)` allows NULL, also more than once in a unique column, and so does the API."""
    first = service.client.post("/users/", json={"name": None, "email": None})
    second = service.client.post("/users/", json={})

    assert (first.status_code, second.status_code) == (201, 201)
    assert service.rows == [(None, None), (None, None)]
    assert service.client.get(f"/users/{second.json()['id']}").json()["email"] is None


def test_replace_answers_the_new_row(service: Service) -> None:
    """PUT stores the whole body in place of the row."""
    user_id = service.create("Ada", "ada@example.org")

    answer = service.client.put(f"/users/{user_id}", json={"name": "Grace", "email": "grace@example.org"})

    assert answer.status_code == 200
    assert answer.json() == {"id": user_id, "name": "Grace", "email": "grace@example.org"}
    assert service.rows == [("Grace", "grace@example.org")]


def test_replace_empties_what_it_does_not_name(service: Service) -> None:
    """PUT is a full replacement: a field that is left out becomes NULL."""
    user_id = service.create("Ada", "ada@example.org")

    answer = service.client.put(f"/users/{user_id}", json={"name": "Ada"})

    assert answer.status_code == 200
    assert service.rows == [("Ada", None)]


def test_replace_takes_back_what_read_gave(service: Service) -> None:
    """A client may send a row as it got it, its id included, with one value changed."""
    user_id = service.create("Ada", "ada@example.org")
    user = service.client.get(f"/users/{user_id}").json()

    answer = service.client.put(f"/users/{user_id}", json=user | {"name": "Ada Lovelace"})

    assert answer.status_code == 200
    assert answer.json() == {"id": user_id, "name": "Ada Lovelace", "email": "ada@example.org"}


def test_delete_answers_204_without_a_body(service: Service) -> None:
    """DELETE removes the row and says nothing; the user is missing from then on."""
    user_id = service.create("Ada", "ada@example.org")

    answer = service.client.delete(f"/users/{user_id}")

    assert (answer.status_code, answer.content) == (204, b"")
    assert service.rows == []
    assert service.client.get(f"/users/{user_id}").status_code == 404


def test_a_missing_user_is_404(service: Service) -> None:
    """No route answers 200 with null for a user that is not there."""
    answers = service.call_each_method("/users/2147483647")

    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert all(answer.json()["detail"] for answer in answers)
    assert service.rows == []


def test_create_with_a_taken_email_is_409(service: Service) -> None:
    """The unique constraint refuses the second user, and the client is told so."""
    service.create("Ada", "ada@example.org")

    answer = service.client.post("/users/", json={"name": "Eve", "email": "ada@example.org"})

    assert answer.status_code == 409
    assert answer.json()["detail"]
    assert service.rows == [("Ada", "ada@example.org")]


def test_replace_with_a_taken_email_is_409(service: Service) -> None:
    """A refused replacement leaves both rows as they were."""
    service.create("Ada", "ada@example.org")
    eve = service.create("Eve", "eve@example.org")

    answer = service.client.put(f"/users/{eve}", json={"name": "Eve", "email": "ada@example.org"})

    assert answer.status_code == 409
    assert answer.json()["detail"]
    assert service.rows == [("Ada", "ada@example.org"), ("Eve", "eve@example.org")]


def test_one_of_many_racing_for_an_email_gets_it(service: Service) -> None:
    """Requests at the same moment cannot slip between a check and an insert: there is no check."""

    def create(name: str) -> int:
        return service.client.post("/users/", json={"name": name, "email": "ada@example.org"}).status_code

    with ThreadPoolExecutor(8) as threads:
        statuses = sorted(threads.map(create, "abcdefgh"))

    assert statuses == [201] + [409] * 7
    assert len(service.rows) == 1


@pytest.mark.parametrize("body", [{"name": 3}, {"email": ["ada@example.org"]}, "Ada", None], ids=repr)
def test_a_body_of_wrong_types_is_422(service: Service, body: Any) -> None:
    """JSON bodies are typed: nothing is guessed from a number, a list or a bare text."""
    answer = service.client.post("/users/", json=body)

    assert answer.status_code == 422
    assert answer.json()["detail"]
    assert service.rows == []


@pytest.mark.parametrize(
    "request_parts",
    [{"params": {"name": "Ada", "email": "ada@example.org"}}, {"content": '{"name": "Ada"'}],
    ids=["query parameters", "broken JSON"],
)
def test_what_is_no_json_body_stores_nothing(service: Service, request_parts: dict[str, Any]) -> None:
    """Values in the query string and unfinished JSON are the client's mistake, and are refused."""
    headers = {"Content-Type": "application/json"}

    answer = service.client.post("/users/", headers=headers, **request_parts)

    assert answer.status_code in {400, 422}
    assert service.rows == []


@pytest.mark.parametrize("user_id", ["ada", "1.5", str(2**31), str(-(2**31) - 1), str(2**63), "9" * 40])
def test_an_id_that_no_integer_column_holds_is_422(service: Service, user_id: str) -> None:
    """The id is checked against the column's range; the database is not asked, and does not raise."""
    answers = service.call_each_method(f"/users/{user_id}")

    assert [answer.status_code for answer in answers] == [422, 422, 422]
    assert all(answer.json()["detail"] for answer in answers)


def test_a_write_is_stored_before_its_answer_starts(service: Service) -> None:
    """COMMIT comes first: as the status line leaves, another connection already sees the write."""
    user_id = service.create("Ada", "ada@example.org")
    assert service.witness.seen_as_answer_started == [("Ada", "ada@example.org")]

    service.client.put(f"/users/{user_id}", json={"name": "Grace", "email": "grace@example.org"})
    assert service.witness.seen_as_answer_started == [("Grace", "grace@example.org")]

    service.client.delete(f"/users/{user_id}")
    assert service.witness.seen_as_answer_started == []


def test_refused_requests_give_their_connections_back(service: Service) -> None:
    """After more failures than the pool has connections, the next request is served."""
    user_id = service.create("Ada", "ada@example.org")

    for _ in range(MORE_THAN_A_POOL_HOLDS):
        assert service.client.post("/users/", json={"email": "ada@example.org"}).status_code == 409
        assert service.client.get("/users/2147483647").status_code == 404

    assert service.client.get(f"/users/{user_id}").status_code == 200
