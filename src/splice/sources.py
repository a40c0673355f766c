"""A reflected database → the text of `models.py`, as one would write it to go on from.

Pure. Names and SQL of the database reach the text only as literals that Python itself has spelt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from splice.python_source import INDENT, WIDTH, Call, docstring, import_lines, literal
from splice.reflection import (
    SQLITE_INTEGER,
    Check,
    Column,
    ForeignKey,
    Index,
    Model,
    Reflection,
    Relation,
    Unique,
)
from splice.types import AsStored

__all__ = ["models_source"]

_BIND: Final = re.compile(r"(?<![:\w\\]):(?=\w)")


def models_source(reflection: Reflection, title: str) -> str:
    """The text of a module with a class for each model of the reflection.

    Args:
        reflection: What was found.
        title: What the database is called, for the docstring; without the password of its URL.
    """
    module = _Module(reflection)
    classes = [module.base(), *(module.model(model) for model in reflection.models)]
    parts = [docstring(f"The tables of {title}."), module.imports(), *classes]
    return "\n\n\n".join(["\n\n".join(parts[:2]), *parts[2:]]) + "\n"


# Literals


def _sql(value: str) -> str:
    """SQL for `text()`, in which a colon before a name would be a parameter."""
    return literal(_BIND.sub(r"\\:", value))


def _texts(values: Iterable[str]) -> list[str]:
    return [literal(value) for value in values]


# The module


@dataclass(frozen=True, slots=True)
class _Imports:
    """The names that a module needs, as they are called in it: no attribute may hide one inside of its class."""

    hidden: frozenset[str]
    modules: dict[str, set[str]] = field(default_factory=dict)

    def name(self, module: str, name: str) -> str:
        self.modules.setdefault(module, set()).add(name)
        return self._called(name)

    def datetime(self, name: str) -> str:
        self.modules.setdefault("datetime", set())
        return f"{self._called('dt')}.{name}"

    def builtin(self, name: str) -> str:
        if name not in self.hidden:
            return name
        self.modules.setdefault("builtins", set())
        return f"{self._called('builtins')}.{name}"

    def _called(self, name: str) -> str:
        while name in self.hidden:
            name += "_"
        return name

    def spelt(self) -> str:
        own = [
            self._from(module) for module in sorted(self.modules) if module in {"decimal", "typing", "uuid"}
        ]
        plain = list(self._modules())
        others = [
            self._from(module)
            for module in sorted(self.modules)
            if module.startswith(("splice", "sqlalchemy"))
        ]
        return "\n\n".join("\n".join(block) for block in ([*plain, *own], others) if block)

    def _modules(self) -> Iterator[str]:
        if "builtins" in self.modules:
            called = self._called("builtins")
            yield "import builtins" if called == "builtins" else f"import builtins as {called}"
        if "datetime" in self.modules:
            yield f"import datetime as {self._called('dt')}"

    def _from(self, module: str) -> str:
        called = {name: self._called(name) for name in self.modules[module]}
        return "\n".join(import_lines(module, called))


class _Module:
    """The text of one module while it is written."""

    def __init__(self, reflection: Reflection) -> None:
        self._on_sqlite = reflection.dialect == "sqlite"
        self._reflection = reflection
        self._by_place = {model.place: model for model in reflection.models}
        attributes = {column.attribute for model in reflection.models for column in model.columns}
        relations = {relation.name for model in reflection.models for relation in model.relations}
        self._imports = _Imports(frozenset(attributes | relations))

    def imports(self) -> str:
        return self._imports.spelt()

    def base(self) -> str:
        lines = [
            f"class Base({self._orm('DeclarativeBase')}):",
            f'{INDENT}"""What the models have in common."""',
        ]
        if self._on_sqlite:
            big, plain = self._sqlalchemy("BigInteger"), self._sqlalchemy("Integer")
            lines += [
                "",
                f"{INDENT}# An INTEGER of SQLite has 64 bits.",
                f'{INDENT}type_annotation_map = {{int: {big}().with_variant({plain}, "sqlite")}}',
            ]
        return "\n".join(lines)

    def model(self, model: Model) -> str:
        head = [
            f"class {model.name}(Base):",
            *self._doc(model),
            f"{INDENT}__tablename__ = {literal(model.table)}",
        ]
        table = self._table_arguments(model)
        if table:
            head.append(self._assigned("__table_args__", table))
        columns = [_clear(column.attribute, self._column(model, column)) for column in model.columns]
        if not model.key:
            columns += ["", self._assigned("__mapper_args__", _mapper_arguments(model))]
        relations = [_clear(relation.name, self._relation(model, relation)) for relation in model.relations]
        blocks = [head, columns, relations]
        return "\n\n".join("\n".join(block) for block in blocks if block)

    def _doc(self, model: Model) -> list[str]:
        what = {"view": "A view", "table": "A table without a key"}[model.kind]
        return [] if model.key else [f'{INDENT}"""{what}: its rows can be listed."""', ""]

    def _orm(self, name: str) -> str:
        return self._imports.name("sqlalchemy.orm", name)

    def _sqlalchemy(self, name: str) -> str:
        return self._imports.name("sqlalchemy", name)

    def _assigned(self, name: str, value: Call, annotation: str = "") -> str:
        start = f"{INDENT}{name}{annotation} = "
        return start + value.spelt(INDENT, WIDTH - len(start))

    # Tables

    def _table_arguments(self, model: Model) -> Call | None:
        parts: list[str | Call] = [
            self._foreign_key_rule(key) for key in model.foreign_keys if not _is_inline(key)
        ]
        parts += [self._unique(rule) for rule in model.uniques if not _is_inline_unique(rule)]
        parts += [self._check(rule) for rule in model.checks]
        parts += [self._index(index) for index in model.indexes]
        options = [f'"schema": {literal(model.schema)}'] if model.schema else []
        options += [f'"comment": {literal(model.comment)}'] if model.comment else []
        if not parts:
            return Call("{", options, "}") if options else None
        return Call("(", [*parts, *([Call("{", options, "}")] if options else [])])

    def _foreign_key_rule(self, key: ForeignKey) -> Call:
        local = Call("[", _texts(key.columns), "]")
        remote = Call("[", [literal(target) for target in _targets(key)], "]")
        return Call(f"{self._sqlalchemy('ForeignKeyConstraint')}(", [local, remote, *_key_options(key)])

    def _unique(self, rule: Unique) -> Call:
        options = [f"name={literal(rule.name)}"] if rule.name else []
        return Call(f"{self._sqlalchemy('UniqueConstraint')}(", [*_texts(rule.columns), *options])

    def _check(self, rule: Check) -> Call:
        return Call(
            f"{self._sqlalchemy('CheckConstraint')}(", [_sql(rule.text), f"name={literal(rule.name)}"]
        )

    def _index(self, index: Index) -> Call:
        options = ["unique=True"] if index.unique else []
        return Call(f"{self._sqlalchemy('Index')}(", [literal(index.name), *_texts(index.columns), *options])

    # Columns

    def _column(self, model: Model, column: Column) -> str:
        type_ = self._type(column.type)
        annotation = self._annotation(column.type)
        arguments = self._column_arguments(model, column, type_)
        shown = f"{annotation} | None" if column.nullable else annotation
        start = f": {self._orm('Mapped')}[{shown}]"
        if not arguments and model.key:
            return f"{INDENT}{column.attribute}{start}"
        call = Call(f"{self._orm('mapped_column')}(", arguments)
        return self._assigned(column.attribute, call, start)

    def _column_arguments(self, model: Model, column: Column, type_: str | Call | None) -> list[str | Call]:
        arguments: list[str | Call] = [] if column.name == column.attribute else [literal(column.name)]
        arguments += [] if type_ is None else [type_]
        own = (key for key in model.foreign_keys if key.columns == (column.name,))
        arguments += [self._foreign_key(key) for key in own]
        arguments += self._made(column)
        arguments += ["primary_key=True"] if column.primary_key else []
        arguments += [] if column.autoincrement is None else [f"autoincrement={column.autoincrement}"]
        arguments += ["unique=True"] if Unique((column.name,)) in model.uniques else []
        if column.server_default is not None:
            default = Call(f"server_default={self._sqlalchemy('text')}(", [_sql(column.server_default)])
            arguments.append(default)
        # These annotations have a None of their own, which says nothing about the column.
        arguments += (
            [f"nullable={column.nullable}"] if _is_json(column.type) and not column.primary_key else []
        )
        arguments += [f"comment={literal(column.comment)}"] if column.comment else []
        return arguments

    def _foreign_key(self, key: ForeignKey) -> Call:
        return Call(f"{self._sqlalchemy('ForeignKey')}(", [literal(_targets(key)[0]), *_key_options(key)])

    def _made(self, column: Column) -> Iterator[Call]:
        if column.computed is not None:
            options = [] if column.persisted is None else [f"persisted={column.persisted}"]
            yield Call(f"{self._sqlalchemy('Computed')}(", [_sql(column.computed), *options])
        elif column.identity is not None:
            yield Call(f"{self._sqlalchemy('Identity')}(", _identity_options(column.identity))

    def _type(self, type_: TypeEngine[Any]) -> str | Call | None:
        """How a type is spelt; None where the annotation says it."""
        plain = type(type_) in _SAID_BY_ANNOTATION and not _type_arguments(type_)
        if plain or type_ is SQLITE_INTEGER:
            return None
        return self._spelt_type(type_)

    def _spelt_type(self, type_: TypeEngine[Any]) -> str | Call:
        if isinstance(type_, AsStored):
            name = self._imports.name("splice.types", "AsStored")
            return Call(f"{name}(", [self._spelt_type(type_.declared)] if _is_typed(type_) else [])
        name = self._imports.name(_home(type_), type(type_).__name__)
        arguments = (
            [self._spelt_type(type_.item_type)] if isinstance(type_, sa.ARRAY) else _type_arguments(type_)
        )
        return Call(f"{name}(", arguments) if arguments else name

    def _annotation(self, type_: TypeEngine[Any]) -> str:
        if isinstance(type_, AsStored):
            return self._tolerant_annotation(type_)
        if isinstance(type_, sa.ARRAY):
            return f"{self._imports.builtin('list')}[{self._annotation(type_.item_type)}]"
        return self._python_type(type_)

    def _tolerant_annotation(self, type_: AsStored) -> str:
        declared = type_.declared
        if isinstance(declared, sa.Date | sa.DateTime | sa.Time):
            return self._imports.name("splice.types", "Moment")
        if isinstance(declared, sa.Numeric) and not declared.asdecimal:
            return self._imports.name("splice.types", "Number")
        if isinstance(declared, sa.JSON):
            return self._imports.name("splice.types", "Json")
        return (
            self._python_type(declared) if _is_typed(type_) else self._imports.name("splice.types", "Value")
        )

    def _python_type(self, type_: TypeEngine[Any]) -> str:
        if isinstance(type_, sa.JSON):
            return self._imports.name("typing", "Any")
        python = next(python for kind, python in _PYTHON_TYPES if isinstance(type_, kind))
        module, _, name = python.rpartition(".")
        if module == "datetime":
            return self._imports.datetime(name)
        return self._imports.name(module, name) if module else self._imports.builtin(name)

    # Relations

    def _relation(self, model: Model, relation: Relation) -> str:
        optional = relation.optional and not relation.many
        target = f'"{relation.target} | None"' if optional else f'"{relation.target}"'
        target = f"{self._imports.builtin('list')}[{target}]" if relation.many else target
        call = Call(f"{self._orm('relationship')}(", list(self._relation_arguments(model, relation)))
        return self._assigned(relation.name, call, f": {self._orm('Mapped')}[{target}]")

    def _relation_arguments(self, model: Model, relation: Relation) -> Iterator[str]:
        if relation.through:
            yield f"secondary=lambda: {relation.through}.__table__"
        if relation.foreign_keys:
            yield f"foreign_keys={_attributes_text(relation.owner, relation.foreign_keys)}"
        if relation.remote_side:
            yield f"remote_side={_attributes_text(model.name, relation.remote_side)}"
        yield f'back_populates="{relation.back}"'
        if relation.on_delete in {"CASCADE", "SET NULL", "SET DEFAULT"} and not relation.view_only:
            yield from ['cascade="all"'] if relation.on_delete == "CASCADE" else []
            yield "passive_deletes=True"
        if relation.view_only:
            yield "viewonly=True"


def _clear(attribute: str, text: str) -> str:
    """An attribute whose name linters take for a number keeps it all the same: it is the database's."""
    first, line, rest = text.partition("\n")
    return f"{first}  # noqa: E741{line}{rest}" if attribute in {"I", "O", "l"} else text


