"""What `install` makes of a whole application: one contract for every answer that is not a success."""

from __future__ import annotations

import http.client
import logging
import re
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
import uvicorn
from fastapi import APIRouter, FastAPI, HTTPException, Request, WebSocket
from fastapi.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    StreamingResponse,
)
from fastapi.testclient import TestClient
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import Route

from splice.application import install
from splice.database import Database
from splice.errors import DatabaseUnavailable, NotFound, SetupError, TooBusy
from splice.guard import AnswerBrokenOff


class Item(BaseModel):
    name: str
    price: float


class Fails:
    """An ASGI middleware that fails before the application is reached."""

    def __init__(self, app: Any, error: Exception) -> None:
        self.app, self.error = app, error

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] == "/outside":
            raise self.error
        await self.app(scope, receive, send)


class Named:
    """A database that says its name when it starts and ends, and is away when told so."""

    def __init__(self, story: list[str], name: str = "db", *, away: bool = False) -> None:
        self.story, self.name, self.away, self.tables = story, name, away, {}

    @asynccontextmanager
    async def lifespan(self, _: Any) -> AsyncIterator[None]:
        self.story.append(f"{self.name} starts")
        yield
        self.story.append(f"{self.name} ends")

    async def ping(self) -> None:
        self.story.append(f"{self.name} is asked")
        if self.away:
            raise DatabaseUnavailable


def routes(app: FastAPI) -> FastAPI:
    app.get("/ok")(lambda: {"ok": True})
    app.get("/items")(list)
    app.post("/items")(create)
    app.get("/http")(raising(HTTPException(401, "sign in", {"WWW-Authenticate": "Bearer"})))
    app.get("/here")(raising(HTTPException(404, "no such thing")))
    app.get("/bare")(raising(HTTPException(404)))
    app.get("/problem")(raising(NotFound("no user 7")))
    app.get("/busy")(raising(TooBusy(retry_after_seconds=3)))
    app.get("/boom")(raising(ZeroDivisionError("the cause")))
    app.get("/driver")(query)
    app.get("/cut")(cut)
    app.get("/cut-by-driver")(cut_by_driver)
    return app


def create(item: Item) -> Item:
    return item


def raising(error: Exception) -> Any:
    def endpoint() -> None:
        raise error

    return endpoint


def query() -> None:
    engine = sa.create_engine("sqlite://", poolclass=sa.NullPool)
    with closing(engine.raw_connection()), engine.connect() as connection:
        connection.execute(sa.text("SELECT * FROM s3cret_table WHERE x = :x"), {"x": "s3cret"})


def cut() -> StreamingResponse:
    def body() -> Iterator[bytes]:
        yield b"half"
        raise ZeroDivisionError("the cause")

    return StreamingResponse(body())


def cut_by_driver() -> StreamingResponse:
    def body() -> Iterator[bytes]:
        yield b"half"
        query()

    return StreamingResponse(body())


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI(max_body_size=1000)
    install(app)
    return routes(app)


@pytest.fixture
def client(app) -> TestClient:
    return TestClient(app)


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.INFO, "splice")
    return lambda: [record for record in caplog.records if record.name == "splice"]


