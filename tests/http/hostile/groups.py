"""All kinds of attacks."""

from __future__ import annotations

from typing import Final

from tests.http.hostile.attacks import Group
from tests.http.hostile.reads import cursors, documents, filters, relations
from tests.http.hostile.requests import headers, methods, paths
from tests.http.hostile.writes import bodies, conditions, media_types, names, values

__all__ = ["GROUPS"]

GROUPS: Final[tuple[Group, ...]] = (
    values,
    names,
    bodies,
    media_types,
    conditions,
    filters,
    relations,
    cursors,
    documents,
    paths,
    methods,
    headers,
)
