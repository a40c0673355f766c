"""What may be asked of a model: fields, relations to other resources, and filters and sort keys of one's own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints

from pydantic import AfterValidator, TypeAdapter
from pydantic.errors import PydanticUserError
from sqlalchemy.sql.elements import ColumnElement

from splice.description import Description, Field, Link
from splice.errors import SetupError
from splice.reads import Computed
from splice.values import value_type

__all__ = [
    "DEFAULT_LIMIT",
    "MAX_HOPS",
    "MAX_LIMIT",
    "MAX_OFFSET",
    "SETTINGS",
    "Adapters",
    "CustomFilter",
    "Readable",
    "Way",
    "computed",
    "custom_filter",
    "narrowed",
    "readable",
    "ways",
]

DEFAULT_LIMIT: Final = 50
"""Rows in a page where nobody says how many."""
MAX_LIMIT: Final = 1_000
"""Rows in the largest page that a resource allows."""
MAX_HOPS: Final = 4
"""Relations in one path."""
MAX_OFFSET: Final = 100_000
"""Rows that may be skipped: the database reads and throws away every one of them."""
SETTINGS: Final = ("limit", "offset", "cursor", "count", "order_by", "fields", "expand")
"""Parameters that are no filters, unless they are renamed."""

_SEPARATOR: Final = "__"


class Adapters(dict[str, TypeAdapter[Any]]):
    """How a value that was sent becomes one of each field; made when the field is first asked for."""

    def __init__(self, types: Mapping[str, Any]) -> None:
        super().__init__()
        self.types = types

    def __missing__(self, name: str) -> TypeAdapter[Any]:
        adapter = self[name] = TypeAdapter(self.types[name])
        return adapter


@dataclass(frozen=True, slots=True, eq=False)
class CustomFilter:
    """A filter of the user's own: `build(value)` is a condition on the columns of the model itself."""

    name: str
    build: Callable[[Any], ColumnElement[bool]]
    adapter: TypeAdapter[Any]
    doc: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Readable:
    """What may be asked of a model.

    `fields` are all that are shown; `adapters` read their values from text, `strict_adapters` from JSON. `filters` and
    `sorts` are filled while the application is put together. `related` are the resources of the same database by model,
    also those that come later: a relation to any other model does not exist for clients. `shown` are the names that may
    be shown of a row that is reached through a relation, None where all may. Where not `expands`, a model of the user's
    own decides what a row of the resource looks like. `parameters` are the names of settings, which nothing else may
    have.
    """

    description: Description
    fields: Mapping[str, Field]
    adapters: Adapters
    strict_adapters: Adapters
    default_limit: int
    max_limit: int
    filters: dict[str, CustomFilter]
    sorts: dict[str, Computed]
    related: Mapping[type[Any], Readable]
    shown: frozenset[str] | None
    expands: bool
    parameters: tuple[str, ...]

    def link(self, name: str) -> tuple[Link, Readable] | None:
        """A relation and what may be asked of its target; None where there is none for clients."""
        link = self.description.links.get(name)
        target = None if link is None else self.related.get(link.target)
        return None if link is None or target is None else (link, target)

    @property
    def links(self) -> tuple[str, ...]:
        """The names of the relations that exist for clients."""
        return tuple(name for name in self.description.links if self.link(name) is not None)

    def add_filter(self, function: Callable[[Any], ColumnElement[bool]]) -> CustomFilter:
        """Let clients filter by a function, under its name.

        Raises:
            SetupError: The signature is unfit, or the name is taken or cannot be spelt in a query.
        """
        made = custom_filter(function)
        _check_name(made.name, self, self.filters)
        self.filters[made.name] = made
        return made

    def add_sort(self, function: Callable[[], ColumnElement[Any]]) -> Computed:
        """Let clients sort by a function, under its name.

        Raises:
            SetupError: The signature is unfit, or the name is taken or cannot be spelt in a query.
        """
        made = computed(function)
        _check_name(made.name, self, self.sorts)
        self.sorts[made.name] = made
        return made


def readable(
    description: Description,
    max_limit: int = MAX_LIMIT,
    *,
    default_limit: int = DEFAULT_LIMIT,
    related: Mapping[type[Any], Readable] = MappingProxyType({}),
    shown: frozenset[str] | None = None,
    parameters: tuple[str, ...] = SETTINGS,
) -> Readable:
    """Prepare a described model for planning.

    Args:
        description: The model.
        max_limit: Rows in the largest page.
        default_limit: Rows in a page where nobody says how many; `max_limit` bounds it.
        related: What may be asked of other models, by model; read at each request, so that it may still grow.
        shown: Names of the fields in a model of the user's own, where one decides what a row looks like.
        parameters: Names of the settings of a query.
    """
    fields = {field.name: field for field in description.readable}
    return Readable(
        description=description,
        fields=MappingProxyType(fields),
        adapters=Adapters({name: description.types[name].query for name in fields}),
        strict_adapters=Adapters(
            {name: _strict_type(field, description.types[name].query) for name, field in fields.items()}
        ),
        default_limit=min(default_limit, max_limit),
        max_limit=max_limit,
        filters={},
        sorts={},
        related=related,
        shown=shown,
        expands=shown is None,
        parameters=parameters,
    )