@contextmanager
def serving(app: FastAPI) -> Iterator[int]:
    """Serve an application by uvicorn; gives the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def problem_of(response: Any) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == response.status_code
    assert problem["instance"] == response.headers["x-request-id"]
    return problem


class TestEveryFailure:
    @pytest.mark.parametrize(
        ("method", "path", "status", "type_", "detail"),
        [
            ("GET", "/none", 404, "/problems/route-not-found", "Nothing is served at this path"),
            ("PUT", "/items", 405, "/problems/method-not-allowed", "PUT is not allowed here"),
            ("POST", "/items", 422, "/problems/invalid", "A JSON body is required"),
            ("GET", "/http", 401, "about:blank", "sign in"),
            ("GET", "/here", 404, "about:blank", "no such thing"),
            ("GET", "/bare", 404, "about:blank", "Not Found"),
            ("GET", "/problem", 404, "/problems/not-found", "no user 7"),
            ("GET", "/busy", 503, "/problems/too-busy", "Too busy, try again"),
            ("GET", "/boom", 500, "/problems/internal-error", "Internal server error"),
            ("GET", "/driver", 500, "/problems/internal-error", "Internal server error"),
        ],
    )
    def test_is_a_problem_document(self, client, method, path, status, type_, detail):
        """Whoever refuses a request, the answer has one form."""
        problem = problem_of(client.request(method, path))

        assert (problem["status"], problem["type"], problem["detail"]) == (status, type_, detail)

    @pytest.mark.parametrize("body", [b'{"name": NaN, "price": 1}', b"[Infinity]", b"NaN", b'{"x": 1e400}'])
    def test_nan_in_a_body_is_refused(self, client, body):
        """A value that JSON cannot say is refused, and the refusal does not fail over it."""
        response = client.post("/items", content=body, headers={"content-type": "application/json"})

        assert problem_of(response)["type"] == "/problems/invalid"

    @pytest.mark.parametrize("body", [b'{"name": ', b"\xff\xfe{", b"[" * 900])
    def test_what_cannot_be_parsed_is_400(self, client, body):
        """A body that is no JSON at all is malformed."""
        response = client.post("/items", content=body, headers={"content-type": "application/json"})

        assert problem_of(response)["type"] == "/problems/malformed-body"

    def test_input_is_not_repeated(self, client):
        """A refusal says what is wrong without the value that was."""
        response = client.post("/items", json={"name": {"password": "s3cret"}, "price": "s3cret"})

        assert response.status_code == 422
        assert "s3cret" not in response.text

    @pytest.mark.parametrize("chunked", [False, True])
    def test_bodies_over_the_limit(self, client, chunked):
        """A body that is too large is refused as a problem, with and without a Content-Length."""
        content = iter([b"x" * 2000]) if chunked else b"x" * 2000
        response = client.post("/items", content=content, headers={"content-type": "application/json"})

        assert (problem_of(response)["type"], response.status_code) == ("/problems/body-too-large", 413)

    def test_headers_of_an_exception_are_kept(self, client):
        """Authentication schemes reach the client."""
        assert client.get("/http").headers["www-authenticate"] == "Bearer"

    def test_retry_after(self, client):
        """A problem that passes says when to come back."""
        assert client.get("/busy").headers["retry-after"] == "3"

    def test_exceptions_that_are_no_failures_are_left_alone(self, app, client):
        """A redirect made by an exception is still a redirect."""
        app.get("/moved")(raising(HTTPException(307, headers={"Location": "/ok"})))

        assert client.get("/moved", follow_redirects=False).headers["location"] == "/ok"

    def test_plain_texts_of_the_users_own(self, app, client):
        """An answer that a route gives in words of its own is not rewritten."""
        app.get("/words")(lambda: PlainTextResponse("Not Found", 404))
        app.get("/page")(lambda: HTMLResponse("<p>gone", 404))

        assert client.get("/words").text == "Not Found"
        assert client.get("/page").text == "<p>gone"

    def test_plain_texts_of_starlettes_middleware(self):
        """Middleware that answers by itself answers in the same form; its headers are kept."""
        app = FastAPI()
        install(app)
        app.add_middleware(CORSMiddleware, allow_origins=["https://a.example"])
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=["testserver"])
        client = TestClient(app)
        preflight = {"origin": "https://b.example", "access-control-request-method": "GET"}

        assert problem_of(client.get("/", headers={"host": "evil"}))["detail"] == "Invalid host header"
        refused = client.options("/", headers=preflight)
        assert problem_of(refused)["detail"] == "Disallowed CORS origin"
        assert "origin" in refused.headers["vary"].lower()

    def test_type_leads_to_its_page_behind_a_prefix(self, app):
        """The type of a problem can be followed as it stands, whatever prefix a proxy strips."""
        client = TestClient(app, root_path="/api")
        problem = problem_of(client.get("/problem"))

        assert problem["type"] == "/api/problems/not-found"
        assert client.get(problem["type"]).status_code == 200


class TestAllow:
    def test_all_methods_of_a_path(self):
        """`Allow` names the methods of all routes of a path, not those of the first."""
        app = FastAPI()
        install(app)
        routes(app)
        router = APIRouter(prefix="/items")
        router.patch("")(lambda: None)
        app.include_router(router)

        assert TestClient(app).delete("/items").headers["allow"] == "GET, PATCH, POST"

    def test_of_a_mounted_list_of_routes(self, app, client):
        """Below a mount the path is that of the mount's own routes."""
        app.mount("/m", APIRouter(routes=[Route("/a", state), Route("/a", state, methods=["PATCH"])]))

        assert client.put("/m/a").headers["allow"] == "GET, HEAD, PATCH"

    def test_a_route_may_refuse_by_itself(self, app, client):
        """A 405 that a route raises keeps the methods that it names."""
        app.get("/picky")(raising(HTTPException(405, headers={"Allow": "LOCK"})))

        assert client.get("/picky").headers["allow"] == "LOCK"


