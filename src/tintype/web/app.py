"""The ASGI application: image bytes go straight to `Delivery`, everything else through Litestar.

Around both: a request id, one log line, metrics. A line has the route and never the query, which may hold a token.
"""

import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import structlog
from litestar import Litestar, Request, Response, Router
from litestar.datastructures import State as AppState
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from litestar.routes import HTTPRoute

import tintype
from tintype.domain.errors import Code, FieldError, Problem
from tintype.telemetry.metrics import Metrics
from tintype.web.body import AFTER_ANSWER_KEY
from tintype.web.cors import PREFIX as API_PREFIX
from tintype.web.cors import Cors
from tintype.web.delivery import PREFIX, ROUTE, Delivery, refuse
from tintype.web.errors import problem_answer
from tintype.web.events import HEAD_KEY
from tintype.web.request_head import read_head
from tintype.web.request_tally import RequestTally
from tintype.web.security_headers import SecurityHeaders

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""What else may stand there is anybody's invention, and each would be a series of its own."""

REQUEST_ID_KEY: Final = "tintype_request_id"
CODE_KEY: Final = "tintype_code"
ALLOWED_KEY: Final = "tintype_allowed"
ADDED_KEY: Final = "tintype_added"
"""In the request's state: raw headers of the answer, whatever it will be; a handler may add to them."""

_CAUSE_CHARACTERS: Final = 300
"""Of what is logged of a cause: some quote what they stumbled over."""

_WRONG: Final = "Something went wrong on our side. Try again; the request id helps us to find it."


class Application:
    """The outermost ASGI application of an API process."""

    def __init__(
        self,
        litestar: Litestar,
        delivery: Delivery,
        metrics: Metrics,
        security: SecurityHeaders,
        cors: Cors,
        tally: RequestTally,
    ) -> None:
        self._litestar = litestar
        self._tally = tally
        self._delivery = delivery
        self._metrics = metrics
        self._security = security
        self._cors = cors
        self._log = structlog.get_logger("tintype.requests").bind()  # once: it costs as much as half a line

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or follow the process's lifespan."""
        if scope["type"] != "http":
            await self._litestar(scope, receive, send)  # type: ignore[arg-type]
            return
        started, (request_id, fault) = time.perf_counter(), read_head(scope)
        answer = _Answer(send, request_id, self._security, without_body=scope["method"] == "HEAD")
        if fault is not None:
            refused = await refuse(scope, answer, fault, request_id)
            self._account(scope, "other", answer.status, refused, started, request_id)
        elif scope["path"].startswith(PREFIX):
            code = await self._deliver(scope, answer, request_id)
            self._account(scope, ROUTE, answer.status, code, started, request_id)
        else:
            await self._call_litestar(scope, receive, answer, started, request_id)

    async def _deliver(self, scope: Scope, answer: "_Answer", request_id: str) -> str | None:
        try:
            return await self._delivery(scope, answer, request_id)
        except Exception:
            self._log.exception("request_failed", request_id=request_id, route=ROUTE)
            if answer.status is None:
                return await refuse(scope, answer, Problem(Code.INTERNAL, _WRONG), request_id)
            raise

    async def _call_litestar(
        self, scope: Scope, receive: Receive, answer: "_Answer", started: float, request_id: str
    ) -> None:
        if scope["path"].startswith(API_PREFIX):
            preflight = await self._cors.preflight(scope)
            if preflight is not None:
                await answer({"type": "http.response.start", "status": 204, "headers": preflight})
                await answer({"type": "http.response.body", "body": b""})
                self._account(scope, "preflight", answer.status, None, started, request_id)
                return
            answer.added = await self._cors.headers(scope)
        # HEAD is GET whose content stays here (RFC 9110 §9.3.2); the handlers need not know it.
        inner = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        state = inner.setdefault("state", {})
        state[REQUEST_ID_KEY] = request_id
        state[HEAD_KEY] = scope["method"] == "HEAD"
        state[ADDED_KEY] = answer.added
        if scope["method"] == "OPTIONS":  # Litestar's own answer names the methods of one handler alone
            answer.allowed = _methods_at(self._litestar, scope["path"])
        async with self._tally.request(scope):
            await self._litestar(inner, receive, answer)  # type: ignore[arg-type]
        route = inner.get("path_template") or "other"
        self._account(scope, route, answer.status, state.get(CODE_KEY), started, request_id)
        if AFTER_ANSWER_KEY in state:
            await state[AFTER_ANSWER_KEY]()

    def _account(
        self, scope: Scope, route: str, status: int | None, code: str | None, started: float, request_id: str
    ) -> None:
        seconds = time.perf_counter() - started
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.answered(route, method, status or 0, seconds)
        if code is not None:
            self._metrics.rejects.labels(code).inc()
        self._log.info(
            "request",
            request_id=request_id,
            method=method,
            route=route,
            status=status,
            code=code,
            milliseconds=round(seconds * 1000, 2),
        )


