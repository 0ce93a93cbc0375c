"""The only place that knows which HTTP status a problem has (RFC 9457)."""

import json
from typing import Any, Final

from tintype.domain.errors import Kind, Problem
from tintype.web.rate_limit_fields import rate_limit_headers

STATUS: Final = {
    Kind.UNREADABLE: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.METHOD_NOT_ALLOWED: 405,
    Kind.TIMEOUT: 408,
    Kind.CONFLICT: 409,
    Kind.GONE: 410,
    Kind.PRECONDITION_FAILED: 412,
    Kind.TOO_LARGE: 413,
    Kind.UNSUPPORTED_FORMAT: 415,
    Kind.UNSATISFIABLE: 416,
    Kind.INVALID: 422,
    Kind.RATE_LIMITED: 429,
    Kind.CHECKSUM_MISMATCH: 460,  # of tus alone: no HTTP status says it
    Kind.INTERNAL: 500,
    Kind.NOT_IMPLEMENTED: 501,
    Kind.UNAVAILABLE: 503,
    Kind.STORAGE_FULL: 507,
}

MEDIA_TYPE: Final = "application/problem+json"

RawHeaders = list[tuple[bytes, bytes]]


def status_of(problem: Problem) -> int:
    """Return the HTTP status of the problem."""
    return STATUS[problem.kind]


def problem_document(problem: Problem, request_id: str) -> dict[str, Any]:
    """Return the body of the answer, as JSON values."""
    document: dict[str, Any] = {
        "type": f"/docs#{problem.code}",
        "title": problem.code.summary,
        "status": status_of(problem),
        "detail": problem.detail,
        "code": str(problem.code),
        "request_id": request_id,
    }
    if problem.errors:
        document["errors"] = [{"field": error.field, "message": error.message} for error in problem.errors]
    return document


def problem_answer(problem: Problem, request_id: str) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of the answer. An error is never cached for longer than a few seconds."""
    body = json.dumps(problem_document(problem, request_id), ensure_ascii=False).encode()
    headers = {"content-type": MEDIA_TYPE, "cache-control": "no-store", "content-length": str(len(body))}
    if problem.retry_after is not None:
        headers["retry-after"] = str(problem.retry_after)
    headers |= rate_limit_headers(problem.standings)
    if problem.code.kind is Kind.UNAUTHENTICATED:
        headers["www-authenticate"] = "Bearer"
    return status_of(problem), headers, body