class TestRequestId:
    def test_every_answer_bears_one(self, client):
        """Successes can be found in the log too."""
        assert re.fullmatch("[0-9a-f]{32}", client.get("/ok").headers["x-request-id"])

    def test_the_clients_own_is_kept(self, client, log):
        """One id goes through the proxy, the document, the header and the log."""
        problem = problem_of(client.get("/boom?q=s3cret", headers={"x-request-id": "abc-1"}))

        assert problem["instance"] == "abc-1"
        [record] = log()
        assert (record.request_id, record.method, record.path) == ("abc-1", "GET", "/boom")
        assert "s3cret" not in record.getMessage()

    def test_one_set_by_other_middleware_is_left_alone(self, app, client):
        """Middleware that numbers requests itself has the last word on the header."""

        @app.middleware("http")
        async def number(request: Request, call_next: Any) -> Any:
            response = await call_next(request)
            response.headers["x-request-id"] = "theirs"
            return response

        assert client.get("/ok").headers.get_list("x-request-id") == ["theirs"]


class TestUnhandled:
    @pytest.mark.parametrize("path", ["/boom", "/outside"])
    def test_is_logged_once_with_its_traceback(self, app, client, log, path):
        """Whoever reads the log finds the cause of a 500."""
        app.add_middleware(Fails, error=ZeroDivisionError("the cause"))
        client.get(path)

        [record] = log()
        assert record.levelname == "ERROR"
        assert "ZeroDivisionError: the cause" in record.getMessage()

    @pytest.mark.parametrize(
        ("error", "status"), [(ZeroDivisionError(), 500), (NotFound(), 404), (HTTPException(403), 403)]
    )
    def test_of_middleware(self, app, client, error, status):
        """What middleware raises is answered like what a route raises."""
        app.add_middleware(Fails, error=error)

        assert problem_of(client.get("/outside"))["status"] == status

    def test_foreseen_refusals_are_not_failures(self, app, client, log):
        """A problem raised by middleware is an answer, not an entry in the log."""
        app.add_middleware(Fails, error=NotFound())
        client.get("/outside")

        assert log() == []

    def test_database_errors_say_no_values(self, client, log):
        """The log names the class and the place of an error of the driver, but no SQL and no value."""
        client.get("/driver")

        [record] = log()
        assert "sqlalchemy.exc.OperationalError" in record.getMessage()
        assert "sqlite3.OperationalError" in record.getMessage()
        assert "in query" in record.getMessage()
        assert "s3cret" not in record.getMessage()

    def test_database_errors_in_the_chain_say_no_values(self, app, client, log):
        """An error of the user's own that a driver's led to is as silent."""

        def wrapped() -> None:
            try:
                query()
            except sa.exc.OperationalError as error:
                raise RuntimeError(f"failed: {error}") from None

        app.get("/wrapped")(wrapped)
        client.get("/wrapped")

        [record] = log()
        assert "s3cret" not in record.getMessage()
        assert "RuntimeError" in record.getMessage()

    def test_answers_that_do_not_fit_their_model_say_no_values(self, app, client, log):
        """FastAPI's error for an answer of the wrong shape quotes rows; the log does not."""
        app.get("/misfit", response_model=Item)(lambda: {"name": "s3cret"})
        client.get("/misfit")

        [record] = log()
        assert "ResponseValidationError" in record.getMessage()
        assert "s3cret" not in record.getMessage()

    def test_a_busy_database_takes_one_line(self, client, log):
        """Under load the log is not filled with tracebacks."""
        client.get("/busy")

        [record] = log()
        assert record.levelname == "WARNING"
        assert "\n" not in record.getMessage()

    def test_driver_errors_are_translated(self, app, client):
        """A constraint that refuses a write of a hand-written route is a conflict, not a failure."""

        def insert() -> None:
            engine = sa.create_engine("sqlite://", poolclass=sa.NullPool)
            with engine.begin() as connection:
                connection.execute(sa.text("CREATE TABLE t (a INTEGER PRIMARY KEY)"))
                connection.execute(sa.text("INSERT INTO t VALUES (1), (1)"))

        app.get("/insert")(insert)

        assert problem_of(client.get("/insert"))["type"] == "/problems/not-unique"

    def test_after_the_answer_has_begun(self, client, log):
        """An answer that breaks in the middle is not passed off as whole."""
        with pytest.raises(ZeroDivisionError):
            client.get("/cut")

        assert len(log()) == 1

    def test_a_broken_answer_tells_the_server_nothing(self, client, log):
        """What the server logs of a broken answer holds no SQL either."""
        with pytest.raises(AnswerBrokenOff) as caught:
            client.get("/cut-by-driver")

        assert caught.value.__cause__ is caught.value.__context__ is None
        assert "s3cret" not in log()[0].getMessage()

    def test_after_the_answer_is_complete(self, app, client, log):
        """A background task that fails changes nothing for the client, and is logged."""

        def fail() -> None:
            raise ZeroDivisionError

        app.get("/later")(lambda: JSONResponse({"ok": True}, background=BackgroundTask(fail)))

        assert client.get("/later").json() == {"ok": True}
        assert len(log()) == 1

    def test_in_a_handler_of_the_users_own(self, app, client, log):
        """A handler that fails itself does not leave the client without an answer."""

        @app.exception_handler(Exception)
        async def handle(request: Request, error: Exception) -> None:
            raise KeyError("again")

        assert problem_of(client.get("/boom"))["status"] == 500
        assert len(log()) == 1

    def test_debug_page(self):
        """An application in debug mode shows the developer the traceback."""
        app = FastAPI(debug=True)
        install(app)
        routes(app)

        response = TestClient(app).get("/boom")
        assert response.status_code == 500
        assert "ZeroDivisionError: the cause" in response.text