def _mapper_arguments(model: Model) -> Call:
    return Call("{", [Call('"primary_key": [', model.identity, "]")], "}")


def _is_inline(key: ForeignKey) -> bool:
    return len(key.columns) == 1


def _is_inline_unique(rule: Unique) -> bool:
    return len(rule.columns) == 1 and rule.name is None


def _targets(key: ForeignKey) -> list[str]:
    place = ".".join(part for part in key.target if part is not None)
    return [f"{place}.{column}" for column in key.target_columns]


def _key_options(key: ForeignKey) -> Iterator[str]:
    if key.name or key.late:
        yield f"name={literal(key.name or _made_up_name(key))}"
    for option in ("ondelete", "onupdate"):
        if getattr(key, option):
            yield f"{option}={literal(getattr(key, option))}"
    if key.deferrable is not None:
        yield f"deferrable={bool(key.deferrable)}"
    if key.initially:
        yield f"initially={literal(key.initially)}"
    if key.late:
        yield "use_alter=True"


def _made_up_name(key: ForeignKey) -> str:
    return "_".join(["fk", *key.columns, key.target[1]])


_IDENTITY: Final = ("always", "start", "increment", "minvalue", "maxvalue", "cycle", "cache")
_USUAL_IDENTITY: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "always": False,
        "start": 1,
        "increment": 1,
        "minvalue": 1,
        "cycle": False,
        "cache": 1,
    }
)
_LARGEST: Final = frozenset({2**15 - 1, 2**31 - 1, 2**63 - 1})


