"""A mapped class looked at once: fields, key, constraints, marks.

The only module that reads SQLAlchemy's mapper; what it returns are plain values in the API's own words.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias, get_args, get_origin, get_type_hints

import sqlalchemy as sa
from sqlalchemy.orm import ColumnProperty, Mapped, Mapper, RelationshipProperty
from sqlalchemy.orm.exc import UnmappedClassError, UnmappedColumnError
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.types import TypeEngine

from splice.errors import SetupError
from splice.marks import MARK_KEY, Access
from splice.values import ValueType, value_type

__all__ = ["Constraint", "Description", "Field", "Link", "Relation", "describe", "looks_secret"]

_ConstraintKind: TypeAlias = Literal["unique", "foreign_key", "check", "exclusion"]
_Columns: TypeAlias = tuple[tuple[sa.Column[Any], sa.Column[Any]], ...]

_SECRET_NAME: Final = re.compile(
    r"(?:^|_)(?:password|password_hash|secret|token|api_key|private_key|salt)$", re.IGNORECASE
)
_CAMEL_BOUNDARY: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """One column of a model, as clients see it.

    `name` is the mapped attribute, which is also the name in JSON; `required` is about POST: nothing else supplies the
    value. A field that is not `readable` is neither shown, filtered nor sorted by.

    `stored_type` is what lies below every TypeDecorator. `replace_default` gives what PUT stores for an absent field, a
    value or an SQL expression; it is None where the model has no default that is the same outside of an INSERT.
    """

    name: str
    column: ColumnElement[Any]
    type: TypeEngine[Any]
    stored_type: TypeEngine[Any]
    annotation: Any
    nullable: bool
    required: bool
    readable: bool
    creatable: bool
    updatable: bool
    default: Any
    replace_default: Callable[[], Any] | None
    has_python_default: bool
    has_server_default: bool
    guessed_private: bool
    doc: str | None

    @property
    def visible(self) -> bool:
        """Whether clients see it or may write it."""
        return self.readable or self.creatable or self.updatable


@dataclass(frozen=True, slots=True)
class Constraint:
    """A rule of the table, with the fields it is about; `name` is None where the database chose one."""

    kind: _ConstraintKind
    name: str | None
    fields: tuple[str, ...]
    columns: tuple[str, ...]
    target: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Relation:
    """A relationship whose children point at this model and are neither deleted with it nor let go by the database."""

    name: str
    target: type[Any]
    local: tuple[str, ...]
    remote: tuple[sa.Column[Any], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Link:
    """A relationship to be read along: from a row of this model to rows of another, or of itself.

    `many` tells whether it leads to a list; `joins` whether it leads to one row by a key of that row, so that a join
    multiplies nothing. `pairs` are the local and the remote field that are equal, where that alone is the relation (no
    table between, no condition besides); else they are empty. `order` are the fields that the relationship is ordered
    by, each with whether it descends.
    """

    name: str
    target: type[Any]
    many: bool
    joins: bool
    nullable: bool
    pairs: tuple[tuple[str, str], ...]
    doc: str | None
    order: tuple[tuple[str, bool], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Description:
    """A mapped class in the API's own words.

    `fields` is keyed by API name, in the order of the model; `types` says how values are spelt, for each field that
    clients see, write or address; `key` is in the order of the primary key; `keeps` are the relations that forbid a
    delete while they have rows; `links` are the relationships by name, in the order of the model, without the private
    ones. `unique` is false where the key does not tell rows apart, as in a view whose columns are all its key;
    `memo` keeps what others have worked out of a description, for as long as it lives.
    """

    model: type[Any]
    name: str
    table: str
    schema: str | None
    fields: Mapping[str, Field]
    types: Mapping[str, ValueType]
    key: tuple[Field, ...]
    version: Field | None
    constraints: tuple[Constraint, ...]
    keeps: tuple[Relation, ...]
    links: Mapping[str, Link]
    unique: bool = True
    memo: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def qualified(self) -> str:
        """The table with its schema, where it has one: two schemas may have a table of one name."""
        return self.table if self.schema is None else f"{self.schema}.{self.table}"

    @property
    def readable(self) -> tuple[Field, ...]:
        return tuple(field for field in self.fields.values() if field.readable)

    @property
    def visible(self) -> tuple[Field, ...]:
        return tuple(field for field in self.fields.values() if field.visible)

    @property
    def walkable(self) -> bool:
        """Whether pages can be told apart by the key: it is one, and clients may see it, since cursors hold it."""
        return self.unique and all(field.readable for field in self.key)

    @property
    def client_key(self) -> bool:
        """Whether clients choose the key on create."""
        return all(field.creatable for field in self.key)

    def field_of_column(self, column: str) -> Field | None:
        """The field stored in the column of this name, compared without letter case as databases report it."""
        wanted = column.lower()
        return next(
            (field for field in self.fields.values() if _column_name(field.column).lower() == wanted), None
        )


def describe(model: type[Any], marks: Mapping[str, Mapping[str, Any]] | None = None) -> Description:
    """Look at a mapped class.

    Args:
        model: Any class mapped by SQLAlchemy; it needs no special base.
        marks: Name of a field or relationship → mark, for models that must not be touched; an empty mapping says "an
            ordinary column".

    Raises:
        SetupError: The class is not mapped, has no key, a mark names nothing of it, or a column that clients may see
            or write has a type that cannot be mapped.
    """
    mapper = _mapper_of(model)
    given = dict(marks or {})
    _check_marks(model, given, {prop.key for prop in (*mapper.column_attrs, *mapper.relationships)})
    fields = {prop.key: _describe_field(mapper, prop, given.get(prop.key)) for prop in mapper.column_attrs}
    key = tuple(fields[mapper.get_property_by_column(column).key] for column in mapper.primary_key)
    return Description(
        model=model,
        name=model.__name__,
        table=_table_of(mapper).name,
        schema=_table_of(mapper).schema,
        fields=MappingProxyType(fields),
        types=MappingProxyType(
            {
                name: value_type(field.type, field.annotation, f"{model.__name__}.{name}")
                for name, field in fields.items()
                if field.visible or field in key
            }
        ),
        key=key,
        version=_version_field(mapper, fields),
        constraints=tuple(_constraints(mapper)),
        keeps=tuple(_keeping_relations(mapper)),
        links=MappingProxyType({link.name: link for link in _links(mapper, given)}),
        unique=_tells_rows_apart(mapper),
    )


def _mapper_of(model: type[Any]) -> Mapper[Any]:
    try:
        mapper: Mapper[Any] = sa.inspect(model)
    except (sa.exc.NoInspectionAvailable, UnmappedClassError):
        raise SetupError(
            f"{model!r} is not a class mapped by SQLAlchemy; give Resource a subclass of your DeclarativeBase with a "
            "__tablename__"
        ) from None
    mapper.registry.configure()
    return mapper


def _check_marks(model: type[Any], marks: Mapping[str, Any], names: set[str]) -> None:
    for name in marks:
        if name not in names:
            raise SetupError(
                f"marks= names {name!r}, but {model.__name__} has only: {', '.join(sorted(names))}"
            )


def _table_of(mapper: Mapper[Any]) -> sa.Table:
    table = mapper.local_table
    if not isinstance(table, sa.Table):
        raise SetupError(
            f"{mapper.class_.__name__} is mapped to {type(table).__name__}; a Resource needs a table"
        )
    return table


def _describe_field(mapper: Mapper[Any], prop: ColumnProperty[Any], mark: Mapping[str, Any] | None) -> Field:
    # Of the columns of a joined subclass the last one is the parent's, where the database makes the key.
    column, mark = prop.columns[-1], _mark_of(prop, mark)
    access = _access(mapper.class_.__name__, prop.key, column, mark)
    stored = isinstance(column, sa.Column)
    in_by_client = (
        stored and access not in {"private", "read_only"} and not _set_by_server(mapper, column, mark)
    )
    is_key = column in mapper.primary_key
    python_default = isinstance(column, sa.Column) and _is_filled_by_python(mapper, column)
    server_default = isinstance(column, sa.Column) and _is_filled_by_database(column)
    return Field(
        name=prop.key,
        column=column,
        type=column.type,
        stored_type=_stored_type(column.type),
        annotation=_annotation(mapper.class_, prop.key),
        nullable=bool(getattr(column, "nullable", True)),
        required=in_by_client and not (column.nullable or python_default or server_default),
        readable=access not in {"private", "write_only"},
        creatable=in_by_client,
        updatable=in_by_client and access != "write_once" and not is_key,
        default=_scalar_default(column),
        replace_default=_replace_default(column.default) if isinstance(column, sa.Column) else None,
        has_python_default=python_default,
        has_server_default=server_default,
        guessed_private=access == "private" and not _marked(column, mark) and not prop.key.startswith("_"),
        doc=(getattr(column, "doc", None) or getattr(column, "comment", None) or prop.doc) or None,
    )


def _access(
    model: str, name: str, column: ColumnElement[Any], mark: Mapping[str, Any] | None
) -> Access | None:
    if _marked(column, mark):
        return _checked_access(f"{model}.{name}", (column.info if mark is None else mark).get(MARK_KEY))
    secret = looks_secret(name) or looks_secret(_column_name(column))
    return "private" if name.startswith("_") or secret else None


def looks_secret(name: str) -> bool:
    """Whether a name ends in a secret word, `userPassword` as well as `user_password`."""
    return _SECRET_NAME.search(_CAMEL_BOUNDARY.sub("_", name)) is not None


def _checked_access(owner: str, said: Any) -> Access | None:
    if said is not None and said not in get_args(Access):
        raise SetupError(
            f"{owner} is marked {said!r}; the marks are private, read_only, write_only and write_once"
        )
    access: Access | None = said
    return access


def _marked(column: ColumnElement[Any], mark: Mapping[str, Any] | None) -> bool:
    return mark is not None or MARK_KEY in getattr(column, "info", {})


def _mark_of(prop: ColumnProperty[Any], mark: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """What marks a field: what the resource says, or the property; the column's own is looked at later."""
    return prop.info if mark is None and MARK_KEY in prop.info else mark


