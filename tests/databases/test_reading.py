"""Plans read from real databases: the same rows in the same order on each, by a constant number of statements."""

from __future__ import annotations

import asyncio
import datetime as dt
import enum
import itertools
import random
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from splice.description import describe
from splice.engines import EngineSettings, make_engine, read_url
from splice.errors import Invalid
from splice.keyset import PositionError, check_position
from splice.reading import read_entities, read_rows
from splice.reads import (
    ChildOf,
    Compare,
    Computed,
    Custom,
    Either,
    Every,
    Exists,
    KeyIs,
    Many,
    Negation,
    One,
    Position,
    ReadPlan,
    Selection,
    Sort,
)
from splice.statements import count_rows, count_some
from tests.databases.drivers import DRIVERS, REPRESENTATIVES


class Base(DeclarativeBase): ...


class Mood(enum.Enum):
    """Not in the order of the alphabet, in which databases without the type would sort it."""

    LOW = "low"
    FINE = "fine"
    HIGH = "high"


class Kind(Base):
    """One column of each common type."""

    __tablename__ = "kinds"
    id: Mapped[int] = mapped_column(primary_key=True)
    whole: Mapped[int | None]
    real: Mapped[float | None]
    single: Mapped[float | None] = mapped_column(sa.Float(24))
    price: Mapped[Decimal | None] = mapped_column(sa.Numeric(10, 2))
    rough: Mapped[float | None] = mapped_column(sa.Numeric(12, 4, asdecimal=False))
    text: Mapped[str | None] = mapped_column(sa.String(50))
    day: Mapped[dt.date | None]
    moment: Mapped[dt.datetime | None]
    zoned: Mapped[dt.datetime | None] = mapped_column(sa.DateTime(timezone=True))
    clock: Mapped[dt.time | None]
    span: Mapped[dt.timedelta | None]
    mood: Mapped[Mood | None]
    tone: Mapped[Mood | None] = mapped_column(sa.Enum(Mood, native_enum=False))
    flag: Mapped[bool | None]
    token: Mapped[uuid.UUID | None]
    blob: Mapped[bytes | None] = mapped_column(sa.LargeBinary(20))
    rank: Mapped[int]
    notes: Mapped[Any | None] = mapped_column(sa.JSON)


KIND = describe(Kind)
POOLS: dict[str, list[Any]] = {
    "whole": [None, -5, 0, 7, 2**31 - 1],
    "real": [None, -1.5, 0.1, 1e-9, 1e300, 3.0],
    "single": [None, 0.1, 0.25, -7.3, 16777216.0],
    "price": [None, Decimal("0.10"), Decimal("-3.25"), Decimal("99999.99")],
    "rough": [None, 0.1, 2.5, 1234.5678],
    "text": [None, "ada", "Ada", "ADA", "ádá", "Äpfel", "apfel", "zoë", "", " x", "x%_*?[", "ß", "日本"],
    "day": [None, dt.date(1, 1, 2), dt.date(1999, 12, 31), dt.date(2024, 2, 29)],
    "moment": [None, dt.datetime(1970, 1, 1), dt.datetime(2024, 2, 29, 12, 0, 0, 123456)],
    "zoned": [None, dt.datetime(1970, 1, 1, tzinfo=dt.UTC), dt.datetime(2024, 1, 1, 1, 1, 1, 5, dt.UTC)],
    "clock": [None, dt.time(0, 0), dt.time(23, 59, 59, 999999)],
    "span": [None, dt.timedelta(0), dt.timedelta(days=3, microseconds=7)],
    "mood": [None, *Mood],
    "tone": [None, *Mood],
    "flag": [None, True, False],
    "token": [
        None,
        uuid.UUID(int=1),
        uuid.UUID(int=2**127),
        uuid.UUID("0a0b0c0d-0000-4000-8000-00ff00ff00ff"),
    ],
    "blob": [None, b"", b"\x00\xff", b"abc"],
    "rank": [1, 2, 3],
    "notes": [None, {"a": 1}],
}
SORTABLE = [name for name in POOLS if name != "notes"]


class Author(Base):
    __tablename__ = "authors"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(30))
    boss_id: Mapped[int | None] = mapped_column(sa.ForeignKey("authors.id"))
    boss: Mapped[Author | None] = relationship(remote_side="Author.id", back_populates="team")
    team: Mapped[list[Author]] = relationship(back_populates="boss")
    books: Mapped[list[Book]] = relationship(back_populates="author")


class Tagged(Base):
    """Without a key over both columns, so that a pair can be there twice."""

    __tablename__ = "tagged"
    id: Mapped[int] = mapped_column(primary_key=True)
    book_id: Mapped[int] = mapped_column(sa.ForeignKey("books.id"))
    tag_name: Mapped[str] = mapped_column(sa.ForeignKey("tags.name"))


