"""What may be asked of a model."""

from __future__ import annotations

import functools
from typing import Annotated, Any

import pytest
from pydantic import Field as Limit
from pydantic import ValidationError
from sqlalchemy import JSON, ForeignKey, String, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from splice import private
from splice.description import describe
from splice.errors import SetupError
from splice.readable import computed, custom_filter, readable, ways


class Base(DeclarativeBase): ...


class Node(Base):
    __tablename__ = "nodes"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(9))
    hidden: Mapped[int] = mapped_column(info=private)
    extra: Mapped[Any] = mapped_column(JSON)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("nodes.id"))
    other_id: Mapped[int | None] = mapped_column(ForeignKey("others.id"))
    parent: Mapped[Node | None] = relationship(remote_side="Node.id", foreign_keys=[parent_id])
    parent__of: Mapped[list[Node]] = relationship(foreign_keys=[parent_id], viewonly=True)
    other: Mapped[Other | None] = relationship()


class Other(Base):
    __tablename__ = "others"
    id: Mapped[int] = mapped_column(primary_key=True)


def fresh(**options):
    """What may be asked of a node, by nobody changed yet."""
    related: dict[type, Any] = {}
    related[Node] = readable(describe(Node), related=related, **options)
    return related[Node]


def younger_than(years: Annotated[int, Limit(ge=0)]):
    """Nodes made lately."""
    return Node.id > years


def loudness():
    return func.length(Node.name)


def test_all_that_is_shown_can_be_asked_about():
    """JSON too: whether there is any."""
    assert list(fresh().fields) == ["id", "name", "extra", "parent_id", "other_id"]


def test_a_page_is_no_larger_than_the_largest():
    """The number of rows where nobody says how many is bounded as well."""
    assert (fresh().default_limit, fresh().max_limit) == (50, 1000)
    assert fresh(max_limit=7).default_limit == 7
    assert fresh(default_limit=20).default_limit == 20


def test_a_relation_exists_once_its_resource_does():
    """Resources may come in any order."""
    related: dict[type, Any] = {}
    nodes = readable(describe(Node), related=related)
    assert nodes.links == ()
    assert nodes.link("other") is None

    related[Other] = others = readable(describe(Other), related=related)

    assert nodes.links == ("other",)
    assert nodes.link("other") == (nodes.description.links["other"], others)
    assert nodes.link("nothing") is None


def test_a_model_of_ones_own_decides_what_is_shown():
    """Such a resource cannot be expanded or cut down."""
    assert fresh().expands
    assert not fresh(shown=frozenset({"id"})).expands


def test_a_filter_reads_its_values_by_its_annotation():
    """In text and in JSON, with the limits that it states."""
    made = fresh().add_filter(younger_than)

    assert (made.name, made.build, made.doc) == ("younger_than", younger_than, "Nodes made lately.")
    assert made.adapter.validate_strings("5") == 5
    with pytest.raises(ValidationError):
        made.adapter.validate_json("-1", strict=True)


def test_filters_and_sort_keys_are_kept_by_name():
    """Under the names of the functions."""
    nodes = fresh()

    filter_, sort = nodes.add_filter(younger_than), nodes.add_sort(loudness)

    assert nodes.filters == {"younger_than": filter_}
    assert nodes.sorts == {"loudness": sort}


async def slow(value: int): ...


def bare(value): ...


def lost(value: Nowhere): ...  # noqa: F821  # that is the point


class Odd: ...


def odd(value: Odd): ...


def several(value: int, other: int): ...


def named(*, value: int): ...


def rest(*values: int): ...


@pytest.mark.parametrize(
    ("function", "fix"),
    [
        (loudness, "exactly one parameter"),
        (several, "exactly one parameter"),
        (bare, "annotate it"),
        (lost, "import that name at module level"),
        (odd, "none that Pydantic can read"),
        (named, "ordinary parameters"),
        (rest, "ordinary parameters"),
        (slow, "not `async def`"),
        (lambda value: value, "use `def`"),
        (functools.partial(several, other=3), "use `def`"),
    ],
)
def test_a_filter_has_one_annotated_parameter(function, fix):
    """Anything else stops the start, with the fix."""
    with pytest.raises(SetupError, match=fix):
        custom_filter(function)


def test_a_sort_key_has_no_parameters():
    """It is an expression over the columns of the model."""
    with pytest.raises(SetupError, match="no parameters"):
        computed(younger_than)


@pytest.mark.parametrize("name", ["name", "hidden", "parent", "order_by", "a__b", "taken"])
def test_a_name_is_taken_once(name):
    """A field, a relation, a setting and another function keep their names, also those that are hidden."""
    nodes = fresh()
    nodes.add_filter(_called("taken", younger_than))
    nodes.add_sort(_called("taken", loudness))

    with pytest.raises(SetupError, match="name"):
        nodes.add_filter(_called(name, younger_than))
    with pytest.raises(SetupError, match="name"):
        nodes.add_sort(_called(name, loudness))


def _called(name, function):
    """The function under another name."""
    scope = {"__name__": __name__, "inner": function, "Annotated": Annotated, "Limit": Limit}
    value = "value: int" if function is younger_than else ""
    exec(f"def {name}({value}): return inner({value[:5]})", scope)  # ours
    return scope[name]


def test_a_renamed_setting_frees_its_name():
    """Only the names that are in use are taken."""
    nodes = fresh(parameters=("limit", "sort"))

    nodes.add_sort(_called("order_by", loudness))
    with pytest.raises(SetupError, match="parameter"):
        nodes.add_sort(_called("sort", loudness))


def test_a_path_is_read_in_every_way():
    """Names may hold what separates them."""
    found = [([link.name for link, _ in way.links], way.rest) for way in ways("parent__of__id", fresh(), 4)]

    assert found == [
        ([], "parent__of__id"),
        (["parent"], "of__id"),
        (["parent__of"], "id"),
    ]


def test_a_path_may_end_at_a_relation():
    """Then nothing is left of it; of `parent__` an empty name is."""
    assert [way.rest for way in ways("parent", fresh(), 4)] == ["parent", None]
    assert [way.rest for way in ways("parent__", fresh(), 4)] == ["parent__", ""]


def test_a_path_is_followed_so_far():
    """However long it is."""
    assert max(len(way.links) for way in ways("parent__" * 50, fresh(), 3)) == 3
