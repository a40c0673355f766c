"""Description → APIRouter: a Resource, its routes and where they can be changed."""

from __future__ import annotations

import functools
import inspect
import re
from collections import ChainMap
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import astuple, dataclass
from types import MappingProxyType
from typing import Annotated, Any, Final, Generic, Literal, TypeAlias, TypeVar, cast

from fastapi import APIRouter, Body, Depends, Path, Request, Response
from fastapi.dependencies.utils import get_dependant
from fastapi.params import Depends as DependsParameter
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel, WrapValidator
from sqlalchemy.orm import Session
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from splice import operations
from splice.bridge import call_hook, is_async_callable, run_on
from splice.checks import check_create, check_storage, say_what_is_private
from splice.database import READS, Database
from splice.description import Description, Field, describe
from splice.errors import Invalid, NotFound, SetupError
from splice.handlers import (
    HANDLERS,
    Handler,
    answer_options,
    answer_query,
    children_of,
    query_of,
)
from splice.hooks import Change, Hook, Hooks
from splice.openapi import (
    children_documentation,
    documentation,
    query_body,
    query_documentation,
)
from splice.operations import RowAnswer, Subject
from splice.paging import Paging
from splice.parameters import list_parameters
from splice.plan import plan_read
from splice.problems import responses
from splice.readable import MAX_LIMIT, readable
from splice.reads import Selection
from splice.routes import ResourceRoute, settled
from splice.schemas import Page, Schemas, column_limits
from splice.serializers import Serializers, row_serializer
from splice.services import GENERATED, Guards, Related, Service, learn_guards
from splice.shapes import EntityShape, RowShape, sources_of
from splice.terms import VERBS, Query, Verb

__all__ = ["MAX_BODY_BYTES", "Generated", "Resource", "generated_by"]

_M = TypeVar("_M")
_HookT = TypeVar("_HookT", bound=Callable[..., Any])
_FilterT = TypeVar("_FilterT", bound=Callable[..., Any])
_Form: TypeAlias = Literal["parameters", "document"]
_SessionDependency: TypeAlias = Callable[..., Any] | DependsParameter

MAX_BODY_BYTES: Final = 1_048_576
"""Largest body of a route on a Resource unless `max_body_size=` says otherwise, in bytes."""

_PAGING: Final = Paging()
_PARAMETER: Final = re.compile(r"\{[^}]*\}")
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_UNREAD: Final = WrapValidator(lambda value, _handler: value)
"""FastAPI documents the body by its model, but the handler parses it: once, from the bytes, strictly."""

_METHODS: Final[Mapping[Verb, tuple[str, ...]]] = MappingProxyType(
    {
        "list": ("GET", "HEAD"),
        "create": ("POST",),
        "read": ("GET", "HEAD"),
        "replace": ("PUT",),
        "update": ("PATCH",),
        "delete": ("DELETE",),
    }
)

_BODIES: Final[Mapping[Verb, str]] = MappingProxyType(
    {"create": "Create", "replace": "Replace", "update": "Update"}
)


@dataclass(frozen=True, slots=True)
class Generated:
    """What a generated route does; `db` is None where the session comes from a dependency of the user's own.

    `form` tells how a list is asked for; `relation` leads from one row to the rows that are listed.
    """

    verb: Verb
    service: Service
    db: Database[Any] | None
    form: _Form = "parameters"
    relation: str | None = None

    @property
    def is_there(self) -> bool:
        """Whether anything is served: behind a relation there is nothing without a resource of its rows."""
        if self.relation is None:
            return True
        return self.service.readable.link(self.relation) is not None


def generated_by(endpoint: object) -> Generated | None:
    """What stands behind the endpoint of a generated route; None for one of the user's own."""
    found: Generated | None = getattr(endpoint, GENERATED, None)
    return found


class _GeneratedRoute(ResourceRoute):
    """A route that splice declared, told apart from the user's."""