def narrowed(first: Readable, others: Sequence[Readable]) -> Readable:
    """What may be asked of a model by every one of several resources; the shape is that of one without its own."""
    fields = {
        name: part for name, part in first.fields.items() if all(name in other.fields for other in others)
    }
    limits = [other.shown for other in others if other.shown is not None]
    free = len(limits) < len(others)
    shown = None if free else frozenset.intersection(*limits)
    return replace(first, fields=MappingProxyType(fields), shown=shown, expands=free)


def _strict_type(field: Field, spelt: Any) -> Any:
    """What `validate_json(…, strict=True)` takes for a field: for a decimal the numbers and texts that bodies take."""
    core, *limits = get_args(spelt) if get_origin(spelt) is Annotated else (spelt,)
    if core is not Decimal:
        return spelt
    # Behind a validator of Python's, Pydantic in strict mode would take nothing but a Decimal.
    bounds = [limit for limit in limits if isinstance(limit, AfterValidator)]
    return Annotated[(value_type(field.stored_type, None, field.name).write, *bounds)]


@dataclass(frozen=True, slots=True)
class Way:
    """One reading of a path: relations, and what is left of the path behind them; None where nothing is."""

    links: tuple[tuple[Link, Readable], ...]
    rest: str | None
    end: Readable


def ways(path: str, start: Readable, max_links: int) -> Iterator[Way]:
    """Every reading of a path, those of fewer relations first at each step.

    Names may hold `__` themselves, so that a path can be cut at any of them.
    """
    return _ways(path, Way((), path, start), max_links)


def _ways(rest: str, here: Way, max_links: int) -> Iterator[Way]:
    yield here
    if len(here.links) == max_links:
        return
    for name in here.end.description.links:
        if rest != name and not rest.startswith(name + _SEPARATOR):
            continue
        found = here.end.link(name)
        if found is not None:
            left = None if rest == name else rest[len(name + _SEPARATOR) :]
            there = Way((*here.links, found), left, found[1])
            yield from [there] if left is None else _ways(left, there, max_links)


def custom_filter(function: Callable[[Any], ColumnElement[bool]]) -> CustomFilter:
    """Read the signature of a filter: one parameter, whose annotation says what clients send.

    Raises:
        SetupError: It has another number of parameters, or one whose annotation is missing or cannot be read.
    """
    name = _name_of(function, "filter")
    parameters = _parameters(function, name)
    if len(parameters) != 1:
        raise SetupError(
            f"the filter {name!r} should have exactly one parameter, the value that is asked for, and has "
            f"{len(parameters)}: write `def {name}(value: int) -> ColumnElement[bool]`"
        )
    return CustomFilter(name, function, _adapter(function, name, parameters[0]), inspect.getdoc(function))


def computed(function: Callable[[], ColumnElement[Any]]) -> Computed:
    """Read the signature of a sort key, which has no parameters.

    Raises:
        SetupError: It has parameters.
    """
    name = _name_of(function, "sort key")
    if _parameters(function, name):
        raise SetupError(
            f"the sort key {name!r} should have no parameters: write `def {name}() -> ColumnElement[Any]` over the "
            "columns of the model"
        )
    return Computed(name, function)


def _name_of(function: Callable[..., Any], kind: str) -> str:
    name = getattr(function, "__name__", "")
    if not name.isidentifier():
        raise SetupError(
            f"a {kind} is known by the name of its function, and {function!r} has none: use `def`"
        )
    if inspect.iscoroutinefunction(function):
        raise SetupError(
            f"the {kind} {name!r} only builds an SQL expression and cannot wait: write `def`, not `async def`"
        )
    return str(name)


def _parameters(function: Callable[..., Any], name: str) -> list[inspect.Parameter]:
    found = list(inspect.signature(function).parameters.values())
    odd = next(
        (one for one in found if one.kind not in {one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD}), None
    )
    if odd is not None:
        raise SetupError(f"{name!r} cannot take {str(odd)!r}: give it ordinary parameters only")
    return found


def _adapter(function: Callable[..., Any], name: str, parameter: inspect.Parameter) -> TypeAdapter[Any]:
    if parameter.annotation is parameter.empty:
        raise SetupError(
            f"the filter {name!r} does not say what its value is: annotate it, as in `{parameter.name}: int`"
        )
    try:
        return TypeAdapter(get_type_hints(function, include_extras=True)[parameter.name])
    except NameError as error:
        raise SetupError(
            f"the annotation of {parameter.name!r} in the filter {name!r} cannot be read: {error}; import that name at "
            "module level, not under TYPE_CHECKING"
        ) from None
    except PydanticUserError as error:
        raise SetupError(
            f"the annotation of {parameter.name!r} in the filter {name!r} is none that Pydantic can read: "
            f"{error.message.splitlines()[0]}"
        ) from None


def _check_name(name: str, model: Readable, same: Mapping[str, Any]) -> None:
    owner = model.description.name
    if _SEPARATOR in name:
        raise SetupError(
            f"{name!r} cannot be spelt in a query, where {_SEPARATOR!r} separates names: rename it"
        )
    for kind, names in (
        ("a field", model.description.fields),
        ("a relation", model.description.links),
        ("a parameter", model.parameters),
        ("a function", same),
    ):
        if name in names:
            raise SetupError(f"{owner} has {kind} {name!r} already: give the function another name")