class TestServed:
    def test_the_connection_survives(self, app):
        """After an unhandled exception the next request goes over the same connection."""
        with serving(app) as port, closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
            statuses = []
            sockets = set()
            for path in ("/ok", "/boom", "/driver", "/none", "/ok"):
                connection.request("GET", path)
                response = connection.getresponse()
                response.read()
                statuses.append(response.status)
                sockets.add(connection.sock)

        assert statuses == [200, 500, 500, 404, 200]
        assert len(sockets) == 1
        assert None not in sockets

    @pytest.mark.parametrize("path", ["/cut", "/cut-by-driver"])
    def test_a_broken_answer_breaks_the_connection(self, app, path):
        """A client can tell half an answer from a whole one."""
        with serving(app) as port, closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
            connection.request("GET", path)
            response = connection.getresponse()

            with pytest.raises(http.client.IncompleteRead):
                response.read()

    def test_the_servers_log_says_no_values(self, app, caplog):
        """Not even uvicorn's own log has the SQL."""
        with serving(app) as port, closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
            connection.request("GET", "/cut-by-driver")
            with pytest.raises(http.client.IncompleteRead):
                connection.getresponse().read()

        assert "AnswerBrokenOff" in caplog.text
        assert "s3cret" not in caplog.text


class TestMounted:
    @pytest.fixture
    def outer(self):
        """Three applications, each inside the one before, each with an install of its own."""
        apps = [FastAPI() for _ in range(3)]
        for each in apps:
            install(each)
            routes(each)
        apps[1].mount("/c", apps[2])
        apps[0].mount("/b", apps[1])
        return apps[0]

    @pytest.mark.parametrize("prefix", ["", "/b", "/b/c"])
    def test_each_answers_for_itself(self, outer, prefix):
        """Problem types and methods are those of the application that was reached."""
        client = TestClient(outer)

        assert problem_of(client.get(f"{prefix}/boom"))["type"] == f"{prefix}/problems/internal-error"
        assert problem_of(client.get(f"{prefix}/none"))["type"] == f"{prefix}/problems/route-not-found"
        assert client.put(f"{prefix}/items").headers["allow"] == "GET, POST"
        assert client.get(f"{prefix}/problems/internal-error").status_code == 200

    @pytest.mark.parametrize("path", ["/b/c/boom", "/b/c/driver", "/b/c/cut", "/b/c/cut-by-driver"])
    def test_failures_are_logged_once(self, outer, log, path):
        """An exception that passes through several applications is one entry."""
        client = TestClient(outer, raise_server_exceptions=False)
        client.get(path)

        assert len(log()) == 1

    def test_one_id_for_all(self, outer):
        """The request id is that of the request, however deep it goes."""
        response = TestClient(outer).get("/b/c/boom", headers={"x-request-id": "r1"})

        assert response.headers.get_list("x-request-id") == [response.json()["instance"]] == ["r1"]

    def test_bodies_over_the_limit_of_the_one_around(self):
        """The limit of the outer application is answered in the same form by the inner."""
        inner, outer = FastAPI(), FastAPI(max_body_size=10)
        install(inner)
        install(outer)
        inner.post("/items")(create)
        outer.mount("/in", inner)

        content = iter([b'{"name": "a much too long name"}'])
        response = TestClient(outer).post(
            "/in/items", content=content, headers={"content-type": "application/json"}
        )
        assert problem_of(response)["type"].endswith("/problems/body-too-large")

    def test_plain_starlette(self, app, client):
        """A mounted application that knows nothing of problems is understood where it speaks Starlette's words."""
        app.mount("/plain", Starlette(routes=[Route("/boom", raising_request)]))

        assert problem_of(client.get("/plain/none"))["type"] == "/problems/route-not-found"
        assert problem_of(client.get("/plain/boom"))["status"] == 500


