"""GET of a collection: the envelope, pages, equality filters, order and totals."""

from __future__ import annotations

import datetime as dt
import enum
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import sqlalchemy as sa
from fastapi import Depends, FastAPI, Query, Security
from fastapi.security import APIKeyQuery
from pydantic import BaseModel
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from splice import Database, Resource, install, private, write_only


class Base(DeclarativeBase):
    pass


class Genre(enum.Enum):
    NOVEL = "a novel"
    POEM = "a poem"


class Book(Base):
    __tablename__ = "books"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(sa.String(100))
    year: Mapped[int | None]
    price: Mapped[Decimal | None] = mapped_column(sa.Numeric(8, 2))
    in_print: Mapped[bool] = mapped_column(default=True)
    genre: Mapped[Genre | None]
    released: Mapped[dt.date | None]
    seen_at: Mapped[dt.datetime | None] = mapped_column(sa.DateTime(timezone=True))
    limit: Mapped[int | None]
    extra: Mapped[Any | None] = mapped_column(sa.JSON)
    margin: Mapped[int] = mapped_column(default=7, info=private)
    pin: Mapped[str | None] = mapped_column(sa.String(10), info=write_only)


class Paging(BaseModel):
    theme: str = "light"
    accent: Annotated[str, Query(alias="accent-colour")] = "blue"


def language(lang: str = "en", also: Annotated[list[str], Query(alias="also[]")] = []) -> str:  # noqa: B006  # FastAPI copies it
    return lang


def themed(paging: Annotated[Paging, Query()]) -> Paging:
    return paging


def build(db: Database) -> FastAPI:
    app = FastAPI(dependencies=[Depends(language)])
    install(app, db)
    app.include_router(Resource(Book, db))
    key = Security(APIKeyQuery(name="api-key", auto_error=False))
    app.include_router(
        Resource(Book, db, prefix="/keyed", dependencies=[key], max_limit=5), dependencies=[Depends(themed)]
    )
    return app


@pytest.fixture
def shelf(service):
    """Five books, of which one has no year."""
    years = {"Emma": 1815, "Persuasion": 1817, "Sanditon": None, "Orlando": 1928, "Ulysses": 1922}
    service.store(*(Book(title=title, year=year) for title, year in years.items()))
    return service.client


def titles(answer) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["title"] for item in answer.json()["items"]]


def issue(answer) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    (only,) = answer.json()["errors"]
    return only


def test_an_empty_list_is_a_page_without_items(client):
    """The envelope is the same for no rows as for many."""
    answer = client.get("/books")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.content == b'{"items":[],"next":null}'


def test_an_item_is_the_row_that_its_own_address_shows(shelf):
    """A row reads the same in a list as alone, byte for byte."""
    page = shelf.get("/books", params={"order_by": "-id", "limit": 1, "offset": 4})
    row = shelf.get(f"/books/{page.json()['items'][0]['id']}")

    assert page.content == b'{"items":[' + row.content + b'],"next":null}'


def test_hidden_columns_are_never_sent(shelf):
    """Private and write-only columns are in no answer."""
    item = shelf.get("/books").json()["items"][0]

    assert list(item) == [
        "id",
        "title",
        "year",
        "price",
        "in_print",
        "genre",
        "released",
        "seen_at",
        "limit",
        "extra",
    ]


def test_a_page_holds_fifty_rows_unless_told(service):
    """Without `limit`, fifty rows are sent, and the next page is linked."""
    service.store(*(Book(title=f"{number}") for number in range(51)))

    answer = service.client.get("/books")

    assert len(answer.json()["items"]) == 50
    assert 'rel="next"' in answer.headers["link"]


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "ten", "1.0", "", "1e2", "99999999999999999999", "٣"])
def test_a_limit_that_cannot_be_met_is_refused(client, limit):
    """A page has 1 to 1,000 rows; anything else is refused, never cut down."""
    assert issue(client.get("/books", params={"limit": limit}))["parameter"] == "limit"


def test_a_thousand_rows_are_a_page(client):
    """The largest page is allowed."""
    assert client.get("/books?limit=1000").status_code == 200


def test_a_resource_may_lower_the_largest_page(client):
    """`max_limit=` bounds the default page too."""
    assert client.get("/keyed?limit=5").status_code == 200
    assert issue(client.get("/keyed?limit=6"))["parameter"] == "limit"
    assert "limit=5" in client.get("/keyed").headers["link"]


