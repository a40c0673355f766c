"""Column types of a project's own."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

__all__ = ["Email", "Point"]


class Email(sa.TypeDecorator[str]):
    """The same text on every database."""

    impl = sa.String(100)
    cache_ok = True


class Point(sa.TypeDecorator[str]):
    """Another type on PostgreSQL."""

    impl = sa.String(40)
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        return dialect.type_descriptor(sa.Text() if dialect.name == "postgresql" else sa.String(40))

    def __repr__(self) -> str:
        return "Point()"