def raising_request(request: Request) -> None:
    raise ZeroDivisionError


class TestTelemetry:
    @pytest.mark.parametrize("path", ["/boom", "/outside"])
    def test_sees_the_exception(self, path):
        """FastAPI's own telemetry knows why a request failed, although the server never hears of it."""
        spans = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(spans))
        app = FastAPI(telemetry={"tracer_provider": provider, "metrics": False, "logs": False})
        install(app)
        routes(app)
        app.add_middleware(Fails, error=ZeroDivisionError())
        TestClient(app).get(path)
        provider.shutdown()

        [server] = [span for span in spans.get_finished_spans() if span.parent is None]
        assert server.attributes["http.response.status_code"] == 500
        assert server.attributes["error.type"] == "ZeroDivisionError"

    def test_instrumentation_that_comes_later(self, app, log):
        """A stack that was wrapped after install, from inside of the guard, is guarded again at the start."""
        build = app.build_middleware_stack
        app.build_middleware_stack = lambda: build().app

        with TestClient(app) as client:
            assert problem_of(client.get("/boom"))["status"] == 500
        assert len(log()) == 1


class TestOwnHandlers:
    @pytest.mark.parametrize("first", [True, False])
    @pytest.mark.parametrize(
        ("kind", "path"),
        [
            (Exception, "/boom"),
            (500, "/boom"),
            (HTTPException, "/here"),
            (404, "/none"),
            (NotFound, "/problem"),
        ],
    )
    def test_are_kept(self, kind, path, first):
        """A handler that the application registered wins, whether before install or after."""
        app = FastAPI()

        async def handle(request: Request, error: Exception) -> PlainTextResponse:
            return PlainTextResponse("mine", 418)

        if first:
            app.add_exception_handler(kind, handle)
        install(app)
        if not first:
            app.add_exception_handler(kind, handle)

        assert TestClient(routes(app)).get(path).text == "mine"

    def test_own_renderer(self):
        """The form of all problems can be another, in one place."""
        app = FastAPI()
        install(app, renderer=lambda answer, _: JSONResponse({"error": answer.title}, answer.status))
        client = TestClient(routes(app))

        assert client.get("/problem").json() == {"error": "Not found"}
        assert client.get("/boom").json() == {"error": "Internal server error"}


class TestWebSockets:
    def test_pass_untouched(self, app, client):
        """A problem in a WebSocket is none of HTTP's."""

        @app.websocket("/ws")
        async def speak(socket: WebSocket) -> None:
            await socket.accept()
            await socket.send_text("hello")
            raise NotFound

        with pytest.raises(NotFound):
            listen(client)


def listen(client: TestClient) -> None:
    with client.websocket_connect("/ws") as socket:
        assert socket.receive_text() == "hello"
        socket.receive_text()


