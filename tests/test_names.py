"""Names in a database → names in Python."""

from __future__ import annotations

import keyword

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splice.names import attribute_name, children_name, class_name, link_name, parent_name, path_of, unique

ANY_NAME = st.text(max_size=40)


@pytest.mark.parametrize(
    ("table", "name"),
    [
        ("Order Details", "OrderDetail"),
        ("people", "Person"),
        ("film_text", "FilmText"),
        ("PlaylistTrack", "PlaylistTrack"),
        ("HTMLPages", "HTMLPage"),
        ("ORDER_DETAILS", "OrderDetail"),
        ("Categories", "Category"),
        ("statuses", "Status"),
        ("staff", "Staff"),
        ("payment_p2007_01", "PaymentP2007_01"),
        ("Alphabetical list of products", "AlphabeticalListOfProducts"),
        ("Sales by Category", "SalesByCategory"),
        ("3d models", "Table3dModel"),
        ("日本", "日本"),
        ("\U0001ed01", "TableRow"),
        ("😀", "TableRow"),
        ("", "TableRow"),
    ],
)
def test_a_class_is_named_after_what_a_row_is(table: str, name: str):
    """A class name is singular and in CamelCase."""
    assert class_name(table) == name


@pytest.mark.parametrize(
    "table", ["base", "text", "none", "dates", "enum", "mapped", "database", "resources", "i", "o"]
)
def test_a_class_hides_nothing_that_its_module_needs(table: str):
    """A table that is called like something of SQLAlchemy's or splice's gives way."""
    assert class_name(table).endswith("Row")


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("AlbumId", "AlbumId"),
        ("Order ID", "Order_ID"),
        ("class", "class_"),
        ("bytes", "bytes"),
        ("x_", "x_"),
        ("metadata", "metadata_"),
        ("_id", "id"),
        ("__tablename__", "tablename__"),
        ("1st", "column_1st"),
        ("größe", "größe"),
        ("\ufb01", "fi"),
        ("%", "column"),
        ("", "column"),
    ],
)
def test_an_attribute_is_the_column_as_it_stands(column: str, name: str):
    """Only what Python or SQLAlchemy does not allow is changed; a `_` in front would make a field private."""
    assert attribute_name(column) == name


@given(ANY_NAME)
def test_any_name_becomes_an_identifier(name: str):
    """Whatever a table or a column is called, Python can say it, and finds it again."""
    for made in (class_name(name), attribute_name(name), parent_name([name], class_name(name))):
        assert made.isidentifier()
        assert not keyword.iskeyword(made)
        assert not made.startswith("_")
        assert eval(made, {}, {made: "found"}) == "found"  # Python reads identifiers in its own form


@pytest.mark.parametrize(
    ("columns", "parent", "name"),
    [
        (["author_id"], "Author", "author"),
        (["AlbumId"], "Album", "album"),
        (["SupportRepId"], "Employee", "support_rep"),
        (["ReportsTo"], "Employee", "reports_to"),
        (["original_language_id"], "Language", "original_language"),
        (["CustomerID"], "Customer", "customer"),
        (["country_code"], "Country", "country"),
        (["class_id"], "Class", "class_"),
        (["id"], "User", "id"),
        (["paid"], "Payment", "paid"),
        (["tenant", "number"], "OrderDetail", "order_detail"),
    ],
)
def test_a_parent_is_named_by_its_column(columns: list[str], parent: str, name: str):
    """The column says what the row is to this one; several columns leave it to the class."""
    assert parent_name(columns, parent) == name


def test_children_are_the_plural_of_their_class():
    """Where one foreign key leads to the parent, the children need no other name."""
    assert children_name("OrderDetail", "Order", "order", only_one=False, alone=True) == "order_details"


def test_a_single_child_is_not_plural():
    """A foreign key that is unique leads back to one row."""
    assert children_name("Profile", "User", "user", only_one=True, alone=True) == "profile"


def test_children_by_several_keys_are_told_apart():
    """The key that is called like the parent has the plain name, the others say which they are."""
    plain, other = (
        children_name("Film", "Language", relation, only_one=False, alone=False)
        for relation in ("language", "original_language")
    )

    assert (plain, other) == ("films", "original_language_films")


@pytest.mark.parametrize(
    ("relation", "name"), [("parent", "children"), ("reports_to", "reports_to_employees")]
)
def test_children_of_the_same_class_say_how_they_refer(relation: str, name: str):
    """`employee.employees` would say nothing."""
    assert children_name("Employee", "Employee", relation, only_one=False, alone=True) == name


def test_what_a_link_leads_to_is_plural():
    """A playlist has tracks, whatever the table between them is called."""
    assert link_name("Track") == "tracks"


def test_a_taken_name_is_counted_up():
    """The first free one of the names is taken, then the first with a number."""
    assert unique("a", {"a"}, "b") == "b"
    assert unique("a", {"a", "b", "a_2"}, "b") == "a_3"


@pytest.mark.parametrize(
    ("table", "schema", "path"),
    [
        ("Order Details", None, "/Order Details"),
        ("events", "audit", "/audit.events"),
        ("a/{b}", None, "/a-b"),
        ("what?", None, "/what"),
        ("..", None, "/table-2e2e"),
        ("{}", None, "/table-7b7d"),
    ],
)
def test_a_path_is_the_table_as_it_stands(table: str, schema: str | None, path: str):
    """Only what a path cannot hold is changed."""
    assert path_of(table, schema) == path


@given(ANY_NAME)
def test_any_table_has_a_path_of_one_piece(table: str):
    """No name becomes a parameter, a step up, a query, or several segments."""
    path = path_of(table)

    assert path.startswith("/")
    assert path.strip("/ .")
    assert not set(path[1:]) & set("/\\{}?#%")