@pytest.mark.parametrize("offset", ["-1", "two", "100001", ""])
def test_an_offset_out_of_bounds_is_refused(client, offset):
    """The rows that may be skipped are bounded, since the database reads all of them."""
    assert issue(client.get("/books", params={"offset": offset}))["parameter"] == "offset"


def test_pages_by_offset_show_each_row_once(shelf):
    """Walking the pages visits every row once, in the order asked for."""
    seen = [titles(shelf.get(f"/books?order_by=-year&limit=2&offset={offset}")) for offset in (0, 2, 4, 6)]

    assert seen == [["Orlando", "Ulysses"], ["Persuasion", "Emma"], ["Sanditon"], []]


@pytest.mark.parametrize("query", ["limit=2&limit=2", "offset=1&offset=2", "order_by=id&order_by=title"])
def test_a_setting_given_twice_is_refused(client, query):
    """It is not guessed which of two settings was meant."""
    found = issue(client.get(f"/books?{query}"))

    assert found["code"] == "repeated-parameter"


def test_the_link_header_leads_through_all_pages(shelf):
    """`rel="next"` leads to the last page and no further; `prev` and `first` lead back; other parameters are kept."""
    seen, address = [], "/books?order_by=title&in_print=true&limit=2"
    while address:
        answer = shelf.get(address)
        seen += titles(answer)
        links = {name: link["url"] for name, link in answer.links.items()}
        address = links.get("next")

    assert seen == ["Emma", "Orlando", "Persuasion", "Sanditon", "Ulysses"]
    before = dict(parse_qsl(urlsplit(links["prev"]).query))
    assert before == {"order_by": "title", "in_print": "true", "limit": "2", "cursor": before["cursor"]}
    assert titles(shelf.get(links["prev"])) == ["Persuasion", "Sanditon"]
    assert titles(shelf.get(links["first"])) == ["Emma", "Orlando"]


def test_a_link_escapes_what_it_repeats(service):
    """Values in links are percent-encoded, so the next page has the same filter."""
    service.store(Book(title="Ü & <ñ>", year=1), Book(title="Ü & <ñ>", year=2))

    first = service.client.get("/books", params={"title": "Ü & <ñ>", "limit": 1, "order_by": "year"})

    assert titles(service.client.get(first.links["next"]["url"])) == ["Ü & <ñ>"]


@pytest.mark.parametrize(
    "query", ["", "&limit=2", "&offset=4", "&offset=5", "&offset=99", "&limit=1&offset=3"]
)
def test_the_total_is_that_of_all_pages(shelf, query):
    """`count=exact` counts what matches, on every page and past the last."""
    assert shelf.get(f"/books?count=exact{query}").json()["total"] == 5


def test_the_total_counts_what_matches(shelf):
    """A filter applies to the total too."""
    assert shelf.get("/books?count=exact&year=1928&limit=1").json()["total"] == 1


@pytest.mark.parametrize("count", ["", "yes", "Exact", "true"])
def test_an_unknown_way_to_count_is_refused(client, count):
    """Only `exact` is known."""
    assert issue(client.get("/books", params={"count": count}))["parameter"] == "count"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("year=1928", ["Orlando"]),
        ("year=1928&year=1815", ["Emma", "Orlando"]),
        ("year__eq=1928", ["Orlando"]),
        ("year__eq=1928&year=1815", []),
        ("year=1928&title=Orlando", ["Orlando"]),
        ("year=1928&title=Emma", []),
        ("title=Emma&title=Orlando&year=1815", ["Emma"]),
        ("in_print=true&year=1922", ["Ulysses"]),
        ("in_print=false", []),
    ],
)
def test_conditions_on_different_fields_all_hold(shelf, query, expected):
    """A repeated parameter means any of its values; different parameters all hold."""
    assert titles(shelf.get(f"/books?order_by=title&{query}")) == expected


def test_a_comma_is_part_of_the_value(service):
    """Equality compares the whole text."""
    service.store(Book(title="Rome, Open City"), Book(title="Rome"))

    assert titles(service.client.get("/books", params={"title": "Rome, Open City"})) == ["Rome, Open City"]
    assert titles(service.client.get("/books", params={"title": "Rome,Emma"})) == []


