"""`assert_problem`: what passes, and what is said of what does not."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from splice import Database
from splice.testing import assert_problem
from tests.testing.service import service


@pytest.fixture
def app():
    """The service, on SQLite."""
    return service(Database("sqlite:////nowhere/app.db"))


@pytest.fixture
def taken(client):
    """The answer to a second user of one name."""
    client.post("/users", json={"name": "ada"})
    return client.post("/users", json={"name": "ada"})


@dataclass
class Answer:
    """An answer as a client shows it."""

    document: Any
    status_code: int = 409
    media_type: str = "application/problem+json"
    text: str = field(init=False)

    def __post_init__(self) -> None:
        self.text = json.dumps(self.document)

    @property
    def headers(self) -> dict[str, str]:
        return {"content-type": self.media_type}


WRITTEN = {"type": "/problems/not-unique", "title": "Not unique", "status": 409}


def test_a_problem_is_what_was_expected(taken):
    """Everything that is named is compared, and the document comes back."""
    document = assert_problem(taken, status=409, code="not-unique", pointer="/name")

    assert document["errors"][0]["pointer"] == "/name"


def test_a_hint_is_compared_by_its_words(client):
    """A part of a hint is enough: its wording may grow."""
    refused = client.get("/users?nmae=ada")

    assert_problem(refused, status=422, parameter="nmae", hint="'name'")


def test_the_code_may_be_that_of_the_document(client):
    """A problem without errors of its own is named by its type."""
    assert_problem(client.get("/users/7"), status=404, code="not-found")


@pytest.mark.parametrize(
    ("expected", "said"),
    [
        ({"status": 404}, "the status is 409, not 404"),
        ({"code": "not-found"}, "none of its errors has code 'not-found'"),
        ({"pointer": "/email"}, "none of its errors has pointer '/email'"),
        (
            {"code": "not-unique", "parameter": "name"},
            "none of its errors has code 'not-unique', parameter 'name'",
        ),
        ({"hint": "something else"}, "none of its errors has hint 'something else'"),
    ],
)
def test_another_problem_is_shown_whole(taken, expected, said):
    """A failure names what is missing, and shows the answer."""
    with pytest.raises(AssertionError) as failure:
        assert_problem(taken, **expected)

    first, status, *shown = str(failure.value).splitlines()
    assert (first, status) == (said, "409")
    assert json.loads("\n".join(shown)) == taken.json()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            Answer(WRITTEN, media_type="application/json"),
            "the answer is application/json, not application/problem",
        ),
        (Answer([WRITTEN]), "the document is no JSON object"),
        (Answer(WRITTEN | {"status": 400}), "it says status 400 in an answer of 409"),
        (Answer(WRITTEN | {"title": None}), "its 'title' is no str"),
        (Answer({"status": 409}), "it has no 'type'; it has no 'title'"),
        (Answer(WRITTEN | {"errors": {}}), "its 'errors' is no list"),
    ],
)
def test_what_is_no_problem_document_is_refused(answer, said):
    """Media type and members are those of RFC 9457, whatever else is expected."""
    with pytest.raises(AssertionError, match=said):
        assert_problem(answer)


def test_an_answer_that_is_no_json_is_shown(client):
    """The text of an unexpected answer is what one wants to see."""
    with pytest.raises(AssertionError, match=r"application/problem\+json\n200\n{"):
        assert_problem(client.get("/users"), status=404)


def test_one_error_holds_all(taken):
    """Parts of two errors are not put together."""
    two = WRITTEN | {"errors": [{"code": "a", "pointer": "/a"}, {"code": "b", "pointer": "/b"}]}

    assert_problem(Answer(two), code="b", pointer="/b")
    with pytest.raises(AssertionError):
        assert_problem(Answer(two), code="a", pointer="/b")
