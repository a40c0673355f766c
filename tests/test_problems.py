"""Problem documents, what they are made from, and their OpenAPI."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.testclient import TestClient
from pydantic import BaseModel, ConfigDict, Field, Json, TypeAdapter, ValidationError, field_validator
from starlette.exceptions import HTTPException
from starlette.middleware.body_limit import MAX_BODY_SIZE_SCOPE_KEY
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from splice import errors
from splice.errors import Issue
from splice.problems import (
    MAX_ISSUES,
    Answer,
    allowed_methods,
    document,
    exchange_of,
    explain,
    explain_as_page,
    from_body_validation,
    from_content_length,
    from_http_exception,
    from_reading,
    from_validation,
    hoist,
    problem_classes,
    render,
    responses,
    schema,
)

REF = {"$ref": "#/components/schemas/Problem"}


def scope_of(path: str = "/", method: str = "GET", **more: Any) -> dict[str, Any]:
    return {"type": "http", "method": method, "path": path, "root_path": "", "headers": [], **more}


def refused(model: Any, body: Any) -> list[Any]:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(model).validate_json(body if isinstance(body, str | bytes) else json.dumps(body))
    return caught.value.errors()


def pointers(model: Any, body: Any) -> list[str | None]:
    return [issue.pointer for issue in from_body_validation(refused(model, body), body).issues]


class Cat(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str


class Owner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    age: int = 0
    pets: list[Annotated[Cat | Dog, Field(discriminator="kind")]] = []
    favourite: Cat | Dog | None = None
    marks: dict[str, int] = {}

    @field_validator("name")
    @classmethod
    def check(cls, value: str) -> str:
        if value == "nobody":
            raise ValueError("a person needs a name of its own")
        return value


class TestDocument:
    def test_members_that_say_nothing_are_left_out(self):
        """A plain problem has the five members of RFC 9457 and no list of errors."""
        written = document(errors.NotFound("no user 7"), scope_of(headers=[(b"x-request-id", b"r-1")]))

        assert written == {
            "type": "/problems/not-found",
            "title": "Not found",
            "status": 404,
            "detail": "no user 7",
            "instance": "r-1",
        }

    def test_issues_keep_only_what_is_set(self):
        """Each error names its place once, and a hint only where there is one."""
        problem = errors.Invalid(issues=[Issue("too long", "too-long", pointer="/name")])

        assert document(problem, scope_of())["errors"] == [
            {"detail": "too long", "code": "too-long", "pointer": "/name"}
        ]

    def test_type_stands_below_the_root_path(self):
        """Behind a proxy that strips a prefix, the type still leads to its page."""
        assert document(errors.NotFound(), scope_of(root_path="/api"))["type"] == "/api/problems/not-found"

    def test_lone_surrogates_are_spelt_out(self):
        """A name that has no UTF-8 form can be reported all the same."""
        problem = errors.UnknownField("There is no field '\ud800'", pointer="/\ud800")

        assert json.loads(render(problem, scope_of()).body)["errors"][0]["pointer"] == "/\\ud800"

    def test_a_thousand_issues_are_cut_to_what_a_person_reads(self):
        """An answer stays small, however much is wrong; the count is told."""
        body = {"marks": {f"m{n}": "x" for n in range(1000)}, "name": "Ada"}
        written = document(from_body_validation(refused(Owner, body), body), scope_of())

        assert len(written["errors"]) == MAX_ISSUES
        assert "1000" in written["detail"]


class TestRender:
    @pytest.mark.parametrize("problem", [cls for cls in problem_classes() if cls.status == 503])
    def test_what_passes_says_when_to_come_back(self, problem):
        """Every 503 bears Retry-After, whoever raises it; a write of unknown outcome must not be repeated blindly."""
        headers = render(problem(), scope_of()).headers

        assert ("retry-after" in headers) is (problem is not errors.CommitUnknown)

    def test_whoever_raises_a_problem_may_know_the_time_better(self):
        """The seconds of the class are what is said where the raiser says nothing."""
        answer = render(errors.TooBusy(retry_after_seconds=7), scope_of())

        assert answer.headers["retry-after"] == "7"

    def test_media_type_and_request_id(self):
        """The answer is a problem document, and its header agrees with its instance."""
        response = render(errors.NotFound(), scope_of())

        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"
        assert response.headers["x-request-id"] == json.loads(response.body)["instance"]

    def test_retry_after(self):
        """A problem that passes says when to come back."""
        assert render(errors.TooBusy(retry_after_seconds=2), scope_of()).headers["retry-after"] == "2"

    @pytest.mark.parametrize("sent", [b"", b"a b", b"x" * 129, b"caf\xc3\xa9", b"a\nb", b'"'])
    def test_unfit_request_ids_are_replaced(self, sent):
        """What a client calls its request reaches the log only when it is short and plain."""
        exchange = exchange_of(scope_of(headers=[(b"x-request-id", sent)]))

        assert len(exchange.request_id) == 32

    def test_a_request_keeps_its_id(self):
        """However often it is asked for, one request has one id."""
        scope = scope_of()

        assert exchange_of(scope).request_id == exchange_of(scope).request_id

    def test_own_renderer(self):
        """The renderer of the application writes every problem."""
        scope = scope_of()
        exchange_of(scope).renderer = lambda answer, _: PlainTextResponse(answer.title, answer.status)

        assert render(errors.NotFound(), scope).body == b"Not found"


class TestBodyValidation:
    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ({"name": 5}, ["/name"]),
            ({}, ["/name"]),
            ({"name": "Ada", "pets": [{"kind": "cat", "lives": "x"}]}, ["/pets/0/lives"]),
            ({"name": "Ada", "pets": [{"kind": "cat"}]}, ["/pets/0/lives"]),
            ({"name": "Ada", "pets": [{"kind": "cow"}]}, ["/pets/0"]),
            (
                {"name": "Ada", "favourite": {"kind": "dog", "name": 1}},
                ["/favourite/kind", "/favourite/lives", "/favourite/name", "/favourite/name"],
            ),
            ({"name": "Ada", "marks": {"a/b~c": "x"}}, ["/marks/a~1b~0c"]),
            ({"name": "Ada", "pets": "x"}, ["/pets"]),
            ([], [""]),
        ],
    )
    def test_pointers_are_paths_of_the_body(self, body, expected):
        """A pointer leads to a member of what was sent; names of union branches are no part of it."""
        assert pointers(Owner, body) == expected

    def test_branches_without_the_body(self):
        """Where the body is not at hand, what is plainly no member is left out."""
        errors_ = [{"type": "int_type", "loc": ("a", "function-after[f(), int]", 0), "msg": "no"}]

        assert from_body_validation(errors_).issues[0].pointer == "/a/0"

    def test_unknown_field_with_its_neighbour(self):
        """A misspelt field is refused under its own code, and the nearest one is offered."""
        body = {"name": "Ada", "aeg": 5}
        problem = from_body_validation(refused(Owner, body), body, names=("name", "age"))

        assert isinstance(problem, errors.UnknownField)
        assert problem.issues == (
            Issue("There is no field 'aeg'", "unknown-field", "did you mean 'age'?", pointer="/aeg"),
        )

    def test_several_kinds_are_invalid_together(self):
        """Different mistakes share the general type and keep their codes."""
        body = {"nmae": "Ada", "age": "x"}
        problem = from_body_validation(refused(Owner, body), body)

        assert type(problem) is errors.Invalid
        assert {issue.code for issue in problem.issues} == {"missing", "int-parsing", "unknown-field"}

    @pytest.mark.parametrize("body", ['{"name": "secret"', "", "nul", '{"name": "secret", }'])
    def test_what_is_not_json_is_400(self, body):
        """A body that cannot be read is malformed, and nothing of it is repeated."""
        problem = from_body_validation(refused(Owner, body), body.encode())

        assert problem.status == 400
        assert "secret" not in str(document(problem, scope_of()))

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            (rb'{"name": "\ud800"}', "/name"),
            (rb'{"\udfff": 1}', ""),
            (rb'{"name": {"a/b": ["x", "\udc00y"]}}', "/name/a~1b/1"),
        ],
    )
    def test_half_a_surrogate_pair_is_422(self, body, pointer):
        """JSON by its grammar but no Unicode: the body could be read, the text in it cannot be stored."""
        problem = from_body_validation(refused(Owner, body), body)

        assert problem.status == 422
        assert [(issue.code, issue.pointer) for issue in problem.issues] == [("lone-surrogate", pointer)]

    def test_bytes_are_parsed_for_their_members(self):
        """The raw body serves as well as the parsed one."""
        raw = b'{"name": "Ada", "favourite": {"kind": "cat", "lives": "x"}}'

        assert from_body_validation(refused(Owner, raw), raw).issues[0].pointer == "/favourite/lives"

    def test_json_inside_of_a_field_is_422(self):
        """A field that holds JSON as text is a value like others: the body itself could be read."""
        adapter = list[Json[Any]]

        assert from_body_validation(refused(adapter, ["{"]), ["{"]).status == 422

    def test_words_of_own_validators_are_kept(self):
        """What a user's validator says reaches the client."""
        body = {"name": "nobody"}

        assert "a person needs a name" in from_body_validation(refused(Owner, body), body).detail

    @pytest.mark.parametrize(
        "body", [{"name": "Ada", "pets": [{"kind": "s3cret"}]}, {"name": "Ada", "age": "s3cret"}]
    )
    def test_values_are_not_quoted(self, body):
        """What was sent is not sent back, not even by Pydantic's own words."""
        assert "s3cret" not in str(document(from_body_validation(refused(Owner, body), body), scope_of()))


