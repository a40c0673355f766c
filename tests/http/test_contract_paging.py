"""Names of parameters and envelopes of one's own, page numbers, and counts."""

from __future__ import annotations

import dataclasses
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qsl, urlsplit

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from splice import Database, Paging, Resource, install
from splice.errors import SetupError
from splice.paging import Answered

Row = TypeVar("Row")


class Base(DeclarativeBase):
    pass


class City(Base):
    __tablename__ = "cities"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40))


class Meta(BaseModel):
    page: int
    pages: int
    rows: int


class Numbered(BaseModel, Generic[Row]):
    data: list[Row]
    meta: Meta


class Linked(BaseModel, Generic[Row]):
    results: list[Row]
    after: str | None
    before: str | None
    count: int | None


NUMBERED = Paging(
    page="page",
    limit="per_page",
    offset=None,
    cursor=None,
    order_by="sort",
    default_limit=2,
    always_count="exact",
    envelope=Numbered,
    fill=lambda found: {
        "data": found.items,
        "meta": {"page": found.number, "pages": found.pages, "rows": found.total},
    },
)
LINKED = Paging(
    limit="first",
    cursor="after",
    offset=None,
    fields="only",
    expand="include",
    envelope=Linked,
    fill=lambda found: (
        Linked[Any](results=[], after=found.next, before=found.previous, count=found.total).model_dump()
        | {"results": found.items}
    ),
)
OFFSETS = Paging(cursor=None, count=None)


def build(db: Database) -> FastAPI:
    app = FastAPI()
    install(app, db)
    app.include_router(Resource(City, db))
    app.include_router(Resource(City, db, prefix="/numbered", paging=NUMBERED))
    app.include_router(Resource(City, db, prefix="/linked", paging=LINKED))
    app.include_router(Resource(City, db, prefix="/offsets", paging=OFFSETS))
    return app


@pytest.fixture
def cities(service):
    """Five of them, stored in another order than that of their names."""
    service.store(*(City(name=name) for name in ("Rome", "Lima", "Oslo", "Bern", "Kyiv")))
    return service.client


def links(answer) -> dict[str, dict[str, str]]:
    return {rel: dict(parse_qsl(urlsplit(link["url"]).query)) for rel, link in answer.links.items()}


def test_pages_can_be_numbered(cities):
    """The envelope is what `fill` says, and links lead to numbers."""
    answer = cities.get("/numbered?page=2&sort=name")

    assert answer.json() == {
        "data": [{"id": 2, "name": "Lima"}, {"id": 3, "name": "Oslo"}],
        "meta": {"page": 2, "pages": 3, "rows": 5},
    }
    assert links(answer) == {
        "first": {"sort": "name", "per_page": "2"},
        "prev": {"sort": "name", "per_page": "2", "page": "1"},
        "next": {"sort": "name", "per_page": "2", "page": "3"},
    }


def test_the_last_page_and_those_behind_it(cities):
    """The last one links to none; what is behind it is empty, and still counted right."""
    last, behind = cities.get("/numbered?page=3"), cities.get("/numbered?page=9")

    assert "next" not in last.links
    assert behind.json() == {"data": [], "meta": {"page": 9, "pages": 3, "rows": 5}}


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("/numbered?page=0", "page"),
        ("/numbered?page=x", "page"),
        ("/numbered?page=99999999", "page"),
        ("/numbered?limit=3", "limit"),
        ("/numbered?cursor=x", "cursor"),
        ("/numbered?order_by=name", "order_by"),
        ("/numbered?per_page=0", "per_page"),
        ("/numbered?sort=nmae", "sort"),
        ("/linked?only=nmae", "only"),
        ("/linked?after=x", "after"),
        ("/offsets?cursor=x", "cursor"),
        ("/offsets?count=exact", "count"),
    ],
)
def test_other_names_are_unknown_and_faults_tell_the_right_ones(cities, path, parameter):
    """A parameter that is not there is a field that does not exist."""
    answer = cities.get(path)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == parameter