def _set_by_server(mapper: Mapper[Any], column: ColumnElement[Any], mark: Mapping[str, Any] | None) -> bool:
    """Keys made by the database, versions, discriminators, computed columns and timestamps that the server sets."""
    if not isinstance(column, sa.Column) or column.computed is not None:
        return True
    if column is mapper.version_id_col or column is mapper.polymorphic_on:
        return True
    if column.identity is not None and column.identity.always:
        return True
    if _marked(column, mark):
        return False
    made_key = column.primary_key and (_is_autoincrement(column) or _has_default(column))
    return made_key or (isinstance(_stored_type(column.type), sa.DateTime) and _is_server_time(column))


def _is_filled_by_python(mapper: Mapper[Any], column: sa.Column[Any]) -> bool:
    """By a default, or for a discriminator by the class itself."""
    is_discriminator = column is mapper.polymorphic_on and mapper.polymorphic_identity is not None
    return column.default is not None or is_discriminator


def _is_filled_by_database(column: sa.Column[Any]) -> bool:
    return column.server_default is not None or _is_autoincrement(column)


def _is_autoincrement(column: sa.Column[Any]) -> bool:
    return column is column.table.autoincrement_column or column.identity is not None


def _has_default(column: sa.Column[Any]) -> bool:
    return column.default is not None or column.server_default is not None