class TestLifespan:
    def test_databases_are_outside(self):
        """The application's own lifespan finds its databases open, and its state reaches the requests."""
        story: list[str] = []

        @asynccontextmanager
        async def own(app: FastAPI) -> AsyncIterator[dict[str, str]]:
            story.append("app starts")
            yield {"said": "hello"}
            story.append("app ends")

        @asynccontextmanager
        async def of_router(app: FastAPI) -> AsyncIterator[None]:
            story.append("router starts")
            yield
            story.append("router ends")

        early, late = APIRouter(lifespan=of_router), APIRouter(lifespan=of_router)
        app = FastAPI(lifespan=own)
        app.include_router(early)
        install(app, Named(story, "first"), Named(story, "second"))
        app.include_router(late)
        app.get("/state")(state)

        with TestClient(app) as client:
            assert client.get("/state").json() == "hello"
        assert story[:3] == ["first starts", "second starts", "app starts"]
        assert story[-3:] == ["app ends", "second ends", "first ends"]
        assert story.count("router starts") == story.count("router ends") == 2

    def test_events_still_work(self):
        """Applications that use the older events keep them."""
        story: list[str] = []
        app = FastAPI()
        install(app, Named(story))
        app.router.add_event_handler("startup", lambda: story.append("event"))

        with TestClient(app):
            pass
        assert story == ["db starts", "event", "db ends"]

    def test_a_failed_start_closes_what_was_opened(self):
        """When the application cannot start, its databases are closed again."""
        story: list[str] = []

        class Broken(Named):
            @asynccontextmanager
            async def lifespan(self, _: Any) -> AsyncIterator[None]:
                raise OSError
                yield

        app = FastAPI()
        install(app, Named(story), Broken(story))

        with pytest.raises(OSError), TestClient(app):
            pass
        assert story[0] == "db starts"

    def test_a_real_database(self):
        """With a real database the application starts, is ready and stops."""
        app = FastAPI()
        install(app, Database("sqlite:///:memory:"))

        with TestClient(app) as client:
            assert client.get("/ready").json() == {"status": "ready"}

    def test_twice(self, app):
        """One application is installed once; the message holds the fix."""
        with pytest.raises(SetupError, match="all databases to one call"):
            install(app)

    def test_too_late(self):
        """After the start it is too late; the message holds the fix."""
        started = FastAPI()
        TestClient(started).get("/")

        with pytest.raises(SetupError, match="right after app = FastAPI"):
            install(started)


def state(request: Request) -> str:
    return str(request.state.said)


class TestHealth:
    def test_never_asks_the_database(self):
        """A process whose database is away is alive all the same."""
        story: list[str] = []
        app = FastAPI()
        install(app, Named(story, away=True))

        response = TestClient(app).get("/health")
        assert (response.status_code, response.json()) == (200, {"status": "ok"})
        assert story == []

    def test_not_ready_while_one_database_is_away(self):
        """Readiness asks every database."""
        story: list[str] = []
        app = FastAPI()
        install(app, Named(story), Named(story, "other", away=True))

        assert problem_of(TestClient(app).get("/ready"))["type"] == "/problems/database-unavailable"
        assert story == ["db is asked", "other is asked"]

    def test_own_routes_win(self):
        """A path that the application serves itself stays its own."""
        app = FastAPI()
        install(app, ready="/live/ready", health=None)
        app.get("/live/ready/")(lambda: "mine")
        app.get("/problems/{number}")(lambda number: number)
        client = TestClient(app)

        assert client.get("/live/ready/").json() == "mine"
        assert client.get("/problems/not-found").json() == "not-found"
        assert client.get("/health").status_code == 404

    def test_routes_for_all_paths_do_not_hide_it(self):
        """An application whose last route answers everything is still asked for its health."""
        app = FastAPI()
        install(app)
        app.get("/{path:path}")(lambda path: path)
        client = TestClient(app)

        assert client.get("/health").json() == {"status": "ok"}
        assert client.get("/other").json() == "other"

    def test_is_not_documented(self, client):
        """Routes for those who run the service are no part of its API."""
        assert not {"/health", "/ready", "/problems/{code}"} & set(
            client.get("/openapi.json").json()["paths"]
        )