@pytest.mark.parametrize(
    "other", ["ADA", "Ada", "ÁDA", "áda", "ada ", " ada", "ada\t", "ad", "a%", "ad_", "ａｄａ", "ada\u0301"]
)
def test_equality_is_exact_on_every_database(service, other):
    """Case, accents, width and spaces at the end tell values apart; wildcards are ordinary characters."""
    service.store(Book(title="ada"), Book(title=other))

    assert titles(service.client.get("/books", params={"title": "ada"})) == ["ada"]
    assert titles(service.client.get("/books", params={"title": other})) == [other]
    assert service.client.get("/books", params={"title": other, "count": "exact"}).json()["total"] == 1


@pytest.mark.parametrize(
    ("field", "stored", "asked"),
    [
        ("year", -5, "-5"),
        ("price", Decimal("12.50"), "12.5"),
        ("price", Decimal("12.50"), "12.500"),
        ("genre", Genre.POEM, "a poem"),
        ("released", dt.date(2024, 2, 29), "2024-02-29"),
        ("seen_at", dt.datetime(2024, 2, 29, 10, 30, tzinfo=dt.UTC), "2024-02-29T12:30:00+02:00"),
        ("seen_at", dt.datetime(2024, 2, 29, 10, 30, tzinfo=dt.UTC), "2024-02-29T10:30:00Z"),
        ("seen_at", dt.datetime(2024, 2, 29, 10, 30, 0, 1, tzinfo=dt.UTC), "2024-02-29T10:30:00.000001Z"),
        ("title", "", ""),
        ("title", "a\nb\\c'\"%", "a\nb\\c'\"%"),
        ("title", "🦊", "🦊"),
    ],
)
def test_a_filter_reads_text_as_the_type_of_its_column(service, field, stored, asked):
    """Equality compares values, not spellings."""
    service.store(Book(**{"title": "it", field: stored}), Book(title="another"))

    answer = service.client.get("/books", params={field: asked})

    assert len(titles(answer)) == 1
    assert answer.json()["items"][0]["title"] != "another"


@pytest.mark.parametrize(
    ("field", "asked"),
    [
        ("year", "old"),
        ("year", ""),
        ("year", "1.5"),
        ("year", "2147483648"),
        ("price", "NaN"),
        ("price", "cheap"),
        ("in_print", "maybe"),
        ("genre", "NOVEL"),
        ("released", "2023-02-29"),
        ("released", "0000-01-01"),
        ("seen_at", "2024-02-29T12:30:00"),
        ("seen_at", "0001-01-01T00:00:00+14:00"),
        ("title", "a\0b"),
        ("title__eq", "\0"),
    ],
)
def test_a_value_that_no_row_can_have_is_refused(client, field, asked):
    """A value outside its column's type names the parameter as it was spelt."""
    assert issue(client.get("/books", params={field: asked}))["parameter"] == field


def test_null_equals_nothing(shelf):
    """`null` is text like any other: NULL matches no comparison."""
    assert titles(shelf.get("/books?title=null")) == []


def test_a_column_named_like_a_setting_is_asked_for_by_its_operator(service):
    """`limit` bounds the page; `limit__eq` filters by the column of that name."""
    service.store(Book(title="three", limit=3), Book(title="four", limit=4))

    assert titles(service.client.get("/books?limit__eq=3")) == ["three"]
    assert titles(service.client.get("/books?order_by=-limit&limit=1")) == ["four"]


def test_nulls_come_last_in_both_directions(shelf):
    """Ascending or descending, rows without a value are at the end."""
    assert titles(shelf.get("/books?order_by=year")) == [
        "Emma",
        "Persuasion",
        "Ulysses",
        "Orlando",
        "Sanditon",
    ]
    assert titles(shelf.get("/books?order_by=-year")) == [
        "Orlando",
        "Ulysses",
        "Persuasion",
        "Emma",
        "Sanditon",
    ]


def test_ties_are_ordered_by_key(service):
    """The key is the last sort term, ascending, so that pages do not overlap."""
    service.store(*(Book(title="same", year=number % 2) for number in range(20)))
    keys = [item["id"] for item in service.client.get("/books").json()["items"]]

    items = service.client.get("/books?order_by=-title,year").json()["items"]

    assert keys == sorted(keys)
    assert [item["id"] for item in items] == [*keys[::2], *keys[1::2]]


