"""What the document says of the query language, held against what the service takes."""

import datetime as dt
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Generic, TypeVar

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from splice import Database, Resource, install
from splice.grammar import Names
from splice.paging import Paging
from splice.parameters import list_parameters

T = TypeVar("T")


class Base(DeclarativeBase):
    pass


class Author(Base):
    """Somebody who writes."""

    __tablename__ = "authors"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(100))
    mentor_id: Mapped[int | None] = mapped_column(sa.ForeignKey("authors.id"))
    mentor: Mapped["Author | None"] = relationship(remote_side="Author.id")
    books: Mapped[list["Book"]] = relationship(back_populates="author")


class Book(Base):
    __tablename__ = "books"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(sa.String(200), doc="As on the cover.")
    kind: Mapped[str] = mapped_column(sa.Enum("novel", "essay", name="kind"))
    year: Mapped[int | None]
    price: Mapped[Decimal] = mapped_column(sa.Numeric(8, 2))
    added: Mapped[dt.datetime] = mapped_column(sa.DateTime(timezone=True))
    day: Mapped[dt.date]
    good: Mapped[bool]
    limit: Mapped[int]
    extra: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    author_id: Mapped[int] = mapped_column(sa.ForeignKey("authors.id"))
    author: Mapped[Author] = relationship(back_populates="books")


class Envelope(BaseModel, Generic[T]):
    data: list[T]
    pages: int | None


NUMBERED = Paging(
    page="page",
    cursor=None,
    offset=None,
    limit="size",
    envelope=Envelope,
    fill=lambda page: {"data": page.items, "pages": page.pages},
)


class Shown(BaseModel):
    id: int
    name: str


def build() -> FastAPI:
    db: Database[Any] = Database("sqlite+aiosqlite:///:memory:", create=Base.metadata)
    app = FastAPI()
    install(app, db)
    books = Resource(Book, db)

    @books.filter
    def cheaper_than(price: int) -> sa.ColumnElement[bool]:
        """Books that cost less."""
        return Book.price < price

    app.include_router(books)
    app.include_router(Resource(Author, db))
    app.include_router(Resource(Book, db, prefix="/numbered", paging=NUMBERED))
    app.include_router(Resource(Author, db, prefix="/shown", read=Shown))
    return app


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with TestClient(build()) as client:
        yield client


@pytest.fixture(scope="module")
def document(client: TestClient) -> dict[str, Any]:
    return client.get("/openapi.json").json()


def parameters(document: dict[str, Any], path: str) -> dict[str, dict[str, Any]]:
    return {
        each["name"]: each for each in document["paths"][path]["get"]["parameters"] if each["in"] == "query"
    }


def component(document: dict[str, Any], reference: dict[str, Any]) -> dict[str, Any]:
    return document["components"]["schemas"][reference["$ref"].rpartition("/")[2]]


def body_of_query(document: dict[str, Any], path: str = "/books/query") -> dict[str, Any]:
    return document["paths"][path]["post"]["requestBody"]["content"]["application/json"]


def filter_of(document: dict[str, Any]) -> dict[str, Any]:
    return component(document, component(document, body_of_query(document)["schema"])["properties"]["filter"])


def test_filters_are_typed_by_their_column(document):
    """Each operator that a column allows is a member, and none besides."""
    filters = parameters(document, "/books")["filters"]["schema"]["properties"]

    assert filters["title"] == {"type": "string", "pattern": "^[^\\x00]*$", "description": "As on the cover."}
    assert filters["year__gte"]["type"] == "integer"
    assert filters["kind"]["enum"] == ["novel", "essay"]
    assert filters["good__isnull"] == {"type": "boolean"}
    assert filters["title__icontains"]["maxLength"] == 1000
    assert {"kind__gt", "good__contains", "year__contains", "extra", "limit"}.isdisjoint(filters)
    assert {"limit__eq", "extra__isnull", "author__isnull", "cheaper_than"} <= set(filters)
    assert filters["cheaper_than"]["description"] == "Books that cost less."


LISTS = ("__in", "__not_in", "__between")
VALUES = {
    "string": ["Ada", ""],
    "integer": [0, -1],
    "number": [1.5],
    "boolean": [True],
}


def values_of(schema: dict[str, Any]) -> list[Any]:
    if "enum" in schema:
        return schema["enum"]
    if "anyOf" in schema:
        return [value for part in schema["anyOf"] for value in values_of(part)]
    if "format" in schema:
        return {"date": ["2026-01-31"], "date-time": ["2026-01-31T12:00:00Z"]}[schema["format"]]
    if schema.get("type") == "array":
        return [values_of(schema["items"])[:1] * schema.get("minItems", 1)]
    if schema.get("pattern", "^[^\\x00]*$") != "^[^\\x00]*$":
        return ["12.50"]
    return VALUES[schema["type"]]


def test_every_filter_of_the_document_is_taken(client, document):
    """In a query string, by the schema of its member."""
    filters = parameters(document, "/books")["filters"]["schema"]["properties"]

    for name, schema in filters.items():
        for value in values_of(schema) if not name.endswith(LISTS) else ():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            assert client.get("/books", params={name: text}).status_code == 200, (name, text)


def test_every_filter_of_a_body_is_taken(client, document):
    """In JSON, by the schema of its member; those of relations too."""
    for name, schema in filter_of(document)["properties"].items():
        if "$ref" not in schema and name not in {"and", "or"}:
            for value in values_of(schema):
                answer = client.post("/books/query", json={"filter": {name: value}})
                assert answer.status_code == 200, (name, value, answer.json())