def test_an_envelope_of_cursors(cities):
    """Both neighbours stand in it; a model of Pydantic may write it."""
    first = cities.get("/linked?first=2&only=name").json()
    second = cities.get("/linked", params={"first": 2, "only": "name", "after": first["after"]}).json()
    back = cities.get("/linked", params={"first": 2, "only": "name", "after": second["before"]}).json()

    assert [row["name"] for row in first["results"] + second["results"]] == ["Rome", "Lima", "Oslo", "Bern"]
    assert (first["before"], first["count"]) == (None, None)
    assert back == first | {"after": back["after"]}


def test_offsets_alone(cities):
    """Without cursors, links count rows."""
    answer = cities.get("/offsets?limit=2&offset=2")

    assert "next" not in answer.json()
    assert links(answer)["next"] == {"limit": "2", "offset": "4"}
    assert links(answer)["prev"] == {"limit": "2", "offset": "0"}
    assert answer.json()["items"] == cities.get("/cities?limit=2&offset=2").json()["items"]


def test_a_document_has_the_same_names(cities):
    """So has the QUERY method."""
    wanted = {"sort": ["-name"], "per_page": 1, "page": 2, "fields": ["name"]}

    for answer in (
        cities.post("/numbered/query", json=wanted),
        cities.request("QUERY", "/numbered", json=wanted),
    ):
        assert answer.json()["data"] == [{"name": "Oslo"}]
    assert cities.post("/numbered/query", json={"limit": 1}).json()["errors"][0]["pointer"] == "/limit"


def test_the_document_of_the_api_shows_them(client):
    """Its parameters have these names, and the answer is the envelope of rows."""
    paths = client.get("/openapi.json").json()["paths"]
    operation = paths["/numbered"]["get"]
    names = {parameter["name"] for parameter in operation["parameters"]}

    assert {"per_page", "page", "sort", "count", "fields"} <= names
    assert not names & {"limit", "cursor", "offset", "order_by"}
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert "Numbered" in schema["$ref"]


@pytest.mark.parametrize(
    ("count", "said"),
    [
        ("exact", {"total": 5}),
        ("capped", {"total": 5, "total_is": "exact"}),
        ("estimated", {"total": 5, "total_is": "exact"}),
    ],
)
@pytest.mark.parametrize("where", ["limit=2", "offset=9", "limit=2&offset=2"])
def test_a_count_is_of_all_rows_whatever_the_page(cities, count, said, where):
    """A window count would be wrong behind the last page."""
    answer = cities.get(f"/cities?{where}&count={count}").json()

    assert {name: answer[name] for name in answer if name.startswith("total")} == said


def test_nothing_is_counted_unasked(service, cities):
    """A page is one statement."""
    with service.watching() as statements:
        cities.get("/cities?limit=2")

    assert len([text for text in statements if text.startswith("SELECT")]) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"envelope": Numbered}, "together"),
        ({"fill": dict}, "together"),
        ({"cursor": None, "offset": None}, "first page alone"),
        ({"limit": "offset"}, "one name: offset"),
        ({"limit": "page.size"}, "dots"),
        ({"limit": "page__size"}, "double underscores"),
        ({"default_limit": 0}, "1 or more"),
        ({"envelope": Numbered, "fill": lambda _: {"data": []}}, "page.items"),
    ],
)
def test_a_convention_that_cannot_work_is_refused(options, message):
    """At the start, with what is wrong."""
    with pytest.raises(SetupError, match=message):
        Paging(**options)


def test_what_is_known_of_a_page():
    """A number is that of an offset, and pages are those of an exact count."""
    known = Answered(limit=2, offset=4, next=None, previous=None, total=5)

    assert (known.number, known.pages) == (3, 3)
    assert dataclasses.replace(known, offset=None).number is None
    assert dataclasses.replace(known, total_is="at_least").pages is None
    assert dataclasses.replace(known, total_is="exact").pages == 3
