"""A database that exists → the models it would have: frozen values, with what was left out and why.

What a database says is taken as data: nothing here makes a class, and only the catalogue is read.
"""

from __future__ import annotations

import fnmatch
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.types import TypeEngine

from splice import names
from splice.description import looks_secret
from splice.reflection.catalogue import read_catalogue
from splice.reflection.columns import SQLITE_INTEGER
from splice.reflection.models import (
    Check,
    Column,
    Command,
    ForeignKey,
    Index,
    Kind,
    Model,
    Place,
    Reflection,
    Relation,
    Unique,
)
from splice.reflection.relations import related
from splice.reflection.sources import Source
from splice.terms import VERBS, Verb

__all__ = [
    "SQLITE_INTEGER",
    "Check",
    "Column",
    "ForeignKey",
    "Index",
    "Kind",
    "Model",
    "Place",
    "Reflection",
    "Relation",
    "Unique",
    "reflect",
]

_VERBS_OF_COMMANDS: Final[Mapping[Command, frozenset[Verb]]] = {
    "INSERT": frozenset({"create", "replace"}),
    "UPDATE": frozenset({"update", "replace"}),
    "DELETE": frozenset({"delete"}),
}


def reflect(
    connection: Connection,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    progress: Callable[[int, int, str], None] | None = None,
) -> Reflection:
    """Look at the tables and views of a database, and design a model for each.

    Args:
        connection: To SQLite, PostgreSQL, MariaDB or MySQL; only read from.
        include: Shell patterns; only tables whose `table` or `schema.table` fits one of them.
        exclude: Shell patterns of those to leave out, in the same words; they win.
        progress: Called with the tables done, all tables, and the name of the one just done; again for each schema.
    """
    findings = _Findings()
    with warnings.catch_warnings():
        # SQLAlchemy warns about what it does not know; here that stands in the report.
        warnings.simplefilter("ignore", sa.exc.SAWarning)
        sources = read_catalogue(
            connection, _Choice(tuple(include), tuple(exclude)).refusal, progress or _silent
        )
    kept = sorted(findings.kept(sources), key=lambda source: (source.place[0] or "", source.place[1]))
    designed = _Designs(connection.dialect.name, findings).models(kept)
    return Reflection(
        dialect=connection.dialect.name,
        models=related(designed),
        left_out=tuple(findings.left_out),
        remarks=tuple(findings.remarks),
    )


def _silent(_done: int, _total: int, _name: str) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True)
class _Choice:
    """Which tables were asked for."""

    include: tuple[str, ...]
    exclude: tuple[str, ...]

    def refusal(self, place: Place) -> str | None:
        if place[1] == "alembic_version":
            return "Alembic keeps its place in it"
        if self.include and not _fits(place, self.include):
            return "no pattern of include fits"
        return "a pattern of exclude fits" if _fits(place, self.exclude) else None


def _fits(place: Place, patterns: Sequence[str]) -> bool:
    return any(
        fnmatch.fnmatchcase(name.lower(), pattern.lower())
        for name in {place[1], _spelt(place)}
        for pattern in patterns
    )


def _spelt(place: Place) -> str:
    schema, table = place
    return table if schema is None else f"{schema}.{table}"


@dataclass(frozen=True, slots=True)
class _Findings:
    """The report as it grows."""

    left_out: list[tuple[str, str]] = field(default_factory=list)
    remarks: list[tuple[str, str]] = field(default_factory=list)

    def kept(self, sources: Sequence[Source]) -> Iterator[Source]:
        """The sources of which something can be shown; a column that has no values for splice is left out of them."""
        for source in sources:
            what = _spelt(source.place)
            unknown = [column for column in source.columns if column["type"] is None]
            if source.refusal:
                self.left_out.append((what, source.refusal))
            elif not _comparable(source.columns):
                self.left_out.append((what, "none of its columns has a type that rows can be told apart by"))
            else:
                self.left_out.extend(
                    (f"{what}.{column['name']}", str(column["refusal"])) for column in unknown
                )
                yield source


