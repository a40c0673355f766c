"""What PostgreSQL's catalogue says and SQLAlchemy's inspector does not, or not of every name.

No schema stands for the one that the connection starts in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy.engine import Connection

from splice.reflection.models import Command, Place

__all__ = ["diverted", "filled", "foreign_keys", "inherited", "refused"]

_ACTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {"a": "NO ACTION", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}
)


def refused(connection: Connection) -> dict[Place, str]:
    """Partitions, whose rows are those of their parent, and tables and views that cannot be read."""
    rows = connection.exec_driver_sql(
        "SELECT NULLIF(n.nspname, current_schema()), c.relname, "
        "CASE WHEN c.relispartition THEN 'a partition; its rows are those of the whole table' "
        "WHEN NOT c.relispopulated THEN 'it has not been filled yet; run REFRESH MATERIALIZED VIEW' "
        "WHEN NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 "
        "AND NOT a.attisdropped) THEN 'it has no columns' "
        "WHEN NOT has_schema_privilege(n.oid, 'USAGE') OR NOT has_table_privilege(c.oid, 'SELECT') "
        "THEN 'this user may not read it' END "
        "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')"
    )
    return {(schema, name): why for schema, name, why in rows if why is not None}


def inherited(connection: Connection) -> frozenset[Place]:
    """Tables that others inherit from: their rows come with those of the others, and no key holds for all of them."""
    rows = connection.exec_driver_sql(
        "SELECT DISTINCT NULLIF(n.nspname, current_schema()), c.relname FROM pg_catalog.pg_inherits i "
        "JOIN pg_catalog.pg_class c ON c.oid = i.inhparent JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relkind IN ('r', 'f')"
    )
    return frozenset((schema, name) for schema, name in rows)


def diverted(connection: Connection) -> dict[Place, list[Command]]:
    """Tables with rules (CREATE RULE … DO INSTEAD), which answer no RETURNING."""
    rows = connection.exec_driver_sql(
        "SELECT NULLIF(n.nspname, current_schema()), c.relname, array_agg(DISTINCT "
        "CASE r.ev_type WHEN '2' THEN 'UPDATE' WHEN '3' THEN 'INSERT' ELSE 'DELETE' END) "
        "FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class "
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "WHERE r.is_instead AND r.ev_type <> '1' GROUP BY 1, 2"
    )
    return {(schema, name): commands for schema, name, commands in rows}


def filled(connection: Connection) -> frozenset[Place]:
    """Tables with a trigger before each row that is inserted: it may supply what no client can send."""
    rows = connection.exec_driver_sql(
        "SELECT DISTINCT NULLIF(n.nspname, current_schema()), c.relname "
        "FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid "
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        # 1 is FOR EACH ROW, 2 BEFORE, 4 INSERT.
        "WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 7 = 7"
    )
    return frozenset((schema, name) for schema, name in rows)


def foreign_keys(connection: Connection) -> Mapping[Place, Sequence[Mapping[str, Any]]]:
    """The foreign keys of every table, as the inspector would give them.

    It reads them out of their SQL, and ends at the first name that has a comma, a bracket or a blank in it.
    """
    found: dict[Place, list[Mapping[str, Any]]] = defaultdict(list)
    for row in connection.exec_driver_sql(_FOREIGN_KEYS):
        found[row.own_schema, row.own_table].append(_foreign_key(row))
    return found


# What has a parent is the part of a key for one partition.
_FOREIGN_KEYS: Final = """
SELECT NULLIF(n.nspname, current_schema()) AS own_schema, c.relname AS own_table, f.conname AS name,
    NULLIF(rn.nspname, current_schema()) AS referred_schema, r.relname AS referred_table,
    ARRAY(SELECT a.attname::text FROM unnest(f.conkey) WITH ORDINALITY AS k (attnum, place)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.attnum ORDER BY k.place
    ) AS constrained_columns,
    ARRAY(SELECT a.attname::text FROM unnest(f.confkey) WITH ORDINALITY AS k (attnum, place)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.attnum ORDER BY k.place
    ) AS referred_columns,
    f.confdeltype::text AS on_delete, f.confupdtype::text AS on_update, f.condeferrable, f.condeferred
FROM pg_catalog.pg_constraint f
JOIN pg_catalog.pg_class c ON c.oid = f.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_class r ON r.oid = f.confrelid JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace
WHERE f.contype = 'f' AND f.conparentid = 0 ORDER BY 1, 2, 3
"""


def _foreign_key(row: Any) -> Mapping[str, Any]:
    options = {
        "ondelete": _ACTIONS[row.on_delete],
        "onupdate": _ACTIONS[row.on_update],
        "deferrable": row.condeferrable or None,
        "initially": "DEFERRED" if row.condeferred else None,
    }
    named = ("name", "constrained_columns", "referred_schema", "referred_table", "referred_columns")
    return {"options": options, **{name: getattr(row, name) for name in named}}