def make_litestar(routes: list[Router], on_startup: list[Any], on_shutdown: list[Any]) -> Litestar:
    """Return the Litestar application of `routes`."""
    return Litestar(
        route_handlers=routes,
        on_startup=on_startup,
        on_shutdown=on_shutdown,
        exception_handlers={Problem: _on_problem, HTTPException: _on_http_exception, Exception: _on_exception},
        openapi_config=OpenAPIConfig(
            title="Tintype",
            version=tintype.__version__,
            description="Upload, process and deliver images.",
            path="/openapi",
            components=Components(
                security_schemes={"bearer": SecurityScheme(type="http", scheme="bearer", description="An API key.")}
            ),
            security=[{}, {"bearer": []}],
        ),
        logging_config=None,
    )


class _Answer:
    """The server's `send`, with request id and security headers; knows the status that was sent."""

    __slots__ = ("_request_id", "_security", "_send", "_without_body", "added", "allowed", "status")

    def __init__(self, send: Send, request_id: str, security: SecurityHeaders, *, without_body: bool) -> None:
        self._send = send
        self._security = security
        self._request_id = request_id.encode()
        self._without_body = without_body
        self.status: int | None = None
        self.added: list[tuple[bytes, bytes]] = []
        """Headers beside those of whoever answers."""
        self.allowed = ""
        """What `Allow` says, where the framework would say something else."""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message["headers"], *self.added, (b"x-request-id", self._request_id)]
            message["headers"] = self._security.complete(message["status"], headers)
            if self.allowed:
                others = [(name, value) for name, value in message["headers"] if name.lower() != b"allow"]
                message["headers"] = [*others, (b"allow", self.allowed.encode())]
        elif self._without_body:
            message["body"] = b""
        await self._send(message)


def _on_problem(request: Request[Any, Any, AppState], problem: Problem) -> Response[bytes]:
    state = request.scope.get("state", {})
    state[CODE_KEY] = problem.code
    if problem.__cause__ is not None:
        structlog.get_logger("tintype.requests").warning(
            "problem_cause",
            request_id=state.get(REQUEST_ID_KEY),
            code=problem.code,
            cause=repr(problem.__cause__)[:_CAUSE_CHARACTERS],
        )
    status, headers, body = problem_answer(problem, state.get(REQUEST_ID_KEY, ""))
    if ALLOWED_KEY in state:
        headers["allow"] = state[ALLOWED_KEY]
    media_type = headers.pop("content-type")
    return Response(body, status_code=status, headers=headers, media_type=media_type)


def _on_http_exception(request: Request[Any, Any, AppState], error: HTTPException) -> Response[bytes]:
    return _on_problem(request, _as_problem(request, error))


def _methods_at(litestar: Litestar, path: str) -> str:
    """Return what is answered at a path, for `Allow` (RFC 9110 §10.2.1)."""
    found: dict[str, set[str]] = {}
    for known in litestar.routes:
        pattern = re.sub(r"\{[^}]*\}", "[^/]+", known.path_format)  # nothing else in our paths means anything to `re`
        if isinstance(known, HTTPRoute) and re.fullmatch(pattern, path):
            found.setdefault(known.path_format, set()).update(known.methods)
    # A path of fixed words is that alone, even where something with a parameter would fit it, too.
    methods = found[path] if path in found else set().union(*found.values())
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))


def _as_problem(request: Request[Any, Any, AppState], error: HTTPException) -> Problem:
    """Return our words for what the framework refused."""
    if error.status_code == 404:
        return Problem(Code.NOT_FOUND, "There is nothing at this address. /docs lists what there is.")
    if error.status_code == 405:
        request.scope["state"][ALLOWED_KEY] = _methods_at(request.app, request.scope["path"])
        return Problem(Code.METHOD_NOT_ALLOWED, f"{request.method[:20]} is not answered here. /docs lists what is.")
    if error.status_code == 413:
        return Problem(Code.REQUEST_TOO_LARGE, "The body is longer than anything that is expected here.")
    if error.status_code < 500:
        given = error.extra if isinstance(error.extra, list) else []
        fields = tuple(FieldError(_field_of(item), str(item.get("message", ""))) for item in given)
        if any(item.get("source") == "body" for item in given):  # it was read, and says something else
            return Problem(Code.REQUEST_INVALID, "The body is not what is expected here.", errors=fields)
        return Problem(Code.REQUEST_UNREADABLE, "The request cannot be read.", errors=fields)
    return Problem(Code.INTERNAL, _WRONG)


def _field_of(item: dict[str, Any]) -> str:
    """Return the field that the framework complains about; the body itself has no name but the handler's."""
    name = str(item.get("key", ""))
    return "" if item.get("source") == "body" and name == "data" else name


def _on_exception(request: Request[Any, Any, AppState], error: Exception) -> Response[bytes]:
    structlog.get_logger("tintype.requests").error(
        "request_failed", request_id=request.scope.get("state", {}).get(REQUEST_ID_KEY), exc_info=error
    )
    return _on_problem(
        request,
        Problem(Code.INTERNAL, _WRONG),
    )