class Tag(Base):
    __tablename__ = "tags"
    name: Mapped[str] = mapped_column(sa.String(20), primary_key=True)
    books: Mapped[list[Book]] = relationship(secondary="tagged", back_populates="tags", viewonly=True)


class Book(Base):
    __tablename__ = "books"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(sa.String(40))
    stars: Mapped[int | None]
    author_id: Mapped[int | None] = mapped_column(sa.ForeignKey("authors.id"))
    author: Mapped[Author | None] = relationship(back_populates="books")
    tags: Mapped[list[Tag]] = relationship(secondary="tagged", back_populates="books", viewonly=True)
    copies: Mapped[list[Copy]] = relationship()


class Copy(Base):
    """With a key of two parts, one of them text, and children of its own."""

    __tablename__ = "copies"
    book_id: Mapped[int] = mapped_column(sa.ForeignKey("books.id"), primary_key=True)
    mark: Mapped[str] = mapped_column(sa.String(10), primary_key=True)
    loans: Mapped[list[Loan]] = relationship()


class Loan(Base):
    __tablename__ = "loans"
    __table_args__ = (sa.ForeignKeyConstraint(["book_id", "mark"], ["copies.book_id", "copies.mark"]),)
    id: Mapped[int] = mapped_column(primary_key=True)
    book_id: Mapped[int]
    mark: Mapped[str] = mapped_column(sa.String(10))
    reader: Mapped[str] = mapped_column(sa.String(10))


AUTHOR, BOOK, TAG, COPY, LOAN = map(describe, (Author, Book, Tag, Copy, Loan))

Work = Callable[[Session, str], Any]
Run = Callable[[Work], Any]


@pytest.fixture(params=REPRESENTATIVES)
def run(request: pytest.FixtureRequest, new_database) -> Iterator[Run]:
    """Run a function with a session on a new database with all tables, and the name of its dialect."""
    driver = DRIVERS[request.param]
    engine = make_engine(read_url(new_database(driver)), EngineSettings(), is_async=driver.is_async)
    with asyncio.Runner() as loop:

        async def in_async(work: Work) -> Any:
            async with AsyncSession(engine, expire_on_commit=False) as session:
                return await session.run_sync(work, driver.dialect)

        def run(work: Work) -> Any:
            if isinstance(engine, AsyncEngine):
                return loop.run(in_async(work))
            with Session(engine, expire_on_commit=False) as session:
                return work(session, driver.dialect)

        run(lambda session, _: (Base.metadata.create_all(session.connection()), session.commit()))
        yield run
        if isinstance(engine, AsyncEngine):
            loop.run(engine.dispose())
        else:
            engine.dispose()


def stored(*rows: Any) -> Work:
    """Store these, each batch after the one before."""

    def work(session: Session, _: str) -> None:
        for row in rows:
            session.add(row)
            session.flush()
        session.commit()

    return work


def kinds(seed: int, count: int) -> list[Kind]:
    """Rows of random values from small pools, so that there are ties and NULLs."""
    chance = random.Random(seed)
    return [
        Kind(id=number, **{name: chance.choice(pool) for name, pool in POOLS.items()})
        for number in range(1, count + 1)
    ]


def by(description, *names: str) -> tuple[Sort, ...]:
    """Sort terms from their text: `-year`, and then the key."""
    key = [field.name for field in description.key if field.name not in {name.lstrip("-") for name in names}]
    fields = description.fields
    return tuple(
        Sort((), fields[name.lstrip("-")], name.startswith("-"), fields[name.lstrip("-")].nullable)
        for name in [*names, *key]
    )


def ask(description, name: str, operator: str, *values: Any) -> Compare:
    """One comparison."""
    return Compare(description.fields[name], operator, values)


def listing(description, test=None, order=None, limit=1000, **more: Any) -> ReadPlan:
    """A plan that shows the keys alone."""
    selection = more.pop("selection", None) or Selection(description, description.key)
    order = by(description) if order is None else order
    return ReadPlan(selection, Every() if test is None else test, order, limit, **more)


def ids(session: Session, plan: ReadPlan, dialect: str) -> list[Any]:
    """The first part of the key of each row of a page."""
    name = plan.description.key[0].name
    return [row[name] for row in read_rows(session, plan, dialect).rows]


def walk(session: Session, plan: ReadPlan, dialect: str, *, backward: bool = False) -> list[Any]:
    """All ids in the order in which pages give them; from the end where backward."""
    found: list[Any] = []
    for _ in range(1000):
        page = read_rows(session, plan, dialect)
        rows = [row["id"] for row in page.rows]
        found += reversed(rows) if backward else rows
        if not page.has_more:
            return found
        position = page.first if backward else page.last
        check_position(position, plan.order, dialect)
        plan = replace(plan, position=position)
    raise AssertionError("endless")