def _comparable(columns: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [column for column in columns if column["type"] is not None and _is_comparable(column["type"])]


def _is_comparable(type_: TypeEngine[Any]) -> bool:
    inner = getattr(type_, "declared", type_)
    return not isinstance(inner, sa.JSON | sa.ARRAY)


class _Paths:
    """Paths that are taken; two that differ in signs alone would be one name for FastAPI's operations."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._taken = {self._operation(path) for path in paths}

    def __contains__(self, path: object) -> bool:
        return self._operation(str(path)) in self._taken

    def add(self, path: str) -> None:
        self._taken.add(self._operation(path))

    def _operation(self, path: str) -> str:
        return re.sub(r"\W", "_", path)


class _Designs:
    """From sources to models, for one database."""

    def __init__(self, dialect: str, findings: _Findings) -> None:
        self._dialect = dialect
        self._on_mariadb = dialect in {"mysql", "mariadb"}
        self._findings = findings
        self._classes: set[str] = set()
        self._paths = _Paths(names.PATHS_IN_USE)

    def models(self, sources: Sequence[Source]) -> list[Model]:
        columns = {source.place: self._columns(source) for source in sources}
        targets = _Targets(self._dialect, columns)
        # Those that stand alone choose their names first: a schema's table of the same name is the one to give way.
        return [self._model(source, columns[source.place], targets) for source in sources]

    def _model(self, source: Source, columns: tuple[Column, ...], targets: _Targets) -> Model:
        foreign_keys = tuple(self._foreign_keys(source, columns, targets))
        columns = _unnumbered(source, columns, foreign_keys)
        # As the mapper has it, and so the path: in the order of the columns.
        key = tuple(column.attribute for column in columns if column.primary_key)
        private = tuple(column.attribute for column in columns if _is_private(column))
        schema, table = source.place
        model = Model(
            name=self._class_name(source.place),
            table=table,
            schema=schema,
            path=self._path(source.place),
            kind=source.kind,
            columns=columns,
            key=key,
            identity=key or tuple(column.attribute for column in columns if _is_comparable(column.type)),
            private=private,
            foreign_keys=foreign_keys,
            uniques=tuple(self._uniques(source, columns)),
            indexes=tuple(self._indexes(source, columns)),
            checks=tuple(_checks(source)),
            relations=(),
            reads=frozenset({"list", "read"}) if key else frozenset({"list"}),
            writes=frozenset({"list"}),
            comment=source.comment,
        )
        model = replace(model, writes=self._writes(source, model))
        self._remark(source, model)
        return model

    def _class_name(self, place: Place) -> str:
        schema, table = place
        name = names.class_name(table)
        others = [names.class_name(f"{schema} {table}")] if schema else []
        chosen = names.unique(name, self._classes, *others)
        self._classes.add(chosen)
        return chosen

    def _path(self, place: Place) -> str:
        path = names.path_of(place[1], place[0])
        chosen = names.unique(path, self._paths, f"{path}-table")
        self._paths.add(chosen)
        return chosen

    # Columns

    def _columns(self, source: Source) -> tuple[Column, ...]:
        mapped = [column for column in source.columns if column["type"] is not None]
        attributes = _attributes([column["name"] for column in mapped])
        key = source.key if set(source.key) <= {column["name"] for column in _comparable(mapped)} else ()
        referring = {name for found in source.foreign_keys for name in found["constrained_columns"]}
        found = (
            self._column(column, attributes[column["name"]], key, referring=column["name"] in referring)
            for column in mapped
        )
        # MariaDB says of a view's column what its table would fill in.
        return tuple(replace(one, server_default=None) if source.kind == "view" else one for one in found)

    def _column(
        self, column: Mapping[str, Any], attribute: str, key: Sequence[str], *, referring: bool
    ) -> Column:
        in_key = column["name"] in key
        made = bool(column.get("autoincrement"))
        default = column.get("default")
        # SQLAlchemy takes a lone integer for a number of the database's own, unless it refers to something.
        guessed = _is_whole(column["type"]) and len(key) == 1 and in_key and not referring
        serial = guessed and made and default is not None and default.startswith("nextval(")
        computed = column.get("computed") or {}
        return Column(
            attribute=attribute,
            name=column["name"],
            type=column["type"],
            nullable=bool(column["nullable"]) and not in_key,
            primary_key=in_key,
            autoincrement=True if in_key and made and not guessed and self._on_mariadb else None,
            server_default=None if serial or computed or column.get("identity") else default,
            identity=column.get("identity"),
            computed=computed.get("sqltext"),
            persisted=computed.get("persisted"),
            comment=column.get("comment"),
        )

    # Constraints

    def _foreign_keys(
        self, source: Source, columns: tuple[Column, ...], targets: _Targets
    ) -> Iterator[ForeignKey]:
        seen: set[tuple[Any, ...]] = set()
        order = [column["name"] for column in source.columns]
        # SQLite lists the last one first.
        for found in sorted(source.foreign_keys, key=lambda found: _positions(found, order)):
            key = targets.foreign_key(found, columns)
            if key is None:
                self._findings.remarks.append((_spelt(source.place), _unfollowed(found)))
            elif (key.columns, key.target) not in seen and not _leads_nowhere(key, source.place):
                seen.add((key.columns, key.target))
                yield replace(key, name=_stated_name(key.name, source.place[1], key.columns, "fkey"))

    def _uniques(self, source: Source, columns: tuple[Column, ...]) -> Iterator[Unique]:
        for found in source.uniques:
            if _are_mapped(found["column_names"], columns):
                kept = tuple(found["column_names"])
                by_column = self._on_mariadb and found["name"] == kept[0]
                name = None if by_column else _stated_name(found["name"], source.place[1], kept, "key")
                yield Unique(kept, name)

    def _indexes(self, source: Source, columns: tuple[Column, ...]) -> Iterator[Index]:
        referring = {tuple(found["constrained_columns"]) for found in source.foreign_keys}
        constraints = {found["name"] for found in source.uniques}
        for found in source.indexes:
            kept = tuple(found.get("column_names") or ())
            # MariaDB makes the index of a foreign key itself, and calls that of a constraint like the constraint.
            of_key = self._on_mariadb and kept in referring and not found["unique"]
            if (
                not of_key
                and found["name"] not in constraints
                and _is_plain(found)
                and _are_mapped(kept, columns)
            ):
                yield Index(str(found["name"]), kept, bool(found["unique"]))

    # Verbs and the report

    def _writes(self, source: Source, model: Model) -> frozenset[Verb]:
        if not model.key:
            return frozenset({"list"})
        what, remarks = _spelt(source.place), self._findings.remarks
        missing = [*_unfilled(source), *(column.name for column in model.columns if _is_withheld(column))]
        if missing:
            remarks.append(
                (what, f"rows cannot be made: {', '.join(missing)} is required and cannot be sent")
            )
        if source.diverted:
            remarks.append(
                (what, f"a rule diverts every {' and '.join(sorted(source.diverted))}, which is left out")
            )
        remarks.extend(
            (what, f"rows cannot be written: {why}") for why in dict.fromkeys(source.barred.values())
        )
        lost = _VERBS_OF_COMMANDS["INSERT"] if missing else frozenset()
        refused = {*source.diverted, *source.barred}
        return frozenset(VERBS) - lost.union(*(_VERBS_OF_COMMANDS[command] for command in refused))

    def _remark(self, source: Source, model: Model) -> None:
        what, remarks = _spelt(source.place), self._findings.remarks
        if model.only_listed is not None:
            remarks.append((what, model.only_listed))
        if model.private:
            remarks.append((what, f"{', '.join(model.private)} looks secret and is private"))


def _leads_nowhere(key: ForeignKey, place: Place) -> bool:
    """Whether every row refers to itself; SQLAlchemy would look for the type of such a column in itself."""
    return key.target == place and key.columns == key.target_columns


def _positions(found: Mapping[str, Any], order: Sequence[str]) -> list[int]:
    return [order.index(name) if name in order else len(order) for name in found["constrained_columns"]]


def _attributes(columns: Sequence[str]) -> dict[str, str]:
    """An attribute for each column; those that can keep their names choose first."""
    kept = {column: column for column in columns if names.attribute_name(column) == column}
    for column in columns:
        if column not in kept:
            kept[column] = names.unique(names.attribute_name(column), set(kept.values()))
    return kept


def _is_whole(type_: TypeEngine[Any]) -> bool:
    return isinstance(type_, sa.Integer)


def _unnumbered(
    source: Source, columns: Sequence[Column], foreign_keys: Sequence[ForeignKey]
) -> tuple[Column, ...]:
    """Mark a key that clients send where SQLAlchemy would take it for the database's: a lone integer of its own."""
    made = {
        column["name"] for column in source.columns if column.get("autoincrement") or column.get("default")
    }
    made |= {column.name for column in columns if column.identity}
    own = [column for column in columns if column.primary_key]
    referring = {name for key in foreign_keys for name in key.columns}
    alone = len(own) == 1 and _is_whole(own[0].type) and own[0].name not in {*made, *referring}
    return tuple(replace(one, autoincrement=False) if alone and one.primary_key else one for one in columns)


def _is_private(column: Column) -> bool:
    return looks_secret(column.attribute) or looks_secret(column.name)


def _is_withheld(column: Column) -> bool:
    """Whether a column has to be sent and must not be."""
    filled = column.nullable or column.server_default or column.computed or column.identity
    return _is_private(column) and not filled


def _unfilled(source: Source) -> list[str]:
    if source.filled:
        return []
    return [
        column["name"]
        for column in source.columns
        if column["type"] is None
        and not column["nullable"]
        and not (column.get("default") or column.get("computed") or column.get("identity"))
    ]


def _are_mapped(wanted: Sequence[str | None], columns: Sequence[Column]) -> bool:
    return bool(wanted) and set(wanted) <= {column.name for column in columns}


def _is_plain(index: Mapping[str, Any]) -> bool:
    """Whether an index is about columns alone, whole and in all rows, and no constraint speaks for it."""
    special = {"expressions", "duplicates_constraint", "column_sorting"} & {
        key for key in index if index[key]
    }
    options = index.get("dialect_options") or {}
    return not special and bool(index["name"]) and all(_is_usual(*option) for option in options.items())


def _is_usual(option: str, value: Any) -> bool:
    # A condition is SQL, which cannot be asked whether it is true.
    nothing = value is None or value is False or (isinstance(value, list | tuple | dict | str) and not value)
    return nothing or (option, value) == ("postgresql_using", "btree")


_MARIADB_NAME: Final = re.compile(r".*_ibfk_\d+")


def _stated_name(name: Any, table: str, columns: Sequence[str], label: str) -> str | None:
    """The name of a constraint, unless the database made it up in its usual way."""
    usual = "_".join([table, *columns, label])
    return None if not name or name == usual or _MARIADB_NAME.fullmatch(name) else str(name)


def _unfollowed(found: Mapping[str, Any]) -> str:
    target = _spelt((found["referred_schema"], found["referred_table"]))
    return f"{', '.join(found['constrained_columns'])} refers to {target}, which is not served as it would have to be"


class _Targets:
    """What foreign keys can refer to."""

    def __init__(self, dialect: str, columns: Mapping[Place, Sequence[Column]]) -> None:
        # SQLite alone finds tables and columns whatever their letter case.
        self._fold: Callable[[str], str] = str.lower if dialect == "sqlite" else str
        self._places = {self._folded(place): place for place in columns}
        self._columns = columns

    def foreign_key(self, found: Mapping[str, Any], columns: Sequence[Column]) -> ForeignKey | None:
        """The key between columns that are there; None where one is not, or has a name that cannot be referred to."""
        target = self._places.get(self._folded((found["referred_schema"], found["referred_table"])))
        if target is None:
            return None
        local = self._named(found["constrained_columns"], columns)
        key = [column.name for column in self._columns[target] if column.primary_key]
        remote = self._named(found["referred_columns"] or key, self._columns[target])
        dotted = any("." in part for part in (target[0] or "", target[1], *remote))
        if not local or len(local) != len(remote) or dotted:
            return None
        options = found.get("options") or {}
        return ForeignKey(
            columns=local,
            target=target,
            target_columns=remote,
            name=found.get("name"),
            ondelete=_action(options.get("ondelete")),
            onupdate=_action(options.get("onupdate")),
            deferrable=options.get("deferrable"),
            initially=options.get("initially"),
        )

    def _folded(self, place: Place) -> Place:
        schema, table = place
        return schema, self._fold(table)

    def _named(self, wanted: Sequence[str], columns: Sequence[Column]) -> tuple[str, ...]:
        known = {self._fold(column.name): column.name for column in columns}
        found = [known.get(self._fold(name)) for name in wanted]
        return tuple(name for name in found if name is not None) if all(found) else ()


def _action(said: Any) -> str | None:
    return None if said is None or str(said).upper() == "NO ACTION" else str(said).upper()


def _checks(source: Source) -> Iterator[Check]:
    for found in source.checks:
        text = " ".join(str(found["sqltext"]).split())
        if found["name"] and _is_balanced(text):
            yield Check(str(found["name"]), text)


def _is_balanced(text: str) -> bool:
    """Whether a rule is whole: SQLite has it only within the text of CREATE TABLE."""
    depth = 0
    for character in re.sub(r"'[^']*'|\"[^\"]*\"|`[^`]*`", "", text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth < 0:
            return False
    return bool(text) and depth == 0 and text.count("'") % 2 == 0