def _is_server_time(column: sa.Column[Any]) -> bool:
    made = column.default is not None and not column.default.is_scalar
    return made or any((column.server_default, column.onupdate, column.server_onupdate))


def _scalar_default(column: ColumnElement[Any]) -> Any:
    default = getattr(column, "default", None)
    return default.arg if default is not None and default.is_scalar else None


def _replace_default(default: Any) -> Callable[[], Any] | None:
    """A Sequence and a function of the execution context have a value in an INSERT only."""
    if isinstance(default, sa.sql.schema.CallableColumnDefault):
        # SQLAlchemy puts a function of its own around what takes no context; what takes it stands as it was given.
        wrapped: Any = default.arg
        home = getattr(wrapped, "__globals__", {}).get("__name__")
        return functools.partial(wrapped, None) if home == sa.sql.schema.__name__ else None
    stated = isinstance(default, sa.ColumnDefault) and (default.is_scalar or default.is_clause_element)
    return (lambda: default.arg) if stated else None


def _stored_type(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    """The type below every TypeDecorator; an Interval is one by SQLAlchemy's own doing, and no DateTime to anybody."""
    if isinstance(type_, sa.TypeDecorator) and not isinstance(type_, sa.Interval):
        return _stored_type(type_.impl_instance)
    return type_


def _annotation(model: type[Any], name: str) -> Any:
    """What stands inside `Mapped[…]`, or None for a column written without it."""
    for cls in model.__mro__:
        raw = vars(cls).get("__annotations__", {}).get(name)
        if raw is not None:
            return _inside_mapped(_evaluate(raw, cls, name))
    return None


def _evaluate(raw: Any, cls: type[Any], name: str) -> Any:
    module = vars(sys.modules[cls.__module__])
    try:
        # The module first: a field may be called like its type, as in `date: Mapped[date]`.
        return _read_hint(raw, name, module, {})
    except NameError:
        pass
    try:
        return _read_hint(raw, name, module, dict(vars(cls)))
    except NameError as error:
        raise SetupError(
            f"the annotation of {cls.__name__}.{name} cannot be read: {error}; import that name at module level, not "
            "under TYPE_CHECKING"
        ) from None


def _read_hint(raw: Any, name: str, module: dict[str, Any], own: dict[str, Any]) -> Any:
    """An annotation with all that is quoted in it, as Python itself would read it."""
    holder = type("holder", (), {"__annotations__": {name: raw}})
    return get_type_hints(holder, module, own, include_extras=True)[name]


def _inside_mapped(annotation: Any) -> Any:
    origin = get_origin(annotation)
    if isinstance(origin, type) and issubclass(origin, Mapped):
        return get_args(annotation)[0]
    return None


def _version_field(mapper: Mapper[Any], fields: Mapping[str, Field]) -> Field | None:
    if mapper.version_id_col is None:
        return None
    return fields[mapper.get_property_by_column(mapper.version_id_col).key]


def _constraints(mapper: Mapper[Any]) -> Iterator[Constraint]:
    for table in mapper.tables:
        if isinstance(table, sa.Table):
            yield from _table_constraints(mapper, table)


def _table_constraints(mapper: Mapper[Any], table: sa.Table) -> Iterator[Constraint]:
    of_columns = [constraint for column in table.columns for constraint in column.constraints]
    for constraint in [*table.constraints, *of_columns]:
        kind = _constraint_kind(constraint)
        if kind is not None and isinstance(constraint, sa.sql.schema.ColumnCollectionConstraint):
            target = (
                constraint.referred_table.fullname
                if isinstance(constraint, sa.ForeignKeyConstraint)
                else None
            )
            columns = list(constraint.columns) or _columns_named_in(constraint, table)
            yield _constraint(mapper, kind, constraint.name, columns, target)
    for index in table.indexes:
        if index.unique:
            yield _constraint(mapper, "unique", index.name, list(index.columns))


def _columns_named_in(constraint: sa.Constraint, table: sa.Table) -> list[sa.Column[Any]]:
    """A CHECK that is written as text says in words which columns it is about."""
    words = set(re.findall(r"\w+", str(getattr(constraint, "sqltext", ""))))
    return [column for column in table.columns if column.name in words]


def _constraint_kind(constraint: sa.Constraint) -> _ConstraintKind | None:
    if isinstance(constraint, sa.UniqueConstraint | sa.PrimaryKeyConstraint):
        return "unique"
    if isinstance(constraint, sa.ForeignKeyConstraint):
        return "foreign_key"
    if isinstance(constraint, sa.CheckConstraint):
        return "check"
    return "exclusion" if constraint.__visit_name__ == "exclude_constraint" else None


def _constraint(
    mapper: Mapper[Any],
    kind: _ConstraintKind,
    name: Any,
    columns: Sequence[sa.Column[Any]],
    target: str | None = None,
) -> Constraint:
    return Constraint(
        kind=kind,
        name=str(name) if isinstance(name, str) else None,
        fields=_field_names(mapper, columns),
        columns=tuple(column.name for column in columns),
        target=target,
    )


def _field_names(mapper: Mapper[Any], columns: Sequence[Any]) -> tuple[str, ...]:
    names = (_field_name(mapper, column) for column in columns)
    return tuple(name for name in names if name is not None)


def _field_name(mapper: Mapper[Any], column: Any) -> str | None:
    try:
        return mapper.get_property_by_column(column).key
    except UnmappedColumnError:
        return None


def _keeping_relations(mapper: Mapper[Any]) -> Iterator[Relation]:
    for relation in mapper.relationships:
        if _keeps_its_parent(relation):
            pairs = relation.local_remote_pairs or []
            yield Relation(
                name=relation.key,
                target=relation.mapper.class_,
                local=_field_names(mapper, [local for local, _ in pairs]),
                remote=tuple(remote for _, remote in pairs if isinstance(remote, sa.Column)),
            )


def _keeps_its_parent(relation: RelationshipProperty[Any]) -> bool:
    """True for children that the ORM would silently cut loose, although the foreign key alone would refuse."""
    owns_no_key = (
        relation.direction.name == "ONETOMANY" and relation.secondary is None and not relation.viewonly
    )
    if not owns_no_key or relation.cascade.delete or relation.passive_deletes == "all":
        return False
    return not any(_released_by_database(remote) for _, remote in relation.local_remote_pairs or [])


def _released_by_database(column: Any) -> bool:
    keys = getattr(column, "foreign_keys", ())
    return any((key.ondelete or "").upper() in {"CASCADE", "SET NULL", "SET DEFAULT"} for key in keys)


def _links(mapper: Mapper[Any], marks: Mapping[str, Mapping[str, Any]]) -> Iterator[Link]:
    for relation in mapper.relationships:
        # One to an aliased class has conditions of its own on that alias, and no other stands for it.
        if relation.entity is relation.mapper and _is_shown(relation, marks.get(relation.key)):
            yield _link(relation)


def _is_shown(relation: RelationshipProperty[Any], mark: Mapping[str, Any] | None) -> bool:
    if mark is None and MARK_KEY not in relation.info:
        return not relation.key.startswith("_")
    said = (relation.info if mark is None else mark).get(MARK_KEY)
    return _checked_access(str(relation), said) not in {"private", "write_only"}


def _link(relation: RelationshipProperty[Any]) -> Link:
    equated = _equated_columns(relation)
    many = bool(relation.uselist) or relation.lazy in {"write_only", "dynamic"}
    joins = not many and relation.direction.name == "MANYTOONE" and _reach_one_row(relation, equated)
    plain = _is_plain(relation, equated)
    return Link(
        name=relation.key,
        target=relation.mapper.class_,
        many=many,
        joins=joins,
        nullable=not (joins and plain and _never_dangle(equated)),
        pairs=_field_pairs(relation, equated) if plain else (),
        doc=relation.doc,
        order=tuple(_stated_order(relation)),
    )


def _stated_order(relation: RelationshipProperty[Any]) -> Iterator[tuple[str, bool]]:
    """The columns that a relationship is ordered by, up to the first term that is no plain column of its target."""
    for term in relation.order_by or ():
        descending = getattr(term, "modifier", None) is sa.sql.operators.desc_op
        column = getattr(term, "element", term) if descending or _is_ascending(term) else term
        name = _field_name(relation.mapper, column) if isinstance(column, sa.Column) else None
        if name is None:
            return
        yield name, descending


def _is_ascending(term: Any) -> bool:
    return getattr(term, "modifier", None) is sa.sql.operators.asc_op


def _equated_columns(relation: RelationshipProperty[Any]) -> _Columns:
    """The local and the remote column of each equality that the relation asks for, with whatever it asks besides."""
    if relation.secondary is not None or relation.entity is not relation.mapper:
        return ()
    pairs = [
        (local, remote)
        for local, remote in relation.local_remote_pairs or []
        if isinstance(local, sa.Column) and isinstance(remote, sa.Column)
    ]
    # A pair of columns may be compared in another way, or as one choice of several.
    equal = [_equal_sides(clause) for clause in _all_of(relation.primaryjoin)]
    return tuple((local, remote) for local, remote in pairs if {local, remote} in equal)


def _all_of(condition: ColumnElement[Any]) -> Sequence[ColumnElement[Any]]:
    """The parts of a condition that all have to hold."""
    joined = isinstance(condition, sa.sql.elements.BooleanClauseList)
    return condition.clauses if joined and condition.operator is sa.sql.operators.and_ else [condition]


def _equal_sides(clause: ColumnElement[Any]) -> set[Any]:
    equality = isinstance(clause, sa.BinaryExpression) and clause.operator is sa.sql.operators.eq
    return {clause.left, clause.right} if equality else set()


def _is_plain(relation: RelationshipProperty[Any], equated: _Columns) -> bool:
    """Whether the equalities alone are the relation; a subclass in its parent's table is told apart by more."""
    return 0 < len(equated) == len(_all_of(relation.primaryjoin)) and not relation.mapper.single


def _field_pairs(relation: RelationshipProperty[Any], equated: _Columns) -> tuple[tuple[str, str], ...]:
    """The fields of the columns; nothing where one of them is not mapped."""
    found = [
        (_field_name(relation.parent, local), _field_name(relation.mapper, remote))
        for local, remote in equated
    ]
    named = tuple((local, remote) for local, remote in found if local is not None and remote is not None)
    return named if len(named) == len(found) else ()


def _reach_one_row(relation: RelationshipProperty[Any], equated: _Columns) -> bool:
    """Whether the remote columns are a key of the target, or hold one."""
    target = relation.mapper
    tables = [table for table in target.tables if isinstance(table, sa.Table)]
    keys = [target.primary_key, *(columns for table in tables for columns in _unique_columns(table))]
    # By field: a column of a joined subclass is also that of its parent.
    reached = set(_field_names(target, [remote for _, remote in equated]))
    return any({_field_name(target, column) for column in columns} <= reached for columns in keys)


def _never_dangle(equated: _Columns) -> bool:
    """Whether the database promises a row for each: no part may be NULL, and a foreign key holds them."""
    return all(not local.nullable and local.references(remote) for local, remote in equated)


def _tells_rows_apart(mapper: Mapper[Any]) -> bool:
    key = set(mapper.primary_key)
    tables = {column.table for column in mapper.primary_key}
    unique = [
        columns
        for table in tables
        if isinstance(table, sa.Table)
        for columns in _unique_columns(table)
        if not any(column.nullable for column in columns)
    ]
    return any(set(columns) <= key for columns in unique)


def _unique_columns(table: sa.Table) -> Iterator[Sequence[sa.Column[Any]]]:
    """The columns of each promise that rows differ; not of an index over some of the rows, or over expressions."""
    for constraint in table.constraints:
        if isinstance(constraint, sa.UniqueConstraint | sa.PrimaryKeyConstraint) and len(constraint.columns):
            yield list(constraint.columns)
    for index in table.indexes:
        whole = all(isinstance(part, sa.Column) for part in index.expressions)
        if index.unique and whole and not _is_partial(index):
            yield list(index.columns)


def _is_partial(index: sa.Index) -> bool:
    return any(name.endswith("_where") and value is not None for name, value in index.dialect_kwargs.items())


def _column_name(column: ColumnElement[Any]) -> str:
    return str(getattr(column, "name", ""))