def orders(seed: int) -> list[tuple[str, ...]]:
    """Each column both ways, and some of several."""
    chance = random.Random(seed)
    several = [
        tuple(chance.choice(["", "-"]) + name for name in chance.sample(SORTABLE, chance.randint(2, 4)))
        for _ in range(12)
    ]
    names = [(sign + name,) for name in SORTABLE for sign in ("", "-")]
    return [*names, *((*name, "-id") for name in names[::3]), *several]


@pytest.mark.parametrize("run", [*REPRESENTATIVES, "psycopg2"], indirect=True)
def test_walking_visits_each_row_once_in_both_directions(run):
    """Whatever a page is sorted by: ties, NULLs, mixed directions and every type, with pages of any size."""
    run(stored(*kinds(1, 20)))

    def walks(session, dialect):
        for order, limit in zip(orders(2), itertools.cycle(range(1, 6)), strict=False):
            plan = listing(KIND, order=by(KIND, *order), limit=limit)
            whole = ids(session, replace(plan, limit=1000), dialect)
            last = read_rows(session, replace(plan, limit=1000), dialect).last
            end = replace(plan, position=replace(last, backward=True))

            assert sorted(whole) == list(range(1, 21)), order
            assert walk(session, plan, dialect) == whole, order
            assert walk(session, end, dialect, backward=True) == whole[-2::-1], order

    run(walks)


def test_nulls_come_last_both_ways(run):
    """Also where an index has them first, and from the first page on."""
    run(stored(*(Kind(id=number, whole=value, rank=1) for number, value in enumerate([None, 2, None, 1], 1))))

    def orders(session, dialect):
        assert ids(session, listing(KIND, order=by(KIND, "whole")), dialect) == [4, 2, 1, 3]
        assert ids(session, listing(KIND, order=by(KIND, "-whole", "-id")), dialect) == [2, 4, 3, 1]
        assert ids(session, listing(KIND, order=by(KIND, "-whole"), limit=1, offset=2), dialect) == [1]

    run(orders)


def test_rows_that_come_and_go_move_no_cursor(run):
    """A row stored before the position, or deleted, neither repeats nor hides another."""
    run(stored(*(Kind(id=number, rank=number % 2) for number in range(10, 20))))

    def pages(session, dialect):
        plan = listing(KIND, order=by(KIND, "rank"), limit=3)
        first = read_rows(session, plan, dialect)
        session.add(Kind(id=1, rank=0))
        session.delete(session.get(Kind, 14))
        session.flush()
        rest = walk(session, replace(plan, position=first.last), dialect)

        assert [row["id"] for row in first.rows] == [10, 12, 14]
        assert rest == [16, 18, 11, 13, 15, 17, 19]

    run(pages)


@pytest.mark.parametrize("run", ["sqlite3"], indirect=True)
def test_what_sqlite_stores_oddly_is_walked(run):
    """There any column may hold any value; each has its place, and is shown or not as its type says."""
    odd = ["7", "'text'", "2.5", "x'00ff'", "'1999-1-1'", "NULL", "9007199254740993", "-1e300"]

    def walks(session, dialect):
        for number, value in enumerate(odd * 2, 1):
            session.execute(
                sa.text(
                    f"INSERT INTO kinds (id, price, day, text, rank) VALUES ({number}, {', '.join([value] * 3)}, 1)"
                )
            )
        for name in ("price", "-day", "text"):
            plan = listing(KIND, order=by(KIND, name), limit=2)
            whole = ids(session, replace(plan, limit=1000), dialect)

            assert len(whole) == 2 * len(odd)
            assert walk(session, plan, dialect) == whole

    run(walks)


@pytest.mark.parametrize("run", ["sqlite3", "aiosqlite"], indirect=True)
def test_a_collation_of_a_column_orders_its_pages(run):
    """Filters are exact all the same."""
    names = ["b", "A", "a", "B", "C"]

    class Folded(DeclarativeBase): ...

    class Word(Folded):
        __tablename__ = "words"
        id: Mapped[int] = mapped_column(primary_key=True)
        text: Mapped[str | None] = mapped_column(sa.String(20, collation="NOCASE"))

    word = describe(Word)

    def walks(session, dialect):
        Folded.metadata.create_all(session.connection())
        session.add_all([Word(id=number, text=name) for number, name in enumerate([*names, None], 1)])
        session.flush()
        for order in ("text", "-text"):
            plan = listing(word, order=by(word, order), limit=2)
            assert walk(session, plan, dialect) == ids(session, replace(plan, limit=99), dialect)
        assert ids(session, listing(word, ask(word, "text", "eq", "a")), dialect) == [3]
        assert ids(session, listing(word, ask(word, "text", "in", "a", "B")), dialect) == [3, 4]
        assert ids(session, listing(word, ask(word, "text", "not_in", "a", "B")), dialect) == [1, 2, 5]

    run(walks)