def _identity_options(identity: Mapping[str, Any]) -> list[str]:
    return [
        f"{name}={value!r}"
        for name in _IDENTITY
        if isinstance(value := identity.get(name), int | bool)
        and value != _USUAL_IDENTITY.get(name)
        and not (name == "maxvalue" and value in _LARGEST)
    ]


def _attributes_text(owner: str, attributes: Sequence[str]) -> str:
    paths = [f"{owner}.{attribute}" for attribute in attributes]
    return f'"{paths[0]}"' if len(paths) == 1 else f'"[{", ".join(paths)}]"'


_SAID_BY_ANNOTATION: Final = frozenset(
    {
        sa.Boolean,
        sa.Date,
        sa.DateTime,
        sa.Float,
        sa.Integer,
        sa.Interval,
        sa.LargeBinary,
        sa.Time,
        sa.Uuid,
    }
)
"""Types that SQLAlchemy chooses by itself for a Python type."""

_PYTHON_TYPES: Final[tuple[tuple[Any, str], ...]] = (
    (sa.Boolean, "bool"),
    (sa.Integer, "int"),
    (sa.Float, "float"),
    (sa.Numeric, "decimal.Decimal"),
    (sa.String, "str"),
    (sa.Uuid, "uuid.UUID"),
    (sa.DateTime, "datetime.datetime"),
    (sa.Date, "datetime.date"),
    (sa.Time, "datetime.time"),
    (sa.Interval, "datetime.timedelta"),
    (sa.LargeBinary, "bytes"),
)