class TestRequestValidation:
    @pytest.mark.parametrize(
        ("loc", "place"),
        [
            (("query", "limit"), {"parameter": "limit"}),
            (("query", "ids", 3), {"parameter": "ids"}),
            (("path", "id"), {"parameter": "id"}),
            (("header", "if-match"), {"header": "if-match"}),
            (("cookie", "sid"), {"header": "Cookie"}),
            (("body", "name"), {"pointer": "/name"}),
        ],
    )
    def test_each_part_of_the_request_has_its_member(self, loc, place):
        """Parameters, headers and the body are told apart."""
        issue = from_validation([{"type": "int_type", "loc": loc, "msg": "no"}], {"name": 1}).issues[0]

        assert {name: getattr(issue, name) for name in place} == place
        assert sum(getattr(issue, name) is not None for name in ("parameter", "header", "pointer")) == 1

    def test_missing_body(self):
        """No body where one is needed is said in so many words."""
        problem = from_validation([{"type": "missing", "loc": ("body",), "msg": "Field required"}])

        assert (problem.status, problem.detail) == (422, "A JSON body is required")

    def test_unreadable_body(self):
        """FastAPI's error for what is not JSON is 400 and says where."""
        error = RequestValidationError(
            [
                {
                    "type": "json_invalid",
                    "loc": ("body", 4),
                    "msg": "JSON decode error",
                    "input": {},
                    "ctx": {"error": "x"},
                }
            ]
        )

        assert from_validation(error.errors()).detail == "The body is not JSON from character 4 on"

    def test_unknown_parameter(self):
        """A query model that forbids others speaks of parameters, not of fields."""
        error = {"type": "extra_forbidden", "loc": ("query", "lmit"), "msg": "no"}

        assert isinstance(from_validation([error]), errors.UnknownParameter)