TEXTS = [text for text in POOLS["text"] if text is not None] + [
    "adam",
    "x%y",
    "Straße",
    "a/b\\c",
    "[z]",
    "ÉCOLE",
    "ada ",
]
PIECES = [
    "a",
    "A",
    "ad",
    "Ád",
    "%",
    "_",
    "*",
    "?",
    "[",
    "]",
    "x%",
    "/",
    "\\",
    "ÄP",
    "é",
    "ß",
    "本",
    " ",
    "^",
    "-",
]
TEXTUAL: dict[str, Callable[[str, str], bool]] = {
    "eq": lambda text, value: text == value,
    "ne": lambda text, value: text != value,
    "contains": lambda text, value: value in text,
    "startswith": str.startswith,
    "endswith": str.endswith,
    "icontains": lambda text, value: value.lower() in text.lower(),
    "istartswith": lambda text, value: text.lower().startswith(value.lower()),
    "iendswith": lambda text, value: text.lower().endswith(value.lower()),
}


def test_text_is_found_as_python_finds_it(run):
    """Letter case counts exactly where it should, wildcards are only characters, and NULL matches nothing."""
    run(stored(*(Kind(id=number, text=text, rank=1) for number, text in enumerate([*TEXTS, None], 1))))

    def finds(session, dialect):
        for operator, holds in TEXTUAL.items():
            for value in [*PIECES, *TEXTS]:
                expected = [number for number, text in enumerate(TEXTS, 1) if holds(text, value)]
                found = ids(session, listing(KIND, ask(KIND, "text", operator, value)), dialect)
                assert found == expected, (operator, value)

    run(finds)


def test_lists_of_text_are_exact(run):
    """Also where the database calls 'Ada' and 'ádá' one."""
    run(stored(*(Kind(id=number, text=text, rank=1) for number, text in enumerate([*TEXTS, None], 1))))

    def finds(session, dialect):
        some = listing(KIND, ask(KIND, "text", "in", "Ada", "zoë", "nobody"))
        others = listing(KIND, ask(KIND, "text", "not_in", "Ada", "zoë", "nobody"))
        expected = [number for number, text in enumerate(TEXTS, 1) if text in {"Ada", "zoë"}]
        rest = [number for number in range(1, len(TEXTS) + 1) if number not in expected]

        assert ids(session, some, dialect) == expected
        assert ids(session, others, dialect) == rest
        assert ids(session, listing(KIND, Negation(some.test)), dialect) == rest

    run(finds)


ORDERED: dict[str, Callable[..., bool]] = {
    "eq": lambda stored, value: stored == value,
    "ne": lambda stored, value: stored != value,
    "gt": lambda stored, value: stored > value,
    "gte": lambda stored, value: stored >= value,
    "lt": lambda stored, value: stored < value,
    "lte": lambda stored, value: stored <= value,
}


@pytest.mark.parametrize("run", list(DRIVERS), indirect=True)
def test_values_are_compared_as_python_compares_them(run):
    """Every type, every operator, every stored value; NULL matches none, nor does its opposite."""
    rows = kinds(3, 25)
    held = [{name: getattr(row, name) for name in POOLS} for row in rows]
    run(stored(*rows))

    def finds(session, dialect):
        for name in (name for name in SORTABLE if name not in {"text", "single"}):
            values = [value for value in POOLS[name] if value is not None]
            unordered = isinstance(values[0], enum.Enum | bool | uuid.UUID | bytes)
            for operator in ["eq", "ne"] if unordered else ORDERED:
                for value in values:
                    expected = [
                        number
                        for number, row in enumerate(held, 1)
                        if row[name] is not None and ORDERED[operator](row[name], value)
                    ]
                    plan = listing(KIND, ask(KIND, name, operator, value))
                    assert ids(session, plan, dialect) == expected, (name, operator, value)
            among = ids(session, listing(KIND, ask(KIND, name, "in", *values[:2])), dialect)
            assert among == [number for number, row in enumerate(held, 1) if row[name] in values[:2]], name
            nulls = [number for number, row in enumerate(held, 1) if row[name] is None]
            assert ids(session, listing(KIND, ask(KIND, name, "isnull", True)), dialect) == nulls, name

    run(finds)


@pytest.mark.parametrize(
    "type_",
    [
        sa.JSON(),
        sa.JSON(none_as_null=True),
        sa.JSON().with_variant(sa.dialects.postgresql.JSONB(), "postgresql"),
    ],
)
def test_null_in_json_is_null(run, type_):
    """Both are shown as null, so both are found as null."""

    class Own(DeclarativeBase): ...

    class Note(Own):
        __tablename__ = "json_notes"
        id: Mapped[int] = mapped_column(primary_key=True)
        body: Mapped[Any | None] = mapped_column(type_)

    note = describe(Note)

    def finds(session, dialect):
        Own.metadata.create_all(session.connection())
        bodies = [None, sa.null(), sa.JSON.NULL, {"null": None}, "null", 0]
        session.add_all([Note(id=number, body=body) for number, body in enumerate(bodies, 1)])
        session.flush()
        assert ids(session, listing(note, ask(note, "body", "isnull", True)), dialect) == [1, 2, 3]
        assert ids(session, listing(note, ask(note, "body", "isnull", False)), dialect) == [4, 5, 6]

    run(finds)


