"""Pairs of versions, each named for what the second changes."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from tests.migrations.kinds import Point

__all__ = ["CHANGES"]


def _one(*columns: sa.SchemaItem, **tables: list[sa.SchemaItem]) -> sa.MetaData:
    metadata = sa.MetaData()
    sa.Table("t", metadata, sa.Column("id", sa.Integer, primary_key=True), *columns)
    for name, more in tables.items():
        sa.Table(name, metadata, sa.Column("id", sa.Integer, primary_key=True), *more)
    return metadata


def _mood(*values: str, **options: object) -> sa.Enum:
    return sa.Enum(*values, name="mood", **options)


CHANGES = {
    "enum_column_added": (_one(), _one(sa.Column("mood", _mood("a", "b")))),
    "enum_column_dropped": (_one(sa.Column("mood", _mood("a", "b"))), _one()),
    "enum_used_again": (
        _one(sa.Column("mood", _mood("a", "b"))),
        _one(sa.Column("mood", _mood("a", "b")), u=[sa.Column("mood", _mood("a", "b"))]),
    ),
    "enum_values_added": (
        _one(sa.Column("mood", _mood("b", "d"), server_default="b", index=True)),
        _one(sa.Column("mood", _mood("a", "b", "c", "d", "e's"), server_default="b", index=True)),
    ),
    "enum_value_removed": (
        _one(sa.Column("mood", _mood("a", "b", "c"), server_default="b", nullable=False)),
        _one(sa.Column("mood", _mood("c", "b"), server_default="b", nullable=False)),
    ),
    "text_becomes_enum": (
        _one(sa.Column("mood", sa.String(20))),
        _one(sa.Column("mood", _mood("a", "b"))),
    ),
    "checked_enum_changed": (
        _one(sa.Column("mood", _mood("a", "b", native_enum=False, create_constraint=True))),
        _one(sa.Column("mood", _mood("a", "b", "c", native_enum=False, create_constraint=True))),
    ),
    "reference_with_index_dropped": (
        _one(sa.Column("u_id", sa.ForeignKey("u.id"), index=True), u=[]),
        _one(u=[]),
    ),
    "reference_with_index_added": (
        _one(u=[]),
        _one(sa.Column("u_id", sa.ForeignKey("u.id"), index=True), u=[]),
    ),
    "unique_and_check_added": (
        _one(sa.Column("a", sa.Integer), sa.Column("b", sa.Integer)),
        _one(
            sa.Column("a", sa.Integer, unique=True), sa.Column("b", sa.Integer), sa.CheckConstraint("b > 0")
        ),
    ),
    "check_changed": (
        _one(sa.Column("a", sa.Integer), sa.CheckConstraint("a > 0")),
        _one(sa.Column("a", sa.Integer), sa.CheckConstraint("a > 10")),
    ),
    "column_with_check_added": (_one(), _one(sa.Column("a", sa.Integer, sa.CheckConstraint("a > 0")))),
    "default_changed": (
        _one(
            sa.Column("a", sa.String(9), server_default="x"),
            sa.Column("b", sa.Boolean, server_default=sa.true()),
        ),
        _one(
            sa.Column("a", sa.String(9), server_default="y"),
            sa.Column("b", sa.Boolean, server_default=sa.false()),
        ),
    ),
    "default_dropped": (
        _one(sa.Column("a", sa.DateTime, server_default=sa.func.now())),
        _one(sa.Column("a", sa.DateTime)),
    ),
    "type_of_the_project": (_one(), _one(sa.Column("place", Point))),
    "comment_added": (
        _one(sa.Column("a", sa.Integer)),
        _one(sa.Column("a", sa.Integer, comment="it's this")),
    ),
    "table_dropped": (_one(u=[sa.Column("t_id", sa.ForeignKey("t.id"), index=True)]), _one()),
    "column_renamed_in_case": (_one(sa.Column("Order ID", sa.Integer)), _one(sa.Column("order", sa.Integer))),
}

ARRAYS = (
    _one(sa.Column("moods", postgresql.ARRAY(_mood("a", "b")), server_default="{a}")),
    _one(sa.Column("moods", postgresql.ARRAY(_mood("b", "c")), server_default="{b}")),
)

for _name, (_before, _after) in CHANGES.items():
    globals()[f"{_name}_before"], globals()[f"{_name}_after"] = _before, _after
arrays_before, arrays_after = ARRAYS