class TestHttpException:
    def test_detail_and_headers_are_kept(self):
        """An exception of the user's own keeps its words; its status has no meaning beyond HTTP's."""
        answer = from_http_exception(HTTPException(401, "sign in", {"WWW-Authenticate": "Bearer"}))
        response = render(answer, scope_of())

        assert json.loads(response.body) | {"instance": ""} == {
            "type": "about:blank",
            "title": "Unauthorized",
            "status": 401,
            "detail": "sign in",
            "instance": "",
        }
        assert response.headers["www-authenticate"] == "Bearer"

    @pytest.mark.parametrize(
        ("detail", "data"),
        [({"a": [1]}, {"a": [1]}), ([float("nan")], [None]), ({"at": object}, None), ({1, 2}, [1, 2])],
    )
    def test_structured_detail_is_an_extension_member(self, detail, data):
        """What is not text stands beside `detail`, as plain JSON data."""
        answer = from_http_exception(HTTPException(409, detail))
        written = json.loads(render(answer, scope_of()).body)

        assert written["detail"] == "Conflict"
        assert data is None or written["data"] == data

    @pytest.mark.parametrize(
        ("status", "title"), [(418, "I'm a Teapot"), (499, "Client error"), (599, "Server error")]
    )
    def test_any_status(self, status, title):
        """Statuses that the standard library does not know are answered too."""
        assert from_http_exception(HTTPException(status)).title == title

    def test_own_headers_do_not_replace_ours(self):
        """A content type of another body is not kept."""
        answer = Answer(400, "Bad", "bad", headers={"Content-Type": "text/plain", "X-Own": "1"})
        response = render(answer, scope_of())

        assert response.headers["content-type"] == "application/problem+json"
        assert response.headers["x-own"] == "1"