def library() -> Work:
    """Three authors, one the boss of the others; five books, one without author; tags; copies and loans."""
    return stored(
        Author(id=1, name="Ada"),
        Author(id=2, name="Bob", boss_id=1),
        Author(id=3, name="Cyd", boss_id=1),
        *(
            Book(id=number, title=title, stars=stars, author_id=author)
            for number, title, stars, author in [
                (1, "One", 5, 1),
                (2, "Two", None, 1),
                (3, "Three", 3, 2),
                (4, "Four", 1, None),
                (5, "Five", 4, 1),
            ]
        ),
        Tag(name="red"),
        Tag(name="blue"),
        *(
            Tagged(id=number, book_id=book, tag_name=tag)
            for number, (book, tag) in enumerate(
                [(1, "red"), (1, "blue"), (1, "red"), (2, "red"), (5, "blue"), (5, "blue"), (5, "red")], 1
            )
        ),
        *(Copy(book_id=book, mark=mark) for book, mark in [(1, "a"), (1, "b"), (3, "a")]),
        *(
            Loan(id=number, book_id=book, mark=mark, reader=reader)
            for number, book, mark, reader in [(1, 1, "a", "Eve"), (2, 1, "a", "Fay"), (3, 3, "a", "Eve")]
        ),
    )


def shown(description, *names: str, relations: tuple[One | Many, ...] = ()) -> Selection:
    """Some fields and relations."""
    return Selection(description, tuple(description.fields[name] for name in names), relations)


def many(description, name: str, selection: Selection, order=None, limit=None, test=None) -> Many:
    """A relation to many, in the order of its key unless told otherwise."""
    order = by(selection.description) if order is None else order
    return Many(description.links[name], selection, test or Every(), order, limit)


def test_relations_are_nested(run):
    """To one, to many, along a table between, of the same model; absent ones are null or empty."""
    run(library())
    boss = One(AUTHOR.links["boss"], shown(AUTHOR, "name"))
    author = One(BOOK.links["author"], shown(AUTHOR, "name", relations=(boss,)))
    tags = many(BOOK, "tags", shown(TAG, "name"))
    selection = shown(BOOK, "title", relations=(author, tags))

    def reads(session, dialect):
        assert read_rows(session, listing(BOOK, selection=selection), dialect).rows == [
            {
                "title": "One",
                "author": {"name": "Ada", "boss": None},
                "tags": [{"name": "blue"}, {"name": "red"}],
            },
            {"title": "Two", "author": {"name": "Ada", "boss": None}, "tags": [{"name": "red"}]},
            {"title": "Three", "author": {"name": "Bob", "boss": {"name": "Ada"}}, "tags": []},
            {"title": "Four", "author": None, "tags": []},
            {
                "title": "Five",
                "author": {"name": "Ada", "boss": None},
                "tags": [{"name": "blue"}, {"name": "red"}],
            },
        ]

    run(reads)


def test_to_many_within_to_many(run):
    """Keys of two parts, text among them; children of children belong to the right ones."""
    run(library())
    loans = many(COPY, "loans", shown(LOAN, "reader"), by(LOAN, "-reader"))
    copies = many(BOOK, "copies", shown(COPY, "mark", relations=(loans,)), by(COPY, "-mark"))
    books = many(AUTHOR, "books", shown(BOOK, "id", relations=(copies,)))
    selection = shown(AUTHOR, "name", relations=(books,))

    def reads(session, dialect):
        found = read_rows(session, listing(AUTHOR, selection=selection), dialect).rows
        assert found[0]["books"] == [
            {
                "id": 1,
                "copies": [
                    {"mark": "b", "loans": []},
                    {"mark": "a", "loans": [{"reader": "Fay"}, {"reader": "Eve"}]},
                ],
            },
            {"id": 2, "copies": []},
            {"id": 5, "copies": []},
        ]
        assert found[1]["books"] == [{"id": 3, "copies": [{"mark": "a", "loans": [{"reader": "Eve"}]}]}]
        assert found[2]["books"] == []

    run(reads)