def test_later_sort_terms_order_the_ties_of_earlier_ones(service):
    """Sort terms are separated by commas, the first weighs most, and a repeated one changes nothing."""
    rows = [("b", 1), ("a", 1), ("a", 2)]
    service.store(*(Book(title=title, year=year) for title, year in rows))

    items = service.client.get("/books?order_by=title,-year,-title").json()["items"]

    assert [(item["title"], item["year"]) for item in items] == [("a", 2), ("a", 1), ("b", 1)]


def test_the_key_may_be_sorted_descending(shelf):
    """The key is an ordinary sort term when it is asked for."""
    keys = [item["id"] for item in shelf.get("/books?order_by=-id").json()["items"]]

    assert keys == sorted(keys, reverse=True)


@pytest.mark.parametrize("order", ["", "-", "title,", ",title", "title,,year"])
def test_an_empty_sort_term_is_refused(client, order):
    """A sort term names a field."""
    assert issue(client.get("/books", params={"order_by": order}))["parameter"] == "order_by"


@pytest.mark.parametrize(
    ("query", "parameter", "hint"),
    [
        ("yaer=1992", "yaer", "year"),
        ("yaer__eq=1992", "yaer__eq", "year"),
        ("limt=3", "limt", "limit"),
        ("ordr_by=year", "ordr_by", "order_by"),
        ("order_by=titel", "order_by", "title"),
        ("order_by=+title", "order_by", "title"),
        ("Title=x", "Title", "title"),
    ],
)
def test_a_misspelt_name_is_refused_with_its_neighbour(client, query, parameter, hint):
    """A name that is no field is never ignored, and the nearest one is offered."""
    found = issue(client.get(f"/books?{query}"))

    assert found["parameter"] == parameter
    assert f"did you mean {hint!r}?" in found["hint"]


@pytest.mark.parametrize(
    "name", ["margin", "pin", "extra", "metadata", "__eq", "title__title", "author.name"]
)
@pytest.mark.parametrize("query", ["{}=1", "{}__eq=1", "order_by={}", "order_by=-{}"])
def test_what_is_hidden_cannot_be_asked_about(client, name, query):
    """A hidden column is as unknown as one that does not exist, and no hint gives it away."""
    found = issue(client.get(f"/books?{query.format(name)}"))

    assert found["code"] == "unknown-field"
    assert "margin" not in found["hint"]
    assert "pin" not in found["hint"].split("'")


def test_every_mistake_is_named_at_once(client):
    """One answer lists all that is wrong with the query."""
    answer = client.get("/books?yaer=1&order_by=titel&limit=5000&year=x")

    assert {error["parameter"] for error in answer.json()["errors"]} == {"yaer", "order_by", "limit", "year"}


def test_too_many_values_are_refused(client):
    """The values of one query are bounded."""
    assert client.get("/books?" + "&".join(["year=1"] * 1_001)).status_code == 422


@pytest.mark.parametrize("query", ["lang=de", "also[]=fr&also[]=it", "lang=de&year=1815"])
def test_parameters_of_the_application_are_left_to_it(shelf, query):
    """What a dependency of the app declares is not a filter."""
    assert "Emma" in titles(shelf.get(f"/books?{query}"))


@pytest.mark.parametrize("query", ["api-key=abc", "theme=dark", "accent-colour=red", "lang=de"])
def test_parameters_of_dependencies_are_left_to_them(client, query):
    """So are those of routers and resources, be they of a security scheme or of a Pydantic model."""
    assert client.get(f"/keyed?{query}").status_code == 200
    key = client.post("/keyed", json={"title": "x"}, params=dict(parse_qsl(query))).json()["id"]
    assert client.get(f"/keyed/{key}?{query}").status_code == 200


@pytest.mark.parametrize("query", ["api-key=abc", "theme=dark"])
def test_parameters_of_other_routes_are_unknown(client, query):
    """A dependency speaks for its own routes only."""
    assert issue(client.get(f"/books?{query}"))["code"] == "unknown-field"


def test_the_links_keep_parameters_of_dependencies(service):
    """The next page is asked for in the same words."""
    service.store(Book(title="a"), Book(title="b"))

    link = service.client.get("/books?lang=de&limit=1").links["next"]["url"]

    assert dict(parse_qsl(urlsplit(link).query))["lang"] == "de"