class TestPages:
    def test_in_html_and_json(self, client):
        """A problem type explains itself to people and to programs."""
        page = client.get("/problems/not-unique", headers={"accept": "text/html,*/*"})
        data = client.get("/problems/not-unique", headers={"accept": "application/json"})

        assert page.headers["content-type"].startswith("text/html")
        assert "Another row already has this value" in page.text
        assert data.json()["status"] == 409

    def test_unknown(self, client):
        """A type that does not exist is not found."""
        assert problem_of(client.get("/problems/made-up"))["status"] == 404


class TestDocs:
    @pytest.mark.parametrize("prefix", ["", "/sub"])
    @pytest.mark.parametrize("root_path", ["", "/api"])
    @pytest.mark.parametrize(("docs", "redoc"), [("/docs", "/redoc"), ("/", "/a/b/")])
    def test_need_no_internet(self, prefix, root_path, docs, redoc):
        """Everything that /docs and /redoc load comes from the application, wherever it stands."""
        app = FastAPI(docs_url=docs, redoc_url=redoc)
        install(app)
        outer = app
        if prefix:
            outer = FastAPI()
            outer.mount(prefix, app)
        client = TestClient(outer, root_path=root_path)

        for page in (docs, redoc):
            html = client.get(f"{root_path}{prefix}{page}").text
            links = re.findall(r"""(?:(?:src|href|spec-url)="|url: ')([^"']+)""", html)
            assert len(links) >= 3
            for link in links:
                assert link.startswith(f"{root_path}{prefix}/")
                assert client.get(link).status_code == 200
            assert "://" not in html

    def test_the_logo_that_redocs_script_asks_for(self, client):
        """ReDoc's script loads its logo from below its page."""
        assert client.get("/redoc/logo-mini.svg").headers["content-type"].startswith("image/svg")

    def test_settings_are_kept(self):
        """What FastAPI's own pages take from the application, these take too."""
        app = FastAPI(
            title="Books", swagger_ui_parameters={"filter": True}, swagger_ui_init_oauth={"clientId": "c1"}
        )
        install(app)
        html = TestClient(app).get("/docs").text

        assert "Books - Swagger UI" in html
        assert '"filter": true' in html
        assert '"validatorUrl": null' in html
        assert "c1" in html
        assert "/docs/oauth2-redirect" in html

    def test_disabled_pages_stay_away(self):
        """An application without docs gets none, and no scripts either."""
        app = FastAPI(docs_url=None, redoc_url=None)
        install(app)

        for path in ("/docs", "/redoc", "/docs/swagger-ui.css"):
            assert TestClient(app).get(path).status_code == 404

    def test_own_pages_are_left_alone(self):
        """A page of the application's own at the same place is not replaced."""
        app = FastAPI(docs_url=None)
        install(app)
        app.get("/docs")(lambda: RedirectResponse("/elsewhere"))

        assert TestClient(app).get("/docs", follow_redirects=False).headers["location"] == "/elsewhere"

    def test_other_applications_keep_theirs(self, app):
        """Nothing of FastAPI itself is changed."""
        TestClient(app).get("/docs")

        assert "cdn.jsdelivr.net" in TestClient(FastAPI()).get("/docs").text

    def test_can_be_left_to_fastapi(self):
        """Who wants the CDN keeps it."""
        app = FastAPI()
        install(app, offline_docs=False)

        assert "cdn.jsdelivr.net" in TestClient(app).get("/docs").text


class TestSchema:
    def test_speaks_of_problems(self, app):
        """The schema says what the application answers."""
        answers = app.openapi()["paths"]["/items"]["post"]["responses"]

        assert answers["422"]["content"] == {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
        }
        assert "HTTPValidationError" not in app.openapi()["components"]["schemas"]

    def test_is_made_once(self, app):
        """The schema is kept until routes are added."""
        first = app.openapi()
        assert app.openapi() is first

        app.post("/more")(create)
        assert "/more" in app.openapi()["paths"]
        assert "HTTPValidationError" not in app.openapi()["components"]["schemas"]

    def test_own_function_is_kept(self):
        """An application that changes its schema itself still does."""
        app = FastAPI()
        build = app.openapi
        app.openapi = lambda: build() | {"x-own": 1}
        install(app)

        assert app.openapi()["x-own"] == 1