def test_each_parent_has_its_own_limit_order_and_filter(run):
    """Parents are not cut by the rows of others; a row that is tagged twice counts once."""
    run(library())
    best = many(AUTHOR, "books", shown(BOOK, "id"), by(BOOK, "-stars"), 2)
    rated = many(AUTHOR, "books", shown(BOOK, "id"), by(BOOK, "-id"), 1, ask(BOOK, "stars", "gte", 4))
    team = many(AUTHOR, "team", shown(AUTHOR, "name"), by(AUTHOR, "-name"), 1)
    tags = many(BOOK, "tags", shown(TAG, "name"), by(TAG, "-name"), 2)

    def reads(session, dialect):
        def nested(description, part):
            selection = shown(description, "id", relations=(part,))
            rows = read_rows(session, listing(description, selection=selection), dialect).rows
            return [[next(iter(child.values())) for child in row[part.link.name]] for row in rows]

        assert nested(AUTHOR, best) == [[1, 5], [3], []]
        assert nested(AUTHOR, rated) == [[5], [], []]
        assert nested(AUTHOR, team) == [["Cyd"], [], []]
        assert nested(BOOK, tags) == [["red", "blue"], ["red"], [], [], ["red", "blue"]]

    run(reads)


def test_the_number_of_statements_does_not_depend_on_the_rows(run):
    """One for the page, and one for each relation to many, however deep."""
    loans = many(COPY, "loans", shown(LOAN, "reader"), limit=1)
    copies = many(BOOK, "copies", shown(COPY, "mark", relations=(loans,)))
    author = One(
        BOOK.links["author"], shown(AUTHOR, "name", relations=(many(AUTHOR, "team", shown(AUTHOR, "id")),))
    )
    selection = shown(BOOK, "id", relations=(author, copies))
    run(library())

    def reads(session, dialect):
        def counted(limit: int) -> int:
            said: list[str] = []
            engine = session.get_bind()
            sa.event.listen(engine, "before_cursor_execute", lambda *all_: said.append(all_[2]))
            read_rows(session, listing(BOOK, selection=selection, limit=limit), dialect)
            return sum(text.startswith("SELECT") for text in said)

        assert counted(1) == counted(5) == 4

    run(reads)


def test_no_entity_is_made(run):
    """Rows are columns, whatever is shown of relations."""
    run(library())
    tags = many(BOOK, "tags", shown(TAG, "name"))
    selection = shown(BOOK, "id", relations=(One(BOOK.links["author"], shown(AUTHOR, "name")), tags))

    def reads(session, dialect):
        read_rows(session, listing(BOOK, selection=selection), dialect)
        assert list(session.identity_map.values()) == []

    run(reads)


def test_too_many_related_rows_are_refused(run):
    """The issue names the relation, and what would help."""
    run(
        lambda session, _: (
            session.add_all([Author(id=1, name="Ada"), Author(id=2, name="Bob")]),
            session.commit(),
        )
    )
    books = many(AUTHOR, "books", shown(BOOK, "id"))
    plan = listing(AUTHOR, selection=shown(AUTHOR, "id", relations=(books,)))

    def reads(session, dialect):
        rows = [{"id": number, "title": "x", "author_id": 1 + number % 2} for number in range(10_001)]
        session.execute(sa.insert(Book), rows[1:])
        assert [len(row["books"]) for row in read_rows(session, plan, dialect).rows] == [5000, 5000]
        session.execute(sa.insert(Book), [rows[0] | {"id": 10_001}])
        with pytest.raises(Invalid) as refused:
            read_rows(session, plan, dialect)
        assert refused.value.issues[0].code == "too-many-rows"
        assert "books" in refused.value.issues[0].detail

    run(reads)


def test_rows_are_sorted_by_columns_of_relations(run):
    """A row without the relation comes last, both ways; walking visits each row once."""
    run(library())
    name = Sort(((BOOK.links["author"], AUTHOR),), AUTHOR.fields["name"], descending=False, nullable=True)
    boss = Sort(
        ((BOOK.links["author"], AUTHOR), (AUTHOR.links["boss"], AUTHOR)), AUTHOR.fields["name"], True, True
    )

    def reads(session, dialect):
        for first, expected in [
            (name, [1, 2, 5, 3, 4]),
            (replace(name, descending=True), [3, 1, 2, 5, 4]),
            (boss, [3, 1, 2, 4, 5]),
        ]:
            plan = listing(BOOK, order=(first, *by(BOOK)), limit=2)
            assert walk(session, plan, dialect) == expected

    run(reads)