def nothing(*_: Any) -> PlainTextResponse:
    return PlainTextResponse("")


class TestAllowedMethods:
    @pytest.fixture
    def app(self, tmp_path):
        app = FastAPI()
        users = APIRouter(prefix="/users")
        users.get("")(nothing)
        users.post("")(nothing)
        users.patch("/{id}")(nothing)
        inner = APIRouter(routes=[Route("/x", nothing, methods=["PUT"])])
        users.include_router(inner, prefix="/deep")
        app.include_router(users)
        app.delete("/users")(nothing)
        app.add_api_route("/found", nothing, methods=["PROPFIND"])
        app.router.routes.append(Mount("/files", StaticFiles(directory=tmp_path)))
        app.router.routes.append(
            Mount("/sub", routes=[Route("/a", nothing), Route("/a", nothing, methods=["POST"])])
        )
        app.router.routes.append(Mount("/opaque", nothing))
        return app

    @pytest.mark.parametrize(
        ("path", "methods"),
        [
            ("/users", ("DELETE", "GET", "POST")),
            ("/users/5", ("PATCH",)),
            ("/users/deep/x", ("PUT",)),
            ("/found", ("PROPFIND",)),
            ("/files/a.txt", ("GET", "HEAD")),
            ("/sub/a", ("GET", "HEAD", "POST")),
            ("/nowhere", ()),
        ],
    )
    def test_over_all_routes(self, app, path, methods):
        """Every method is named that some route answers, wherever that route was declared."""
        assert allowed_methods(app, scope_of(path)) == methods

    def test_a_mount_hides_what_comes_after(self, app):
        """A route that no request can reach adds nothing."""
        app.put("/sub/a")(nothing)

        assert "PUT" not in allowed_methods(app, scope_of("/sub/a"))

    def test_below_a_root_path(self, app):
        """Servers that leave the prefix in the path are understood."""
        assert allowed_methods(app, scope_of("/api/users/5", root_path="/api")) == ("PATCH",)

    def test_the_scope_is_left_alone(self, app):
        """Asking does not change how the request goes on."""
        scope = scope_of("/users")
        exchange_of(scope)
        before = dict(scope)
        allowed_methods(app.routes, scope)

        assert scope == before


class TestReading:
    @pytest.mark.parametrize(
        ("status", "detail", "problem"),
        [
            (400, "There was an error parsing the body", errors.MalformedBody),
            (413, "Content Too Large", errors.BodyTooLarge),
            (413, "Request Entity Too Large", errors.BodyTooLarge),
            (400, "no", type(None)),
            (413, "your picture is too large", type(None)),
            (404, "Not Found", type(None)),
        ],
    )
    def test_what_the_framework_says_of_a_body_is_understood(self, status, detail, problem):
        """A body that cannot be read has a problem of its own; the words of a user stay the user's."""
        assert type(from_reading(HTTPException(status, detail))) is problem

    @pytest.mark.parametrize("path", ["nested", "digits", "large"])
    def test_a_route_can_name_what_fastapi_raises(self, path):
        """What FastAPI raises today for such bodies is what is looked for."""
        app = FastAPI(max_body_size=99_000)
        seen: list[Any] = []

        @app.exception_handler(HTTPException)
        async def keep(_: Any, error: HTTPException) -> PlainTextResponse:
            seen.append(from_reading(error))
            return PlainTextResponse("kept", 418)

        app.post("/")(echo)
        bodies = {"nested": b"[" * 90_000, "digits": b'{"a": ' + b"9" * 5_000 + b"}", "large": b" " * 99_001}
        content = iter([bodies[path]])  # without a Content-Length
        TestClient(app).post("/", content=content, headers={"content-type": "application/json"})

        assert [problem.status for problem in seen] == [413 if path == "large" else 400]

    @pytest.mark.parametrize(
        ("limit", "length", "refused"),
        [
            (10, b"11", True),
            (10, b"9" * 5_000, True),
            (10, b"10", False),
            (10, b"x", False),
            (10, b"", False),
            (None, b"11", False),
        ],
    )
    def test_a_body_that_is_announced_as_too_large(self, limit, length, refused):
        """It is refused before anything is done; a limit that nobody set refuses nothing."""
        more = {} if limit is None else {MAX_BODY_SIZE_SCOPE_KEY: limit}
        scope = scope_of(**more) | {"headers": [(b"content-length", length)]}

        assert isinstance(from_content_length(scope), errors.BodyTooLarge) is refused


