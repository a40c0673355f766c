"""Whether a column in the database is what the model says, where Alembic alone would see differences that are none.

`setup` makes it a plugin of Alembic's, so that its own rules go on where these have nothing to say.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.runtime.plugins import Plugin
from alembic.util import DispatchPriority, PriorityDispatchResult
from sqlalchemy.dialects import postgresql

__all__ = ["PLUGIN", "is_other_default", "is_other_rule", "is_other_type", "setup"]

PLUGIN: Final = "splice.migrations"

_NOW: Final = re.compile(
    r"\(?\s*(now|current_timestamp|localtimestamp|localtime)\s*(\(\d*\))?\s*\)?", re.IGNORECASE
)
_TRUTH: Final = re.compile(r"\(?'?(true|false|t|f|1|0)'?\)?(::boolean)?", re.IGNORECASE)
_QUOTED: Final = re.compile(
    r"\(?(?:_\w+)?'((?:[^'\\]|''|\\.)*)'(?:::[\w \".\[\]]+(?:\(\d+\))?)?\)?", re.DOTALL
)


def setup(plugin: Plugin) -> None:
    """Ask here about server defaults before Alembic does, and about CHECKs, which Alembic knows by name alone."""
    plugin.add_autogenerate_comparator(
        _compare_default, "column", "server_default", priority=DispatchPriority.FIRST
    )
    plugin.add_autogenerate_comparator(_compare_rules, "table", "rules")


def is_other_type(
    context: MigrationContext, _stored_column: Any, column: Any, stored: Any, declared: Any
) -> bool | None:
    """Whether the type differs; None leaves it to Alembic.

    What is written in the same way is the same: splice's engines write types without a stated precision in full.
    """
    if isinstance(stored, postgresql.ENUM) and isinstance(declared, sa.Enum) and declared.native_enum:
        return bool(stored.name != declared.name)  # Their values are compared elsewhere.
    same = _spelt(context, column, declared) == _spelt(context, column, stored)
    return False if same and not isinstance(declared, sa.Enum) else None


def is_other_default(column: sa.Column[Any], stored: str, declared: str | None, rendered: str) -> bool | None:
    """Whether the server's default differs; None leaves it to Alembic.

    Args:
        column: As the model has it.
        stored: As the database writes it.
        declared: As the model has it, where that is a text; else None.
        rendered: As the model has it, in the words of the database.
    """
    if _NOW.fullmatch(stored) and _NOW.fullmatch(rendered):
        return False  # Each database has its own word for the present moment, and for true and false.
    if isinstance(column.type, sa.Boolean) and _TRUTH.fullmatch(stored) and _TRUTH.fullmatch(rendered):
        return _is_true(stored) != _is_true(rendered)
    if declared is not None:
        quoted = _QUOTED.fullmatch(stored)
        same = declared == (_unquoted(quoted[1]) if quoted else stored.strip("()"))
        # Alembic would put the text into a statement without doubling its quotes.
        return False if same else True if "'" in declared else None
    return None


def _compare_default(  # Alembic's signature
    context: AutogenContext,
    operation: ops.AlterColumnOp,
    _schema: str | None,
    _table: str,
    _name: str,
    stored: sa.Column[Any],
    column: sa.Column[Any],
) -> PriorityDispatchResult:
    found, wanted = stored.server_default, column.server_default
    if not isinstance(found, sa.DefaultClause) or not isinstance(wanted, sa.DefaultClause):
        return PriorityDispatchResult.CONTINUE
    operation.existing_server_default = found
    declared = wanted.arg if isinstance(wanted.arg, str) else None
    differs = is_other_default(column, _written(context, found), declared, _written(context, wanted))
    if differs:
        operation.modify_server_default = wanted
    return PriorityDispatchResult.CONTINUE if differs is None else PriorityDispatchResult.STOP


def _written(context: AutogenContext, default: sa.DefaultClause) -> str:
    if isinstance(default.arg, str | sa.TextClause):
        return str(default.arg)  # Not compiled: where parameters are %s, that doubles each percent sign.
    return str(default.arg.compile(dialect=context.dialect, compile_kwargs={"literal_binds": True}))


def _compare_rules(  # Alembic's signature
    context: AutogenContext,
    operations: ops.ModifyTableOps,
    schema: str | None,
    table: str,
    stored: sa.Table[Any] | None,
    declared: sa.Table[Any] | None,
) -> PriorityDispatchResult:
    if stored is None or declared is None or context.dialect is None:
        return PriorityDispatchResult.CONTINUE
    names = [column.name for column in declared.columns]
    found = {
        rule["name"]: rule["sqltext"]
        for rule in context.inspector.get_check_constraints(table, schema=schema)
    }
    for rule in [rule for rule in declared.constraints if isinstance(rule, sa.CheckConstraint)]:
        old = found.get(str(rule.name))
        if old is not None and is_other_rule(old, _rule_text(context, rule), names):
            before = sa.CheckConstraint(old, name=rule.name, table=stored)
            operations.ops.append(ops.DropConstraintOp.from_constraint(before))
            operations.ops.append(ops.AddConstraintOp.from_constraint(rule))
    return PriorityDispatchResult.CONTINUE


def is_other_rule(stored: str, declared: str, columns: Sequence[str]) -> bool:
    """Whether a CHECK differs, as far as that can be told: databases write it in words of their own.

    Compared are the columns and the values that it names, and which of them is greater.
    """
    return _gist(stored, columns) != _gist(declared, columns)


_TEXTS: Final = re.compile(r"(?:_\w+)?'((?:[^'\\]|''|\\.)*)'")
_CASTS: Final = re.compile(r"::[a-z ]+(?:\([\d, ]+\))?(?:\[\])?", re.IGNORECASE)
_NUMBERS: Final = re.compile(r"(?<![\w.])\d+(?:\.\d+)?")


def _gist(text: str, columns: Sequence[str]) -> tuple[frozenset[str], ...]:
    values = {_unquoted(found) for found in _TEXTS.findall(text)}
    rest = _CASTS.sub("", _TEXTS.sub(" ", text)).lower()
    rest = re.sub(r"(?<!\w)\.(?=\d)", "0.", rest)
    words = set(re.findall(r"\w+", rest))
    named = {name.lower() for name in columns if name.lower() in words or name.lower() in rest}
    signs = set(re.findall(r"<=|>=|(?<!<)>|<(?!>)", rest)) | ({">=", "<="} if "between" in words else set())
    plain = {value.lstrip("-") for value in values if re.fullmatch(r"-?[\d.]+", value)}
    return (
        frozenset(named),
        frozenset(value for value in values if not re.fullmatch(r"-?[\d.]+", value)),
        frozenset(_NUMBERS.findall(rest)) | plain,
        frozenset(signs),
    )


def _rule_text(context: AutogenContext, rule: sa.CheckConstraint) -> str:
    if isinstance(rule.sqltext, sa.TextClause):
        return rule.sqltext.text
    return str(rule.sqltext.compile(dialect=context.dialect, compile_kwargs={"literal_binds": True}))


def _unquoted(text: str) -> str:
    return re.sub(r"''|\\(.)", lambda found: found[1] or "'", text)


def _spelt(context: MigrationContext, column: Any, type_: Any) -> str | None:
    compiler: Any = context.dialect.type_compiler_instance
    try:
        return str(compiler.process(type_, type_expression=column))
    except sa.exc.CompileError:
        return None


def _is_true(text: str) -> bool:
    return text.strip("()'").lower().removesuffix("::boolean").strip("'") in {"true", "t", "1"}