def test_conditions_reach_through_relations(run):
    """By existence, so that no row comes twice; to many, to one, to itself, along a table between, and nested."""
    run(library())

    def tagged(name):
        return Exists(BOOK.links["tags"], TAG, ask(TAG, "name", "eq", name))

    named_bob = Exists(AUTHOR.links["team"], AUTHOR, ask(AUTHOR, "name", "eq", "Bob"))
    cases = [
        (BOOK, tagged("red"), [1, 2, 5]),
        (BOOK, Every((tagged("red"), tagged("blue"))), [1, 5]),
        (BOOK, Negation(Exists(BOOK.links["tags"], TAG, Every())), [3, 4]),
        (BOOK, Exists(BOOK.links["author"], AUTHOR, ask(AUTHOR, "name", "startswith", "B")), [3]),
        (BOOK, Exists(BOOK.links["author"], AUTHOR, named_bob), [1, 2, 5]),
        (AUTHOR, named_bob, [1]),
        (AUTHOR, Exists(AUTHOR.links["boss"], AUTHOR, named_bob), [2, 3]),
        (AUTHOR, Exists(AUTHOR.links["team"], AUTHOR, Exists(AUTHOR.links["boss"], AUTHOR, named_bob)), [1]),
        (BOOK, Either((ask(BOOK, "stars", "gte", 5), tagged("blue"))), [1, 5]),
        (BOOK, Negation(ask(BOOK, "stars", "between", 3, 4)), [1, 4]),
        (BOOK, KeyIs((3,)), [3]),
        (BOOK, Every(), [1, 2, 3, 4, 5]),
    ]

    def reads(session, dialect):
        for description, test, expected in cases:
            assert ids(session, listing(description, test), dialect) == expected, test
            assert session.scalar(count_rows(listing(description, test), dialect)) == len(expected)

    run(reads)


def test_the_rows_of_one_parent(run):
    """Along a foreign key, along a table between, and to one row."""
    run(library())
    children = [
        (BOOK, ChildOf(AUTHOR, AUTHOR.links["books"], (1,)), [1, 2, 5]),
        (BOOK, ChildOf(TAG, TAG.links["books"], ("blue",)), [1, 5]),
        (TAG, ChildOf(BOOK, BOOK.links["tags"], (1,)), ["blue", "red"]),
        (AUTHOR, ChildOf(AUTHOR, AUTHOR.links["team"], (1,)), [2, 3]),
        (AUTHOR, ChildOf(BOOK, BOOK.links["author"], (3,)), [2]),
        (LOAN, ChildOf(COPY, COPY.links["loans"], (1, "a")), [1, 2]),
    ]

    def reads(session, dialect):
        for description, test, expected in children:
            assert ids(session, listing(description, test), dialect) == expected

    run(reads)


def test_own_conditions_and_sort_keys_move_to_aliases(run):
    """They speak of the model's own columns; subqueries in them, and other aliases of the table, stay right."""
    run(library())
    colleague = sa.orm.aliased(Author)

    def has_books(least: int):
        return sa.select(sa.func.count()).where(Book.author_id == Author.id).scalar_subquery() >= least

    def is_after_somebody(_: Any):
        return sa.exists().where(colleague.name < Author.name, colleague.boss_id == Author.boss_id)

    def is_first(_: Any):
        return Author.id.in_(sa.select(sa.func.min(Author.id)))

    length = Computed("length", lambda: sa.func.length(Author.name) * 10 - Author.id)
    cases = [
        (Custom(has_books, 1), [1, 2]),
        (Custom(is_after_somebody, None), [3]),
        (Custom(is_first, None), [1]),
        (Custom(lambda name: Author.boss.has(Author.name == name), "Ada"), [2, 3]),
        (Custom(lambda name: Author.team.any(name=name), "Cyd"), [1]),
    ]

    def reads(session, dialect):
        for test, expected in cases:
            assert ids(session, listing(AUTHOR, test), dialect) == expected
            bosses = {2: 1, 3: 1}
            among = [own for own, boss in bosses.items() if boss in expected]
            assert ids(session, listing(AUTHOR, Exists(AUTHOR.links["boss"], AUTHOR, test)), dialect) == among
            team = many(AUTHOR, "team", shown(AUTHOR, "id"), test=test)
            rows = read_rows(
                session, listing(AUTHOR, selection=shown(AUTHOR, "id", relations=(team,))), dialect
            ).rows
            assert [row["id"] for row in rows[0]["team"]] == [own for own in (2, 3) if own in expected]
        plan = listing(AUTHOR, order=(Sort((), length, False, False), *by(AUTHOR)), limit=1)
        assert walk(session, plan, dialect) == [3, 2, 1]
        through = Sort(((BOOK.links["author"], AUTHOR),), length, False, True)
        assert ids(session, listing(BOOK, order=(through, *by(BOOK))), dialect) == [3, 1, 2, 5, 4]

    run(reads)