def echo(body: dict[str, Any]) -> Any:
    return body


class TestOpenAPI:
    def test_responses_are_grouped_by_status(self):
        """Problems of one status share a response that names them all."""
        described = responses(errors.Invalid, errors.NotFound, errors.UnknownField, errors.TooBusy)

        assert list(described) == [404, 422, 503]
        assert "`invalid`" in described[422]["description"]
        assert "`unknown-field`" in described[422]["description"]
        assert "Retry-After" in described[503]["headers"]

    def test_an_unknown_outcome_names_no_time(self):
        """Where sending again may store twice, the document offers no Retry-After."""
        assert "headers" not in responses(errors.CommitUnknown)[503]

    def test_valid_without_install(self):
        """The schema stands in the response itself, so that a router needs nobody's components."""
        app = FastAPI()
        app.get("/", responses=responses(errors.NotFound))(nothing)

        described = app.openapi()["paths"]["/"]["get"]["responses"]["404"]
        assert described["content"]["application/problem+json"]["schema"] == schema()

    def test_hoisted_once(self):
        """In an application, each response refers to one schema, FastAPI's own errors included."""
        app = FastAPI()
        app.get("/{id}", responses=responses(errors.NotFound))(typed)
        hoisted = hoist(app.openapi())

        answers = hoisted["paths"]["/{id}"]["get"]["responses"]
        assert (
            answers["404"]["content"]
            == answers["422"]["content"]
            == {"application/problem+json": {"schema": REF}}
        )
        assert hoisted["components"]["schemas"] == {"Problem": schema()}
        assert hoist(hoisted) == hoisted

    def test_a_model_of_the_same_name_keeps_it(self):
        """A user's own model called Problem stays what it is."""
        Problem = type("Problem", (BaseModel,), {"__annotations__": {"x": int}})  # noqa: N806  # the name matters
        app = FastAPI()
        app.post("/{id}", response_model=Problem)(typed)
        schemas = hoist(app.openapi())["components"]["schemas"]

        assert "x" in schemas["Problem"]["properties"]
        assert schemas["ProblemDocument"] == schema()

    def test_documents_without_errors_stay_as_they_are(self):
        """An application that refuses nothing gets no component."""
        app = FastAPI()
        app.get("/")(nothing_at_all)

        assert hoist(app.openapi()) == app.openapi()

    def test_errors_that_others_refer_to_stay(self):
        """FastAPI's schema is dropped only where nothing needs it any more."""
        ref = {"$ref": "#/components/schemas/HTTPValidationError"}
        app = FastAPI()
        app.get("/{id}", responses={418: {"content": {"application/xml": {"schema": ref}}}})(typed)

        assert "HTTPValidationError" in hoist(app.openapi())["components"]["schemas"]


def typed(id: int) -> Any:
    return id


def nothing_at_all() -> None:
    return None


class TestExplanations:
    @pytest.mark.parametrize("problem", list(problem_classes()), ids=lambda problem: problem.code)
    def test_every_problem_is_explained(self, problem):
        """Each published code has a page that says what it means and what to do."""
        explained = explain(problem.code)

        assert explained is not None
        assert explained["description"]
        assert explained["advice"]

    def test_an_unknown_outcome_is_not_sent_again_blindly(self):
        """The page of a lost COMMIT says to look first; it names no header that the answer does not have."""
        advice = explain("commit-unknown")["advice"]

        assert advice.startswith("Read what is stored")
        assert "Retry-After" not in advice

    def test_pages_need_nothing_from_elsewhere(self):
        """A page is complete without the internet."""
        page = explain_as_page(explain("not-unique") or {})

        assert "http" not in page.replace("http-equiv", "")
        assert "<h1>A value is already taken</h1>" in page

    def test_unknown_code(self):
        """A code that nobody published has no page."""
        assert explain("made-up") is None
