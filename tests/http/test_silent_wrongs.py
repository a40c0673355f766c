"""Answers that look right and are not, as other libraries give them; each was seen in one of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from splice import Database, Resource, install, private, write_only
from splice.testing.statements import count_statements

CHILDREN = 5


class Base(DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "authors"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(sa.String(50))
    salary: Mapped[int] = mapped_column(default=4711, info=private)
    pin: Mapped[str] = mapped_column(sa.String(10), default="0815", info=write_only)
    books: Mapped[list[Book]] = relationship(back_populates="author")
    diaries: Mapped[list[Diary]] = relationship()
    fans: Mapped[list[Author]] = relationship(
        secondary="fans",
        primaryjoin="Author.id == fans.c.author_id",
        secondaryjoin="Author.id == fans.c.fan_id",
        info=private,
        viewonly=True,
    )


class Book(Base):
    __tablename__ = "books"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(sa.String(100))
    year: Mapped[int | None]
    author_id: Mapped[int | None] = mapped_column(sa.ForeignKey("authors.id"))
    author: Mapped[Author | None] = relationship(back_populates="books")
    reviews: Mapped[list[Review]] = relationship(back_populates="book")
    tags: Mapped[list[Tag]] = relationship(secondary="book_tags", back_populates="books")


class Review(Base):
    __tablename__ = "reviews"
    id: Mapped[int] = mapped_column(primary_key=True)
    stars: Mapped[int]
    by: Mapped[str] = mapped_column(sa.String(20))
    book_id: Mapped[int] = mapped_column(sa.ForeignKey("books.id"))
    book: Mapped[Book] = relationship(back_populates="reviews")


class Tag(Base):
    __tablename__ = "tags"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20))
    books: Mapped[list[Book]] = relationship(secondary="book_tags", back_populates="tags")


class Diary(Base):
    """Nobody serves it."""

    __tablename__ = "diaries"
    id: Mapped[int] = mapped_column(primary_key=True)
    confession: Mapped[str] = mapped_column(sa.String(100))
    author_id: Mapped[int] = mapped_column(sa.ForeignKey("authors.id"))


sa.Table(
    "book_tags",
    Base.metadata,
    sa.Column("book_id", sa.ForeignKey("books.id"), primary_key=True),
    sa.Column("tag_id", sa.ForeignKey("tags.id"), primary_key=True),
)
sa.Table(
    "fans",
    Base.metadata,
    sa.Column("author_id", sa.ForeignKey("authors.id"), primary_key=True),
    sa.Column("fan_id", sa.ForeignKey("authors.id"), primary_key=True),
)


def build(db: Database) -> FastAPI:
    app = FastAPI()
    install(app, db)
    for model in (Author, Book, Review, Tag):
        app.include_router(Resource(model, db))
    return app


@pytest.fixture
def library(service):
    """Three authors; the first has five books with three reviews each, the last has none; one book has no author."""
    service.store(Author(id=1, name="Ada"), Author(id=2, name="Bob"), Author(id=3, name=None))
    service.store(
        *(Book(id=n, title=f"Book {n}", year=2000 + n, author_id=1) for n in range(1, CHILDREN + 1)),
        Book(id=6, title="Book 6", year=None, author_id=2),
        Book(id=7, title="Book 7", year=1999, author_id=None),
    )
    service.store(
        *(
            Review(stars=stars, by=by, book_id=n)
            for n in range(1, 6)
            for stars, by in ((1, "x"), (3, "y"), (5, "x"))
        )
    )
    service.store(*(Tag(id=n, name=f"tag {n}") for n in (1, 2)))
    with service.witness.begin() as session:
        links = Base.metadata.tables["book_tags"]
        session.execute(links.insert(), [{"book_id": n, "tag_id": t} for n in (1, 2) for t in (1, 2)])
        session.execute(Base.metadata.tables["fans"].insert(), [{"author_id": 1, "fan_id": 2}])
        session.add(Diary(confession="I like tea", author_id=1))
    return service


def ids(answer) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


def codes(answer) -> set[str]:
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return {error["code"] for error in answer.json()["errors"]}


# What is ignored.


@pytest.mark.parametrize(
    "query",
    [
        "yaer=2001",
        "year__lessthan=2001",
        "author__nmae=Ada",
        "writer__name=Ada",
        "author__books__titel=x",
        "order_by=yaer",
        "order_by=author__nmae",
        "order_by=-",
        "fields=titel",
        "fields=author.nmae",
        "expand=writer",
        "expand=author.bosk",
        "author.limt=3",
        "page_size=3",
        "sort=title",
        "q=Ada",
        "filter=x",
    ],
)
def test_what_is_unknown_is_refused(library, query):
    """A misspelt filter, sort, field or setting is not ignored: that would answer with all rows."""
    assert codes(library.client.get(f"/books?{query}"))


@pytest.mark.parametrize(
    "document",
    [
        {"filter": {"yaer": 2001}},
        {"filter": {"author": {"nmae": "Ada"}}},
        {"filter": {"not": {"yaer": 2001}}},
        {"filters": {"year": 2001}},
        {"where": {"year": 2001}},
        {"order_by": ["yaer"]},
        {"fields": ["titel"]},
        {"expand": {"author": {"limt": 3}}},
        {"expand": {"reviews": {"filter": {"sters": 1}}}},
    ],
    ids=str,
)
def test_what_is_unknown_in_a_document_is_refused(library, document):
    """The same of a document, however deep."""
    assert codes(library.client.post("/books/query", json=document))


@pytest.mark.parametrize(
    "query", ["year=", "year__gte=", "id__in=", "id__in=1,,2", "year__between=1999", "year__isnull="]
)
def test_an_empty_value_is_no_missing_filter(library, query):
    """A filter whose value got lost is refused, not left out."""
    assert codes(library.client.get(f"/books?{query}"))


@pytest.mark.parametrize(
    "tree",
    [{"id__in": []}, {"year": None}, {"and": []}, {"or": []}, {"not": None}, {"id": "1"}, {"id": True}],
    ids=str,
)
def test_an_empty_or_unfit_value_in_a_document_is_refused(library, tree):
    """Neither an empty list nor null nor a value of another type means "no filter"."""
    assert codes(library.client.post("/books/query", json={"filter": tree}))


def test_the_second_of_two_bounds_is_not_dropped(library):
    """Of `year__gte` given twice neither wins."""
    assert codes(library.client.get("/books?year__gte=2001&year__gte=2003")) == {"repeated-parameter"}


def test_filters_of_an_expanded_relation_leave_the_rows_alone(library):
    """`books.year__gte` is about the books shown, not about whose books."""
    answer = library.client.get("/authors?books.year__gte=2004&books.fields=id")

    assert ids(answer) == [1, 2, 3]
    assert [len(item["books"]) for item in answer.json()["items"]] == [2, 0, 0]


# Pages.


@pytest.mark.parametrize("limit", ["1001", "0", "-1", "1000000000000"])
def test_no_page_is_without_limit(library, limit):
    """Nobody reads a whole table at once, whichever way it is asked."""
    assert codes(library.client.get(f"/books?limit={limit}"))
    assert codes(library.client.post("/books/query", json={"limit": int(limit)}))


def test_the_rows_of_a_relation_are_bounded_too(library):
    """A relation expanded without a limit does not bring a whole table along."""
    with library.witness.begin() as session:
        session.execute(sa.insert(Review), [{"stars": 1, "by": "z", "book_id": 7} for _ in range(10_001)])

    assert codes(library.client.get("/books?expand=reviews&fields=id")) == {"too-many-rows"}
    assert len(library.client.get("/books?id=7&reviews.limit=2").json()["items"][0]["reviews"]) == 2


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_rows_of_children_do_not_cut_the_parents(library, limit):
    """`limit` counts parents, whatever they have; each has all of its children."""
    answer = library.client.get(f"/authors?limit={limit}&expand=books.reviews")

    assert ids(answer) == [1, 2, 3][:limit]
    (first, *_) = answer.json()["items"]
    assert [len(book["reviews"]) for book in first["books"]] == [3] * CHILDREN


def test_the_limit_of_a_relation_is_one_for_each_parent(library):
    """Three reviews each are not three reviews in all."""
    answer = library.client.get("/books?limit=5&reviews.limit=2&reviews.order_by=-stars&reviews.fields=stars")

    assert [[r["stars"] for r in item["reviews"]] for item in answer.json()["items"]] == [[5, 3]] * 5


def test_the_total_past_the_last_page_is_the_total(library):
    """A page behind all rows is empty, and the total is not 0."""
    page = library.client.get("/books?offset=100&count=exact").json()

    assert page == {"items": [], "next": None, "total": 7}


def test_a_limit_for_each_parent_goes_with_a_filter_through_a_table_between(library):
    """The rows that are shown of each parent are the first of those that fit, whichever way the filter goes."""
    answer = library.client.get(
        "/authors?fields=id&books.tags__isnull=false&books.order_by=-id&books.limit=1"
    )

    assert [[book["id"] for book in item["books"]] for item in answer.json()["items"]] == [[2], [], []]


@pytest.mark.parametrize("count", ["exact", "capped"])
def test_the_total_is_of_rows_not_of_joins(library, count):
    """Neither filters across relations nor expanded ones make the total larger."""
    query = f"reviews__stars__gte=1&tags__name__startswith=tag&expand=reviews,tags&count={count}"
    page = library.client.get(f"/books?{query}").json()

    assert (len(page["items"]), page["total"]) == (2, 2)


def test_inserts_do_not_shift_the_next_page(library):
    """A row that comes in on an earlier page pushes none onto the next one a second time."""
    page = library.client.get("/books?order_by=-id&limit=3").json()
    library.store(Book(id=8, title="Book 8"), Book(id=9, title="Book 9"))

    following = library.client.get("/books", params={"order_by": "-id", "limit": 3, "cursor": page["next"]})

    assert ids(following) == [4, 3, 2]


def test_nothing_is_counted_unless_asked(library):
    """A count costs more than a page: without `count` none is made."""
    with library.watching() as statements:
        page = library.client.get("/books?limit=2").json()

    assert "total" not in page
    assert "count(" not in " ".join(statements).lower()


# Statements and joins.


@pytest.mark.parametrize(
    "path",
    [
        "/books?expand=author",
        "/authors?expand=books.reviews",
        "/books?expand=tags.books,author.books,reviews",
        "/books?expand=author&order_by=author__name&author__name__isnull=false&count=exact",
    ],
)
def test_the_number_of_statements_does_not_grow_with_the_rows(library, path):
    """One row or a hundred: the same statements, at most one for each relation and one for the rest."""
    counter = count_statements(library.db)
    with counter.recording():
        library.client.get(path)
    few = len(counter.recorded)
    library.store(*(Author(id=n, name=f"A{n}") for n in range(10, 40)))
    library.store(*(Book(id=n, title="B", author_id=n) for n in range(10, 40)))
    library.store(*(Review(stars=1, by="z", book_id=n) for n in range(10, 40)))

    with counter.exactly(few):
        assert library.client.get(path).status_code == 200
    assert few <= 2 + path.count("reviews") + path.count("tags") + path.count("books,") + path.count("books.")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("reviews__stars__gte=1", [1, 2, 3, 4, 5]),
        ("tags__name__startswith=tag", [1, 2]),
        ("author__books__reviews__stars=5", [1, 2, 3, 4, 5]),
        ("reviews__stars=1&reviews__stars=5", [1, 2, 3, 4, 5]),
    ],
)
def test_filters_by_many_rows_show_each_row_once(library, query, expected):
    """A book with three fitting reviews is one book."""
    assert ids(library.client.get(f"/books?{query}")) == expected


def test_an_order_by_many_rows_is_refused(library):
    """There is no one review to sort a book by; a join would repeat it."""
    assert codes(library.client.get("/books?order_by=reviews__stars"))


def test_an_order_by_a_relation_keeps_rows_without_one(library):
    """A book without an author is not joined away; it comes last in either direction."""
    up, down = (ids(library.client.get(f"/books?order_by={sign}author__name")) for sign in ("", "-"))

    assert up == [1, 2, 3, 4, 5, 6, 7]
    assert down == [6, 5, 4, 3, 2, 1, 7]


def test_one_row_fulfils_all_that_is_asked_of_it(library):
    """Within one object of a document all is asked of the same review; parameters ask each for themselves."""
    document = {"filter": {"reviews": {"stars": 3, "by": "x"}}}

    assert ids(library.client.post("/books/query", json=document)) == []
    assert ids(library.client.get("/books?reviews__stars=3&reviews__by=x")) == [1, 2, 3, 4, 5]


# NULL.


def test_nulls_come_last_in_both_directions(library):
    """The place of NULL is not a matter of the database or of the direction."""
    assert ids(library.client.get("/books?order_by=year"))[-1] == 6
    assert ids(library.client.get("/books?order_by=-year"))[-1] == 6


@pytest.mark.parametrize(
    "query", ["year__ne=1999", "year__not_in=1999,1998", "year__gte=0", "year__between=0,9999"]
)
def test_null_is_not_compared(library, query):
    """What is unknown is neither equal nor unequal; `isnull` asks for it."""
    assert 6 not in ids(library.client.get(f"/books?{query}"))
    assert ids(library.client.get("/books?year__isnull=true")) == [6]


def test_not_keeps_the_unknown_unknown(library):
    """The opposite of a comparison does not find NULL either."""
    document = {"filter": {"not": {"year__lt": 2001}}}

    assert ids(library.client.post("/books/query", json=document)) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("author__name__ne=Ada", [6]),
        ("author__name__not_in=Ada,Eve", [6]),
        ("author__name__isnull=true", []),
        ("author__name__isnull=false", [1, 2, 3, 4, 5, 6]),
        ("author__isnull=true", [7]),
        ("author_id__isnull=true", [7]),
    ],
)
def test_a_row_that_is_not_there_has_no_name(library, query, expected):
    """A condition on an author asks for an author; that there is none is asked for by `author__isnull`."""
    assert ids(library.client.get(f"/books?{query}")) == expected


def test_not_having_one_is_not_having_another(library):
    """`not` around a relation finds the rows without any such row, those with no row at all included."""
    having_none = {"filter": {"not": {"reviews": {"stars": 5}}}}
    having_another = {"filter": {"reviews": {"not": {"stars": 5}}}}

    assert ids(library.client.post("/books/query", json=having_none)) == [6, 7]
    assert ids(library.client.post("/books/query", json=having_another)) == [1, 2, 3, 4, 5]


# Text.


@pytest.fixture
def shelf(service):
    """Books whose titles some database takes for one another, or for patterns."""
    titles = [
        "ada",
        "Ada",
        "ADA",
        "Áda",
        "ada ",
        "100%",
        "1000",
        "a_b",
        "aXb",
        "c\\d",
        "[ab]",
        "a*",
        "😀",
        "🙂",
        "'",
        "",
    ]
    service.store(*(Book(id=n, title=title) for n, title in enumerate(titles, start=1)))
    return {title: n for n, title in enumerate(titles, start=1)}, service.client


@pytest.mark.parametrize("title", ["ada", "Ada", "Áda", "ada ", "😀", "'", ""])
def test_equality_is_exact_on_every_database(shelf, title):
    """Case, accents, spaces at the end and emojis make a difference, in `=`, `in`, `ne` and in documents."""
    numbers, client = shelf
    others = sorted(set(numbers.values()) - {numbers[title]})

    assert ids(client.get("/books", params={"title": title})) == [numbers[title]]
    assert ids(client.get("/books", params={"title": [title, "no such title"]})) == [numbers[title]]
    assert ids(client.get("/books", params={"title__ne": title})) == others
    assert ids(client.post("/books/query", json={"filter": {"title__in": [title]}})) == [numbers[title]]
    assert ids(client.post("/books/query", json={"filter": {"title__not_in": [title]}})) == others


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"title__contains": "%"}, ["100%"]),
        ({"title__startswith": "100%"}, ["100%"]),
        ({"title__contains": "_"}, ["a_b"]),
        ({"title__icontains": "A_B"}, ["a_b"]),
        ({"title__contains": "\\"}, ["c\\d"]),
        ({"title__endswith": "\\d"}, ["c\\d"]),
        ({"title__contains": "[ab]"}, ["[ab]"]),
        ({"title__contains": "*"}, ["a*"]),
        ({"title__contains": "ad"}, ["ada", "ada "]),
        ({"title__startswith": "A"}, ["Ada", "ADA"]),
        ({"title__endswith": "DA"}, ["ADA"]),
        ({"title__endswith": " "}, ["ada "]),
        ({"title__istartswith": "aDa"}, ["ada", "Ada", "ADA", "ada "]),
        ({"title__iendswith": "aDa"}, ["ada", "Ada", "ADA"]),
        ({"title__contains": "😀"}, ["😀"]),
    ],
    ids=str,
)
def test_patterns_are_text(shelf, query, found):
    """Nothing in a value is a wildcard, and letter case counts unless it is asked not to."""
    numbers, client = shelf

    assert ids(client.get("/books", params=query)) == [numbers[title] for title in found]


# What is hidden.


@pytest.mark.parametrize(
    "path",
    [
        "/authors?{}=1",
        "/authors?{}__isnull=true",
        "/authors?{}__gte=1",
        "/authors?order_by={}",
        "/authors?fields={}",
        "/authors?fields=id,{}",
        "/authors?expand={}",
        "/authors?expand=books.author&books.author.fields={}",
        "/books?author__{}=1",
        "/books?author__{}__isnull=false",
        "/books?order_by=author__{}",
        "/books?fields=author.{}",
        "/books?author.fields={}",
        "/reviews?book__author__{}=1",
        "/authors/1/books?author__{}=1",
    ],
)
@pytest.mark.parametrize("hidden", ["salary", "pin", "fans", "diaries", "diaries__confession"])
def test_what_is_hidden_is_reached_by_no_way(library, path, hidden):
    """Private columns and relations, and models without a resource, are as unknown as what does not exist."""
    asked, unknown = (
        library.client.get(path.format(name), headers={"accept": accept})
        for name, accept in ((hidden, "application/json"), (f"no_{hidden}", "application/json"))
    )

    assert codes(asked) == codes(unknown)
    told = json.dumps(asked.json()["errors"]).replace(hidden, "")
    assert "4711" not in told
    assert "confession" not in told


@pytest.mark.parametrize("hidden", ["salary", "pin", "fans", "diaries"])
def test_what_is_hidden_is_reached_by_no_document(library, hidden):
    """The same for trees, orders, fields and relations in JSON."""
    for document in (
        {"filter": {hidden: 1}},
        {"filter": {"not": {f"{hidden}__isnull": True}}},
        {"filter": {hidden: {"id": 1}}},
        {"filter": {"books": {"author": {hidden: 1}}}},
        {"order_by": [hidden]},
        {"fields": [hidden]},
        {"expand": {hidden: {}}},
        {"expand": {"books": {"expand": {"author": {"fields": [hidden]}}}}},
    ):
        assert codes(library.client.post("/authors/query", json=document)), document


@pytest.mark.parametrize("accept", ["application/json", "text/csv", "application/jsonl"])
def test_what_is_hidden_is_in_no_answer(library, accept):
    """Neither a page, nor a table, nor an expanded relation shows it."""
    for path in ("/authors", "/books?expand=author", "/authors/1/books?expand=author"):
        answer = library.client.get(path, headers={"accept": accept})
        shown: Any = answer.text

        assert not any(word in shown for word in ("salary", "4711", "0815", "pin", "confession", "fans"))
    assert "Ada" in library.client.get("/authors", headers={"accept": accept}).text