def test_models_of_several_tables_are_joined_and_asked_for(run):
    """Joined inheritance: the columns of a row lie in two tables."""

    class Own(DeclarativeBase): ...

    class Beast(Own):
        __tablename__ = "beasts"
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str] = mapped_column(sa.String(10))
        name: Mapped[str] = mapped_column(sa.String(10))
        friend_id: Mapped[int | None] = mapped_column(sa.ForeignKey("beasts.id"))
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "beast"}

    class Dog(Beast):
        __tablename__ = "dogs"
        id: Mapped[int] = mapped_column(sa.ForeignKey("beasts.id"), primary_key=True)
        barks: Mapped[int | None]
        friend: Mapped[Dog | None] = relationship(
            primaryjoin="Dog.friend_id == remote(Dog.id)", foreign_keys="Dog.friend_id", viewonly=True
        )
        fans: Mapped[list[Dog]] = relationship(
            primaryjoin="Dog.id == remote(foreign(Dog.friend_id))", viewonly=True, uselist=True
        )
        __mapper_args__ = {"polymorphic_identity": "dog"}

    Dog.registry.configure()
    dog = describe(Dog)

    def reads(session, dialect):
        Own.metadata.create_all(session.connection())
        for number, name, barks, friend in [(1, "Rex", 3, None), (2, "Max", None, 1), (3, "Leo", 5, 1)]:
            session.add(Dog(id=number, name=name, barks=barks, friend_id=friend))
            session.flush()
        loud = Custom(lambda least: sa.and_(Dog.barks >= least, Dog.name != "x"), 3)
        fans = many(dog, "fans", shown(dog, "name", "barks"), by(dog, "-barks"), 1)
        selection = shown(
            dog, "name", relations=(One(dog.links["friend"], shown(dog, "name", "barks")), fans)
        )

        assert ids(session, listing(dog, Exists(dog.links["friend"], dog, loud)), dialect) == [2, 3]
        assert ids(session, listing(dog, order=by(dog, "-barks")), dialect) == [3, 1, 2]
        assert walk(session, listing(dog, order=by(dog, "barks"), limit=1), dialect) == [1, 3, 2]
        rows = read_rows(session, listing(dog, selection=selection), dialect).rows
        assert rows[0] == {"name": "Rex", "friend": None, "fans": [{"name": "Leo", "barks": 5}]}
        assert rows[1] == {"name": "Max", "friend": {"name": "Rex", "barks": 3}, "fans": []}

    run(reads)


def test_counting_stops_where_it_is_told(run):
    """One row more than that is looked at, to know that there are more."""
    run(library())

    def counts(session, dialect):
        assert session.scalar(count_rows(listing(BOOK, limit=1), dialect)) == 5
        assert session.scalar(count_some(listing(BOOK, limit=1), 3, dialect)) == 4
        assert session.scalar(count_some(listing(BOOK, limit=1), 9, dialect)) == 5

    run(counts)


def test_entities_are_read_page_by_page(run):
    """With the positions of the page's ends, as rows have them."""
    run(library())

    def reads(session, dialect):
        plan = listing(BOOK, order=by(BOOK, "-stars"), limit=2)
        first = read_entities(session, plan, dialect)
        rest = read_entities(session, replace(plan, position=first.last), dialect)
        back = read_entities(session, replace(plan, position=rest.first), dialect)

        assert [book.id for book in first.entities] == [1, 5]
        assert [book.id for book in rest.entities] == [3, 4]
        assert [book.id for book in back.entities] == [1, 5]
        assert (first.has_more, rest.has_more, back.has_more) == (True, True, False)
        assert first.last == read_rows(session, plan, dialect).last

    run(reads)


def test_rows_without_a_key_are_walked_by_number(run):
    """What does not tell rows apart can not be a position."""
    run(library())
    loose = replace(BOOK, unique=False)

    def reads(session, dialect):
        plan = listing(BOOK, limit=2, selection=Selection(loose, loose.key))
        first = read_rows(session, plan, dialect)
        rest = read_rows(session, replace(plan, position=first.last), dialect)

        assert first.last == Position(skipped=2)
        assert [row["id"] for row in rest.rows] == [3, 4]
        assert rest.first == Position(skipped=2)

    run(reads)


EAST = dt.timezone(dt.timedelta(hours=14))
FORGED: list[Any] = [
    "x", "", "\x00", "\ud800", 1, -1, 2**31, 2**63, 2**64, 10**400, 1.5, float("nan"), float("inf"), True, None,
    Decimal("1e1000000"), Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal("1e999"), Decimal(1), b"\x00",
    dt.date.min, dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31), dt.datetime(1, 1, 1, tzinfo=EAST),
    dt.datetime.max.replace(tzinfo=dt.UTC), dt.time(0), dt.time(0, tzinfo=dt.UTC), dt.timedelta.max, dt.timedelta.min,
    uuid.UUID(int=0),
]  # fmt: skip


@pytest.mark.parametrize("run", list(DRIVERS), indirect=True)
def test_no_forged_position_breaks_a_statement(run):
    """It is refused as none of its column, or compared without an error."""
    run(stored(*kinds(5, 5)))

    def tries(session, dialect):
        for name, value, backward in itertools.product(SORTABLE, FORGED, [False, True]):
            position = Position((value, 3), backward=backward)
            plan = listing(KIND, order=by(KIND, name), position=position)
            try:
                check_position(position, plan.order, dialect)
            except PositionError:
                continue
            ids(session, plan, dialect)

    run(tries)