def test_lists_of_values_are_text_with_commas(client, document):
    """What stands inside of an exploded object cannot be an array: clients would write it in as many ways."""
    filters = parameters(document, "/books")["filters"]["schema"]["properties"]

    assert filters["year__in"]["pattern"] == "^(-?[0-9]{1,9})(,(-?[0-9]{1,9}))*$"
    assert filters["kind__in"]["pattern"] == "^(novel|essay)(,(novel|essay))*$"
    assert client.get("/books", params={"year__in": "1843,-5", "kind__in": "novel,essay"}).status_code == 200
    assert client.get(
        "/books", params={"year__between": "1,2", "day__between": "2026-01-01,2026-02-01"}
    ).is_success


def test_every_sort_term_and_field_is_taken(client, document):
    """Terms of the model, and of rows that relations to one lead to."""
    described = parameters(document, "/books")

    terms = described["order_by"]["schema"]["items"]["enum"]
    assert {"year", "-year", "author__name", "-author__name"} <= set(terms)
    assert "extra" not in terms
    for term in terms:
        assert client.get("/books", params={"order_by": term}).status_code == 200, term
    fields = described["fields"]["schema"]["items"]["enum"]
    assert client.get("/books", params={"fields": ",".join(fields)}).status_code == 200
    assert described["order_by"]["explode"] is described["fields"]["explode"] is False


def test_every_relation_is_taken(client, document):
    """Those of the model, and the ones behind them that do not lead back."""
    ways = parameters(document, "/books")["expand"]["schema"]["items"]["enum"]

    assert ways == ["author", "author.mentor"]
    assert client.get("/books", params={"expand": ",".join(ways)}).status_code == 200
    assert parameters(document, "/books/{id}").keys() == {"fields", "expand"}


def test_the_examples_of_a_query_are_taken(client, document):
    """The first thing that anybody tries has to work."""
    examples = body_of_query(document)["examples"]

    assert set(examples) == {"filtered", "either", "related"}
    for example in examples.values():
        answer = client.post("/books/query", json=example["value"])
        assert answer.status_code == 200, (example, answer.json())
    for example in parameters(document, "/books")["filters"]["examples"].values():
        assert client.get("/books", params=example["value"]).status_code == 200, example


def test_the_filter_of_a_body_holds_itself(document):
    """`and`, `or` and `not` are typed all the way down; relations hold the conditions of their model."""
    reference = component(document, body_of_query(document)["schema"])["properties"]["filter"]
    properties = filter_of(document)["properties"]

    assert properties["or"]["items"] == properties["and"]["items"] == reference
    assert properties["not"]["$ref"] == reference["$ref"]
    assert "name__icontains" in component(document, properties["author"])["properties"]


def test_relations_are_offered_as_deep_as_they_are_shown(client, document):
    """What the document allows is taken at every depth, and what it does not offer is refused."""
    expand = component(document, body_of_query(document)["schema"])["properties"]["expand"]
    asked: dict[str, Any] = {}
    inner = asked
    for _ in range(4):
        offered = component(document, expand["anyOf"][1])["properties"]
        name = "author" if "author" in offered else "books"
        inner = inner.setdefault("expand", {}).setdefault(name, {})
        expand = component(document, offered[name])["properties"].get("expand")

    assert expand is None
    assert client.post("/books/query", json=asked).status_code == 200
    inner["expand"] = {"books": {}}
    assert client.post("/books/query", json=asked).json()["errors"][0]["code"] == "too-deep"


def test_rows_may_be_shown_in_part(document):
    """What `fields` leaves out is not required; what `expand` adds is there, and typed."""
    page = component(
        document,
        document["paths"]["/books"]["get"]["responses"]["200"]["content"]["application/json"]["schema"],
    )
    row = component(document, page["properties"]["items"]["items"])

    assert page["required"] == ["items", "next"]
    assert "required" not in row
    assert component(document, row["properties"]["author"]["anyOf"][0])["title"] == "AuthorItem"


def test_rows_behind_a_relation_have_the_language_of_their_resource(document):
    """The parameters are those of its own list."""
    assert parameters(document, "/authors/{id}/books") == parameters(document, "/books")


def test_names_and_envelopes_of_ones_own_are_told(document):
    """A page number in place of a cursor, and the user's own model around the rows."""
    described = parameters(document, "/numbered")
    answer = document["paths"]["/numbered"]["get"]["responses"]["200"]["content"]["application/json"]

    assert {"size", "page"} <= set(described)
    assert {"limit", "cursor", "offset"}.isdisjoint(described)
    assert set(component(document, answer["schema"])["properties"]) == {"data", "pages"}
    body = component(document, body_of_query(document, "/numbered/query")["schema"])
    assert {"size", "page"} <= set(body["properties"])


def test_a_model_of_ones_own_fixes_the_shape(document):
    """Its answers have neither fields nor relations to choose."""
    described = parameters(document, "/shown")
    answer = document["paths"]["/shown/{id}"]["get"]["responses"]["200"]["content"]["application/json"]

    assert {"fields", "expand"}.isdisjoint(described)
    assert component(document, answer["schema"])["required"] == ["id", "name"]


def test_a_setting_that_is_not_there_is_not_told():
    """A name of None is the name of nothing."""
    books = Resource(Book, Database("sqlite+aiosqlite:///:memory:"))

    names = [
        each["name"] for each in list_parameters(books._service.readable, Names(count=None, cursor=None))
    ]

    assert names == ["filters", "order_by", "limit", "offset", "fields"]


def test_the_page_of_a_wide_model_stays_short(document):
    """The filters are one parameter, described in a few lines, however many columns there are."""
    described = parameters(document, "/books")["filters"]["description"]

    assert len(described.splitlines()) <= 12
    assert len(parameters(document, "/books")) == 8
    assert len(json.dumps(document)) < 400_000