def _is_json(type_: TypeEngine[Any]) -> bool:
    return isinstance(getattr(type_, "declared", type_), sa.JSON)


def _is_typed(type_: AsStored) -> bool:
    return not isinstance(type_.declared, sa.types.UserDefinedType)


def _home(type_: TypeEngine[Any]) -> str:
    """The module that a type is imported from."""
    for dialect in ("postgresql", "mysql"):
        if type(type_).__module__.startswith(f"sqlalchemy.dialects.{dialect}."):
            return f"sqlalchemy.dialects.{dialect}"
    return "sqlalchemy"


def _type_arguments(type_: Any) -> list[str | Call]:
    if isinstance(type_, sa.Enum):
        options = [
            f"{name}={literal(value)}" for name in ("name", "schema") if (value := getattr(type_, name))
        ]
        return [*_texts(type_.enums), *options]
    if isinstance(type_, sa.Numeric) and not isinstance(type_, sa.Float):
        return _numeric_arguments(type_)
    if isinstance(type_, sa.DateTime | sa.Time) and type_.timezone:
        return ["timezone=True"]
    if getattr(type_, "unsigned", False):
        return ["unsigned=True"]
    return [str(type_.length)] if isinstance(type_, sa.String | sa.LargeBinary) and type_.length else []


def _numeric_arguments(type_: Any) -> list[str | Call]:
    if not type_.asdecimal:
        return ["asdecimal=False"]
    return [str(part) for part in (type_.precision, type_.scale) if part is not None]