class _QueryRoute(_GeneratedRoute):
    """A POST that only reads: its unit of work takes no write lock."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child_scope = super().matches(scope)
        return match, {**child_scope, READS: True} if match is Match.FULL else child_scope


class _ChildrenRoute(_GeneratedRoute):
    """A route along a relation: there is nothing behind it, and so nothing to document, without a resource there."""

    _documented = True

    @property
    def include_in_schema(self) -> bool:
        generated = generated_by(self.endpoint)
        return self._documented and (generated is None or generated.is_there)

    @include_in_schema.setter
    def include_in_schema(self, documented: bool) -> None:
        self._documented = documented


class Resource(APIRouter, Generic[_M]):
    """A model's routes: an `APIRouter` with list, create, read, replace, update and delete already declared.

    Routes declared on it come first and share its route class; one with the method and path shape of a generated route
    takes its place.

    Args:
        model: A class mapped by SQLAlchemy.
        db: Where its rows are; or use `session`.
        session: A dependency of your own that yields a `Session` or an `AsyncSession`.
        only: The verbs to generate; all of them by default.
        create: Your own model for the body of POST; its defaults count as sent.
        update: Your own model for the body of PATCH; PUT is then not generated, since it would get round your model.
        read: Your own model for answers; the relations that it shows are loaded with a constant number of statements.
        commit: With `session=`, whether writes are committed here (before the answer); False only flushes.
        marks: Field name → mark, for models that must not be touched.
        max_limit: Rows in one page at most.
        paging: Names of the parameters of lists, and their envelope, where they shall be others.
        options: Everything that `APIRouter` takes; `prefix` is the table's name as it stands, unless given.

    Raises:
        SetupError: The model cannot be served as it is; the message holds the fix.
    """

    def __init__(  # noqa: PLR0913  # the whole public surface of a resource
        self,
        model: type[_M],
        db: Database | None = None,
        *,
        session: _SessionDependency | None = None,
        only: Iterable[Verb] = VERBS,
        create: type[BaseModel] | None = None,
        update: type[BaseModel] | None = None,
        read: type[BaseModel] | None = None,
        commit: bool = True,
        marks: Mapping[str, Mapping[str, Any]] | None = None,
        max_limit: int = MAX_LIMIT,
        paging: Paging = _PAGING,
        **options: Any,
    ) -> None:
        self.model = model
        self.description: Description = describe(model, marks)
        check_storage(self.description, db)
        self._schemas = Schemas(self.description, read=read, create=create, update=update)
        self._db = db
        self._session = _session_dependency(model, db, session)
        self._verbs = _checked_verbs(only, own_update=update is not None)
        self._own_create = create
        self._hooks = Hooks()
        self._subject = _subject(self.description, db, self._hooks, _Own(create, update, read))
        self._service = _service(
            self._subject,
            self._schemas,
            _Reading(read, max_limit, paging),
            db,
            commits=db is None and commit,
            lasting=self._session.scope != "function",
            guards=Guards(options.get("dependencies") or ()),
        )
        if {"list", "read"} & set(self._verbs):
            self._service.related.offer(self._service)
        options.setdefault("prefix", f"/{self.description.table}")
        options.setdefault("tags", [self.description.table])
        options.setdefault("max_body_size", MAX_BODY_BYTES)
        options["lifespan"] = self._lifespan_around(options.get("lifespan"))
        _check_options(options)
        super().__init__(route_class=ResourceRoute, **options)
        self.row: Any = Depends(self._row_dependency())
        self.query: Any = Depends(self._query)
        self.routes: list[BaseRoute] = _OwnFirst(self.routes)
        self._generate()

    @property
    def Read(self) -> type[BaseModel]:  # noqa: N802  # a class
        """The Pydantic model of answers."""
        return self._schemas.Read

    @property
    def Create(self) -> type[BaseModel]:  # noqa: N802  # a class
        """The Pydantic model of POST."""
        return self._schemas.Create

    @property
    def Update(self) -> type[BaseModel]:  # noqa: N802  # a class
        """The Pydantic model of PATCH."""
        return self._schemas.Update

    @property
    def Replace(self) -> type[BaseModel]:  # noqa: N802  # a class
        """The Pydantic model of PUT."""
        return self._schemas.Replace

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """Declare a route of your own; it comes before the generated ones, and replaces those of its shape.

        It answers HEAD where it answers GET, and its document says what `row` and `query` bring along.
        """
        own = settled(endpoint, self._subject, commits=self._service.commits)
        super().add_api_route(path, own, **self._documented(path, endpoint, options))
        methods = {method.upper() for method in options.get("methods") or ["GET"]}
        if "GET" in methods and "HEAD" not in methods:
            super().add_api_route(path, own, **{**options, "methods": ["HEAD"], "include_in_schema": False})

    # Verbs for scripts and workers.

    def create(self, session: Session, values: BaseModel | Mapping[str, Any]) -> _M:
        """Store a new row, with validation and hooks as in POST; flushes, and leaves the commit to you."""
        answer = operations.create(session, self._subject, _validated(self.Create, values))
        return self._fresh(session, answer)

    def find(self, session: Session, query: Query | None = None) -> list[_M]:
        """The rows of one page as entities."""
        return operations.find_entities(
            session, self._subject, plan_read(query or Query(), self._service.readable)
        )

    def page(self, session: Session, query: Query | None = None) -> Page[dict[str, Any]]:
        """One page as the list route would answer it: rows with all that the query shows, cursor and total.

        Rows are dictionaries of what JSON knows. For `response_model=Page[...]` of lists of your own.

        Raises:
            Invalid: As for the list route.
            SetupError: The resource has a `read=` model, whose rows are entities: use `find`.
        """
        plan = plan_read(query or Query(), self._service.readable)
        return operations.plain_page(session, self._subject, plan)

    def read(self, session: Session, *key: Any) -> _M:
        """One row as an entity.

        Raises:
            NotFound: No row has this key.
        """
        return cast("_M", operations.get_entity(session, self._subject, key))

    def replace(self, session: Session, *key: Any, values: BaseModel | Mapping[str, Any]) -> _M:
        """Replace a row, as in PUT; flushes, and leaves the commit to you."""
        return self._fresh(
            session, operations.replace(session, self._subject, key, _validated(self.Replace, values))
        )

    def update(self, session: Session, *key: Any, values: BaseModel | Mapping[str, Any]) -> _M:
        """Change a row, as in PATCH; flushes, and leaves the commit to you."""
        return self._fresh(
            session, operations.update(session, self._subject, key, _validated(self.Update, values))
        )

    def remove(self, session: Session, *key: Any) -> None:
        """Delete a row, as in DELETE; flushes, and leaves the commit to you."""
        operations.remove(session, self._subject, key)

    # The query language.

    def filter(self, function: _FilterT) -> _FilterT:
        """Let clients filter by a function: `def older_than(years: int) -> ColumnElement[bool]`.

        The name of the function is that of the parameter, `?older_than=30`, the annotation of its one argument says
        which values are taken, its docstring is shown in the documentation. It returns a condition on the model's
        columns.

        Raises:
            SetupError: The name is taken, or the signature does not say what value is taken.
        """
        self._service.readable.add_filter(function)
        return function

    def sort_key(self, function: _FilterT) -> _FilterT:
        """Let clients sort by a function: `def popularity() -> ColumnElement[int]`, asked for by `order_by=popularity`.

        It returns an expression over the model's columns.

        Raises:
            SetupError: The name is taken, or the function has arguments.
        """
        self._service.readable.add_sort(function)
        return function

    # Hooks: `def` or `async def`; (session, entity, body) inside the transaction, (session, entity) around deletes.

    def before_create(self, hook: _HookT) -> _HookT:
        """Run `hook(session, entity, body)` in the transaction, before the INSERT."""
        return self._hook(self._hooks.before_create, hook)

    def after_create(self, hook: _HookT) -> _HookT:
        """Run `hook(session, entity, body)` in the transaction, after the INSERT."""
        return self._hook(self._hooks.after_create, hook)

    def before_update(self, hook: _HookT) -> _HookT:
        """Run `hook(session, entity, body)` in the transaction, before the UPDATE of PATCH or PUT."""
        return self._hook(self._hooks.before_update, hook)

    def after_update(self, hook: _HookT) -> _HookT:
        """Run `hook(session, entity, body)` in the transaction, after the UPDATE of PATCH or PUT."""
        return self._hook(self._hooks.after_update, hook)

    def before_delete(self, hook: _HookT) -> _HookT:
        """Run `hook(session, entity)` in the transaction, before the DELETE."""
        return self._hook(self._hooks.before_delete, hook)

    def after_delete(self, hook: _HookT) -> _HookT:
        """Run `hook(session, entity)` in the transaction, after the DELETE."""
        return self._hook(self._hooks.after_delete, hook)

    def after_commit(self, hook: _HookT) -> _HookT:
        """Run `hook(change)` once the write is committed: the place for effects outside the database.

        `change` is a `splice.hooks.Change`: plain values. A hook that fails is logged; the answer stands.
        """
        self._hook(self._hooks.after_commit, _without_session(hook))
        return hook

    def check(self) -> None:
        """Stop the start if clients could never create a row.

        Raises:
            SetupError: The message holds the fix.
        """
        if "create" in self._verbs and not self._hooks.before_create:
            check_create(self.description, self._own_create)

    def _hook(self, hooks: list[Hook], hook: _HookT) -> _HookT:
        if is_async_callable(hook) and self._db is not None and not self._db.is_async:
            name = getattr(hook, "__qualname__", repr(hook))
            raise SetupError(
                f"{name} is an async hook, but this Database has a synchronous driver; write it as `def`, "
                "or use an asynchronous driver (aiosqlite, asyncpg, asyncmy)"
            )
        hooks.append(_bridged(hook))
        return hook

    def _fresh(self, session: Session, answer: RowAnswer) -> _M:
        entity = session.get_one(self.model, tuple(answer.key))
        session.refresh(entity)
        return entity

    def _lifespan_around(self, given: Any) -> Callable[[Any], Any]:
        @asynccontextmanager
        async def lifespan(app: Any) -> AsyncIterator[Any]:
            self.check()
            say_what_is_private(self.description)
            async with AsyncExitStack() as stack:
                yield await stack.enter_async_context(given(app)) if given else None

        return lifespan

    def _documented(self, path: str, endpoint: Callable[..., Any], options: dict[str, Any]) -> dict[str, Any]:
        calls = set(_calls(get_dependant(path=self.prefix + path, call=endpoint)))
        problems = (Invalid, NotFound) if self.row.dependency in calls else (Invalid,)
        extra = dict(options.get("openapi_extra") or {})
        if self.query.dependency in calls:
            names = self._service.paging.names
            extra["parameters"] = [
                *extra.get("parameters", ()),
                *list_parameters(self._service.readable, names),
            ]
        return {
            **options,
            "responses": {**responses(*problems), **(options.get("responses") or {})},
            "openapi_extra": extra,
        }

    def _generate(self) -> None:
        for verb in self._verbs:
            path, methods = self._path(verb), _METHODS[verb]
            endpoint = self._endpoint(verb, path, HANDLERS[verb])
            self._add_generated(path, endpoint, methods[0], **documentation(self._service, verb))
            for method in methods[1:]:
                self._add_generated(path, endpoint, method, include_in_schema=False)
        paths = {self._path(verb) for verb in self._verbs}
        if "list" in self._verbs:
            paths |= {self._generate_query(), *self._generate_children()}
        for path in sorted(paths):
            self._add_generated(path, answer_options, "OPTIONS", include_in_schema=False)

    def _generate_query(self) -> str:
        """The list by a document: POST stands in the document of the API, which has no place for QUERY (RFC 10008)."""
        place = self._path("list")
        endpoint = self._endpoint("list", place, answer_query, form="document")
        self._add_generated(place, endpoint, "QUERY", include_in_schema=False)
        path = "/query"
        named = self._endpoint("list", path, answer_query, form="document")
        options = query_documentation(self._service)
        self._add_generated(path, named, "POST", route_class=_QueryRoute, **options)
        return path

    def _generate_children(self) -> Iterator[str]:
        for link in self.description.links.values():
            if link.many:
                path = f"{self._path('read')}/{link.name}"
                endpoint = self._endpoint("list", path, children_of(link.name), relation=link.name)
                options = children_documentation(self._service, link)
                self._add_generated(path, endpoint, "GET", route_class=_ChildrenRoute, **options)
                self._add_generated(path, endpoint, "HEAD", include_in_schema=False)
                yield path

    def _add_generated(
        self,
        path: str,
        endpoint: Callable[..., Any],
        method: str,
        route_class: type[APIRoute] = _GeneratedRoute,
        **options: Any,
    ) -> None:
        super().add_api_route(path, endpoint, methods=[method], route_class_override=route_class, **options)

    def _path(self, verb: Verb) -> str:
        if verb in {"list", "create"}:
            return "" if self.prefix else "/"
        return "".join(f"/{{{_path_name(*numbered)}}}" for numbered in enumerate(self.description.key))

    def _endpoint(
        self,
        verb: Verb,
        path: str,
        handler: Handler,
        form: _Form = "parameters",
        relation: str | None = None,
    ) -> Callable[..., Any]:
        """A function with the signature that FastAPI reads; the names begin with `_`, which no field in a path does."""
        keys = self.description.key if "{" in path else ()

        async def endpoint(
            _request: Request, _response: Response, _session: Any, _body: Any = None, **key: Any
        ) -> Response:
            learn_guards(_request.app)
            answer = await handler(self._service, _request, _session, _key_values(key))
            # What dependencies have set on FastAPI's injected response belongs to the answer.
            answer.headers.raw.extend(_response.headers.raw)
            return answer

        setattr(endpoint, GENERATED, Generated(verb, self._service, self._db, form, relation))
        body = query_body(self._service) if form == "document" else self._body(verb)
        parameters = [
            _keyword("_request", Request),
            _keyword("_response", Response),
            _keyword("_session", Annotated[Any, self._session]),
            *_key_parameters(self.description, keys),
            *([_keyword("_body", Annotated[body, _UNREAD, Body()])] if body else []),
        ]
        name = "query" if form == "document" else verb
        return _signed(endpoint, "_".join(filter(None, (name, self.description.table, relation))), parameters)

    def _body(self, verb: Verb) -> type[BaseModel] | None:
        return getattr(self._schemas, _BODIES[verb]) if verb in _BODIES else None

    def _row_dependency(self) -> Callable[..., Any]:
        async def row(_request: Request, _session: Any, **key: Any) -> Any:
            take = functools.partial(operations.take_entity, locks=_request.method not in _SAFE_METHODS)
            return await run_on(_session, lambda inner: take(inner, self._subject, _key_values(key)))

        parameters = [
            _keyword("_request", Request),
            _keyword("_session", Annotated[Any, self._session]),
            *_key_parameters(self.description, self.description.key),
        ]
        return _signed(row, f"row_of_{self.description.table}", parameters)

    async def _query(self, request: Request) -> Query:
        learn_guards(request.app)
        query = query_of(request, self._service.paging.names)
        plan_read(query, self._service.readable)
        return query


def _signed(
    function: Callable[..., Any], name: str, parameters: Sequence[inspect.Parameter]
) -> Callable[..., Any]:
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # FastAPI reads it
    function.__name__ = name
    return function


def _keyword(name: str, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation)


def _key_parameters(description: Description, fields: Sequence[Field]) -> Iterator[inspect.Parameter]:
    """The parts of a key, numbered: a field may be called `class`, which no parameter of a function can."""
    for number, field in enumerate(fields):
        path = Path(alias=_path_name(number, field), description=field.doc)
        yield _keyword(f"_key_{number}", Annotated[description.types[field.name].query, path])


def _path_name(number: int, field: Field) -> str:
    # Starlette's patterns know ASCII letters only; any other braces would be taken as they stand.
    return field.name if field.name.isascii() else f"key_{number}"


def _key_values(numbered: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(numbered[f"_key_{number}"] for number in range(len(numbered)))


def _session_dependency(
    model: type[Any], db: Database | None, session: _SessionDependency | None
) -> DependsParameter:
    if (db is None) == (session is None):
        raise SetupError(
            f"Resource({model.__name__}, …) needs either a Database or session=, a dependency that yields one"
        )
    if db is not None:
        return db.session
    return session if isinstance(session, DependsParameter) else Depends(session)


def _checked_verbs(only: Iterable[Verb], *, own_update: bool) -> tuple[Verb, ...]:
    wanted = tuple(only)
    unknown = sorted(set(wanted) - set(VERBS))
    if unknown:
        raise SetupError(f"only= knows {', '.join(VERBS)}; it was given {', '.join(unknown)}")
    return tuple(verb for verb in VERBS if verb in wanted and not (own_update and verb == "replace"))


@dataclass(frozen=True, slots=True)
class _Own:
    """The models that the user brings in place of generated ones."""

    create: type[BaseModel] | None
    update: type[BaseModel] | None
    read: type[BaseModel] | None


def _subject(description: Description, db: Database | None, hooks: Hooks, own: _Own) -> Subject:
    if db is not None:
        db.register(description)
    return Subject(
        description=description,
        whole=Selection(description, description.readable),
        shape=RowShape(Serializers()) if own.read is None else EntityShape.of(own.read, description),
        state=row_serializer(description),
        hooks=hooks,
        # Of several resources on one table, each names only what it shows itself.
        tables=ChainMap(
            {description.qualified: description}, {} if db is None else cast("dict[str, Any]", db.tables)
        ),
        generated_create=own.create is None,
        limits=column_limits(description) if own.create or own.update else {},
    )


@dataclass(frozen=True, slots=True)
class _Reading:
    """What the user says about reading."""

    model: type[BaseModel] | None
    max_limit: int
    paging: Paging


def _service(  # noqa: PLR0913  # the parts of a resource put together
    subject: Subject,
    schemas: Schemas,
    reading: _Reading,
    db: Database | None,
    *,
    commits: bool,
    lasting: bool,
    guards: Guards,
) -> Service:
    related = Related({} if db is None else db.offered, guards)
    shown = None if reading.model is None else frozenset(sources_of(reading.model))
    return Service(
        subject=subject,
        readable=readable(
            subject.description,
            reading.max_limit,
            default_limit=reading.paging.default_limit,
            related=related,
            shown=shown,
            parameters=tuple(name for name in astuple(reading.paging.names) if name is not None),
        ),
        schemas=schemas,
        paging=reading.paging,
        related=related,
        guards=guards,
        db=db,
        commits=commits,
        lasting=lasting,
    )


def _bridged(hook: Callable[..., Any]) -> Hook:
    """The hook as synchronous code calls it, whichever kind it is."""

    @functools.wraps(hook)
    def bridged(session: Session, *arguments: Any) -> None:
        call_hook(session, hook, *arguments)

    return bridged


def _without_session(hook: Callable[..., Any]) -> Callable[..., Any]:
    if is_async_callable(hook):

        async def awaited(_session: Any, change: Change) -> None:
            await hook(change)

        return functools.wraps(hook)(awaited)
    return functools.wraps(hook)(lambda _session, change: hook(change))


def _validated(model: type[BaseModel], values: BaseModel | Mapping[str, Any]) -> BaseModel:
    if isinstance(values, model):
        return values
    said = values.model_dump(exclude_unset=True) if isinstance(values, BaseModel) else values
    return model.model_validate(said)


def _check_options(options: Mapping[str, Any]) -> None:
    if "route_class" in options:
        raise SetupError(
            "a Resource has a route class of its own; use dependencies=, or middleware of the application"
        )


def _calls(dependant: Any) -> Iterator[Any]:
    """Every function on the way to an endpoint."""
    for below in dependant.dependencies:
        yield below.call
        yield from _calls(below)


class _OwnFirst(list[BaseRoute]):
    """The routes of a resource: whatever is added comes before the generated ones, and replaces those of its shape."""

    def append(self, route: BaseRoute) -> None:
        if isinstance(route, _GeneratedRoute):
            super().append(route)
            return
        own = [other for other in self if not isinstance(other, _GeneratedRoute)]
        answered = {place for context in iter_route_contexts([route]) for place in _places(context)}
        generated = [other for other in self if isinstance(other, _GeneratedRoute)]
        self[:] = [*own, route, *(other for other in generated if answered.isdisjoint(_places(other)))]


def _places(route: Any) -> Iterator[tuple[str, str]]:
    """What a route answers: each method, at the shape of its path; the names of parameters make no difference."""
    shape = _PARAMETER.sub("{}", route.path or "").rstrip("/")
    return ((method, shape) for method in route.methods or ())
