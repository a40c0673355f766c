"""Names in a database → names in Python, as a person would choose them.

Pure: text in, text out. Singular and plural are English; a word that is no English is left as it is.
"""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Container, Iterator, Sequence
from typing import Final

from splice import english

__all__ = [
    "PATHS_IN_USE",
    "attribute_name",
    "children_name",
    "class_name",
    "link_name",
    "parent_name",
    "path_of",
    "snake",
    "unique",
]

_WORD: Final = re.compile(r"[^\W_]+")
_CAMEL_BOUNDARY: Final = re.compile(r"(?<=[^\W\dA-Z_])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][^\W\dA-Z_])")
_KEY_SUFFIX: Final = re.compile(r"(?:_|(?<=[a-z0-9])(?=I))(?:id|ID|Id|fk|key|code|uuid)$")

_PREPOSITIONS: Final = frozenset(
    {"above", "at", "below", "by", "for", "from", "in", "of", "on", "per", "to", "with"}
)
"""After one of these the last word is no longer what a row is: `sales by stores`."""

_CLASS_NAMES_IN_USE: Final = frozenset(
    {
        "ARRAY",
        "Any",
        "AsStored",
        "BIGINT",
        "Base",
        "BigInteger",
        "Boolean",
        "CHAR",
        "CITEXT",
        "CheckConstraint",
        "Computed",
        "Database",
        "Date",
        "DateTime",
        "Decimal",
        "DeclarativeBase",
        "Double",
        "Enum",
        "Exception",
        "False",
        "FastAPI",
        "Float",
        "ForeignKey",
        "ForeignKeyConstraint",
        "I",
        "INTEGER",
        "Identity",
        "Index",
        "Integer",
        "Interval",
        "JSON",
        "JSONB",
        "Json",
        "LargeBinary",
        "MEDIUMINT",
        "Mapped",
        "MetaData",
        "Moment",
        "None",
        "Number",
        "Numeric",
        "O",
        "Object",
        "Page",
        "Policy",
        "PrimaryKeyConstraint",
        "Query",
        "REAL",
        "Resource",
        "SMALLINT",
        "SmallInteger",
        "String",
        "TIMESTAMP",
        "TINYINT",
        "Table",
        "Text",
        "Time",
        "True",
        "Type",
        "UUID",
        "UniqueConstraint",
        "Uuid",
        "Value",
    }
)
"""What generated modules import, or Python has, a class of this name would hide; linters refuse `I` and `O`."""

_ATTRIBUTES_IN_USE: Final = frozenset({"metadata", "registry", "type_annotation_map"})
"""What SQLAlchemy keeps for itself."""

PATHS_IN_USE: Final = frozenset({"/docs", "/health", "/openapi.json", "/problems", "/ready", "/redoc"})
"""What an application serves besides its resources."""


def class_name(table: str) -> str:
    """The class of a table, singular and in CamelCase: `Order Details` → `OrderDetail`.

    >>> class_name("people"), class_name("film_text"), class_name("3d models")
    ('Person', 'FilmText', 'Table3dModel')
    """
    words = _words(table)
    if words and not _PREPOSITIONS.intersection(word.lower() for word in words[:-1]):
        words = [*words[:-1], _singular(words[-1])]
    name = _joined([word[:1].upper() + word[1:] for word in words])
    name = name if name.isidentifier() else f"Table{name}"
    return f"{name}Row" if name in _CLASS_NAMES_IN_USE else name


def attribute_name(column: str) -> str:
    """The attribute of a column, and so its name in JSON: the column's own wherever Python allows it.

    >>> attribute_name("AlbumId"), attribute_name("Order ID"), attribute_name("class")
    ('AlbumId', 'Order_ID', 'class_')
    """
    # Python reads identifiers in this form, so any other could not be found again; a leading _ would make it private.
    name = re.sub(r"\W+", "_", _nameable(column)).lstrip("_")
    name = name if column.endswith("_") else name.rstrip("_")
    name = name if name.isidentifier() or keyword.iskeyword(name) else f"column_{name}".rstrip("_")
    return f"{name}_" if keyword.iskeyword(name) or name in _ATTRIBUTES_IN_USE else name


