"""Names for constraints that have none in the models: those that PostgreSQL itself would choose.

Tables then agree whoever made them, and a migration can drop what it has made on every database.

Source of the rule: makeObjectName in indexcmds.c of PostgreSQL, and ChooseConstraintName for CHECKs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.schema import (
    CheckConstraint,
    Constraint,
    ForeignKeyConstraint,
    UniqueConstraint,
    conv,
)

__all__ = ["named"]

_BYTES: Final = 63
"""How long a name may be in PostgreSQL; MariaDB takes one character more."""


def named(metadata: sa.MetaData) -> sa.MetaData:
    """The same tables with a name for each constraint: a copy, unless the metadata names all of them itself.

    Primary keys stay as they are: PostgreSQL names them in the same way, MariaDB not at all, with a warning for each.
    What a naming convention of the metadata says is kept. CHECKs of columns become CHECKs of their tables. The copy
    has the listeners of the metadata and its tables.
    """
    own = metadata.naming_convention
    missing = {kind: text for kind, text in _KINDS.items() if kind not in own and _CLASSES[kind] not in own}
    if not missing and not any(
        _rules_of_columns(table) or _rules_of_types(table) for table in metadata.tables.values()
    ):
        return metadata
    return _copy(metadata, {**own, **missing, **_TOKENS})


def _copy(metadata: sa.MetaData, convention: Mapping[Any, Any]) -> sa.MetaData:
    copy = sa.MetaData(schema=metadata.schema, naming_convention=convention, info=metadata.info)
    for table in metadata.tables.values():
        copied = table.to_metadata(copy)
        _keep_schemas(table, copied)
        _move_rules(copied)
        _count_up(table, copied)
        _copy_listeners(table, copied)
    _copy_listeners(metadata, copy)
    for key, sequence in metadata._sequences.items():  # noqa: SLF001  # those of no column are listed nowhere else
        if key not in copy._sequences:  # noqa: SLF001  # the same
            sequence._copy()._set_metadata(copy)  # noqa: SLF001  # the way of to_metadata itself
    return copy


def _copy_listeners(old: sa.MetaData | sa.Table[Any], new: sa.MetaData | sa.Table[Any]) -> None:
    # to_metadata keeps only listeners that propagate; without the others, DDL of the user's would silently not run.
    new.dispatch._update(old.dispatch, only_propagate=False)  # noqa: SLF001  # there is no public way


def _keep_schemas(old: sa.Table[Any], new: sa.Table[Any]) -> None:
    """An enum is in the schema that the model says; to_metadata puts it in that of its table."""
    for before, after in zip(old.columns, new.columns, strict=True):
        if isinstance(before.type, sa.Enum) and isinstance(after.type, sa.Enum):
            after.type.schema = before.type.schema


def _rules_of_columns(table: sa.Table[Any]) -> list[tuple[sa.Column[Any], CheckConstraint]]:
    return [
        (column, rule)
        for column in table.columns
        for rule in column.constraints
        if isinstance(rule, CheckConstraint)
    ]


def _rules_of_types(table: sa.Table[Any]) -> list[tuple[sa.Column[Any], CheckConstraint]]:
    """What enums that are no types of the database ask for; those are written everywhere."""
    checked = [
        column
        for column in table.columns
        if isinstance(column.type, sa.Enum) and column.type.create_constraint and not column.type.native_enum
    ]
    bound = [rule for rule in table.constraints if isinstance(rule, CheckConstraint) and rule._type_bound]  # noqa: SLF001  # see above
    return [(column, rule) for column in checked for rule in bound if column in {*rule.columns}]


def _move_rules(table: sa.Table[Any]) -> None:
    """Make rules of a column and of its type rules of the table: they can be named, changed and dropped as such."""
    for column, rule in _rules_of_columns(table):
        column.constraints.discard(rule)
        table.append_constraint(CheckConstraint(rule.sqltext, name=rule.name))
    for column, rule in _rules_of_types(table):
        table.constraints.discard(rule)
        table.append_constraint(
            CheckConstraint(rule.sqltext, name=rule.name if isinstance(rule.name, str) else None)
        )
        column.type.create_constraint = False  # type: ignore[attr-defined]  # an Enum


def _count_up(old: sa.Table[Any], new: sa.Table[Any]) -> None:
    """Number rules of one name, in the order in which the model has them: users_check, users_check1."""
    order = [str(rule.sqltext) for rule in (*(rule for _, rule in _rules_of_columns(old)), *_rules(old))]
    seen: Counter[str] = Counter()
    for rule in sorted(_rules(new), key=lambda rule: order.index(str(rule.sqltext))):
        if isinstance(rule.name, conv):
            name = str(rule.name)
            rule.name = conv(f"{name}{seen[name] or ''}")
            seen[name] += 1


def _rules(table: sa.Table[Any]) -> list[CheckConstraint]:
    ordered = sorted(table.constraints, key=lambda constraint: constraint._creation_order)  # noqa: SLF001  # see above
    return [constraint for constraint in ordered if isinstance(constraint, CheckConstraint)]


def _postgresql_name(table: str, columns: Sequence[str], label: str) -> str:
    """Table, columns and a label; the longer of the first two is shortened until all of it fits."""
    left, right = table, "_".join(columns)
    room = _BYTES - 1 - len(label) - bool(right)
    while len(left.encode()) + len(right.encode()) > room:
        left, right = (left[:-1], right) if len(left) > len(right) else (left, right[:-1])
    return "_".join(part for part in (left, right, label) if part)


def _unique(constraint: UniqueConstraint, table: sa.Table[Any]) -> str:
    return _postgresql_name(table.name, [column.name for column in constraint.columns], "key")


def _reference(constraint: ForeignKeyConstraint, table: sa.Table[Any]) -> str:
    return _postgresql_name(table.name, constraint.column_keys, "fkey")


def _rule(constraint: CheckConstraint, table: sa.Table[Any]) -> str:
    """A rule about one column has it in its name."""
    columns = _columns_of_rule(constraint, table)
    return _postgresql_name(table.name, columns if len(columns) == 1 else (), "check")


def _columns_of_rule(constraint: CheckConstraint, table: sa.Table[Any]) -> list[str]:
    if constraint.columns:
        return [column.name for column in constraint.columns]
    words = set(re.findall(r"\w+", re.sub(r"'[^']*'", "", str(constraint.sqltext)).lower()))
    return [column.name for column in table.columns if column.name.lower() in words]


_KINDS: Final = MappingProxyType(
    {
        "uq": "%(splice_uq)s",
        "fk": "%(splice_fk)s",
        "ck": "%(splice_ck)s",
    }
)

_CLASSES: Final[Mapping[str, type[Constraint]]] = MappingProxyType(
    {
        "uq": UniqueConstraint,
        "fk": ForeignKeyConstraint,
        "ck": CheckConstraint,
    }
)
"""The other way in which a convention may name a kind."""

_TOKENS: Final = MappingProxyType({"splice_uq": _unique, "splice_fk": _reference, "splice_ck": _rule})