def parent_name(columns: Sequence[str], parent: str) -> str:
    """What the row is called that a foreign key refers to: `author_id` → `author`.

    Args:
        columns: The columns of the key, by their names in the database.
        parent: The class referred to; it names what several columns, or none in particular, refer to.
    """
    stem = _stem(columns[0]) if len(columns) == 1 else ""
    return _attribute(stem or snake(parent))


def children_name(child: str, parent: str, relation: str, *, only_one: bool, alone: bool) -> str:
    """What the rows are called that refer to one.

    Args:
        child: The class that refers.
        parent: The class referred to.
        relation: What the child calls its parent.
        only_one: Whether at most one row can refer.
        alone: Whether no other foreign key of the child refers to the same parent.
    """
    rows = snake(child) if only_one else _plural(snake(child))
    if child == parent:
        return "children" if relation == "parent" and not only_one else _attribute(f"{relation}_{rows}")
    plain = alone or relation == snake(parent)
    return _attribute(rows if plain else f"{relation}_{rows}")


def link_name(target: str) -> str:
    """What the rows are called that a table between two others leads to."""
    return _attribute(_plural(snake(target)))


def unique(name: str, taken: Container[str], *others: str) -> str:
    """The first of the names that is not taken, else the first one with a number.

    >>> unique("artist", {"artist"}, "artist_row"), unique("id", {"id", "id_2"})
    ('artist_row', 'id_3')
    """
    return next(candidate for candidate in _candidates(name, others) if candidate not in taken)


def path_of(table: str, schema: str | None = None) -> str:
    """The path of a table's rows: its name as it stands wherever that is a path of one piece.

    >>> path_of("Order Details"), path_of("a/{b}"), path_of("events", "audit")
    ('/Order Details', '/a-b', '/audit.events')
    """
    name = table if schema is None else f"{schema}.{table}"
    # Braces would be parameters, and what begins a query or a fragment, or goes a step up, never arrives.
    clean = re.sub(r"[/\\{}?#%\x00-\x1f\x7f]+", "-", name).strip("-")
    clean = clean.encode("utf-8", "replace").decode()
    return f"/{clean}" if clean.strip(" .") else f"/table-{name.encode('utf-8', 'replace').hex()}"


def snake(name: str) -> str:
    """Any name in snake_case: `SupportRep` → `support_rep`."""
    return "_".join(word.lower() for word in _words(name))


def _plural(name: str) -> str:
    """A name in snake_case whose last word is made plural, unless it is."""
    first, line, last = name.rpartition("_")
    return f"{first}{line}{english.plural(last)}"


def _nameable(name: str) -> str:
    """A name in the form in which Python reads identifiers, with blanks for digits that none can have."""
    normal = unicodedata.normalize("NFKC", name)
    return "".join(sign if not sign.isalnum() or f"a{sign}".isidentifier() else " " for sign in normal)


def _words(name: str) -> list[str]:
    words = _WORD.findall(_nameable(name))
    parts = [part for word in words for part in _CAMEL_BOUNDARY.split(word)]
    shouted = "".join(words).isupper()
    return [part.lower() if shouted else part for part in parts]


def _joined(words: Sequence[str]) -> str:
    """One name; digits that stood apart stay apart: `p2007_01` is not `P200701`."""
    return re.sub(r"(?<=\d) (?=\d)", "_", " ".join(words)).replace(" ", "")


def _singular(word: str) -> str:
    """A plural's singular, in the letter case that it had; any other word as it is."""
    lower = word.lower()
    found = english.singular(lower)
    return word if found == lower else found.capitalize() if word[0].isupper() else found


def _stem(column: str) -> str:
    return snake(_KEY_SUFFIX.sub("", column))


def _attribute(name: str) -> str:
    return attribute_name(name)


def _candidates(name: str, others: Sequence[str]) -> Iterator[str]:
    yield from (name, *others)
    number = 2
    while True:
        yield f"{name}_{number}"
        number += 1
