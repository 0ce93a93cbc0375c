"""What passes is tried again after a wait; what does not is raised at once, as what its code says."""

import pytest

from memory_driver import MemoryDriver, answered, api, problem, scripted
from tintype_client import errors
from tintype_client.core.api import persist
from tintype_client.core.effects import Broken, Request, Response
from tintype_client.core.retries import RetryPolicy, retry_after

GET = Request("GET", "https://images.example.org/api/v1/images?token=secret")


def test_a_broken_connection_is_tried_again_with_waits_that_double() -> None:
    driver = MemoryDriver(scripted(Broken, Broken, Broken, answered(200)))
    assert driver.run(persist(GET, api().retries)).status == 200
    assert driver.pauses == [0.5, 1.0, 2.0]


def test_whoever_never_answers_is_given_up_and_named_without_the_query() -> None:
    driver = MemoryDriver(scripted(Broken, Broken, Broken))
    with pytest.raises(errors.ConnectionFailed, match=r"^https://images\.example\.org did not answer: reset by peer"):
        driver.run(persist(GET, api(attempts=3).retries))


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_waited_for_even_when_the_usual_wait_is_shorter(status: int) -> None:
    driver = MemoryDriver(scripted(problem(status, "unavailable", retry_after="7"), answered(204)))
    driver.run(persist(GET, api(first_wait=0.25).retries))
    assert driver.pauses == [7.25]


def test_a_wait_that_is_too_long_is_raised_with_its_length() -> None:
    driver = MemoryDriver(scripted(problem(429, "rate_limited", retry_after="3600")))
    with pytest.raises(errors.RateLimited) as refused:
        driver.run(persist(GET, api().retries))
    assert refused.value.retry_after == 3600
    assert driver.pauses == []


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (401, "auth.required", errors.AuthenticationError),
        (403, "auth.forbidden", errors.PermissionDenied),
        (403, "quota.exceeded", errors.QuotaExceeded),
        (404, "not_found", errors.NotFound),
        (409, "conflict", errors.Conflict),
        (409, "idempotency.mismatch", errors.IdempotencyMismatch),
        (410, "image.gone", errors.Gone),
        (410, "upload.expired", errors.UploadExpired),
        (412, "precondition_failed", errors.PreconditionFailed),
        (413, "image.too_large", errors.ImageTooLarge),
        (415, "image.unsupported_format", errors.UnsupportedFormat),
        (422, "image.too_many_pixels", errors.ImageMalformed),
        (422, "a.code.of.tomorrow", errors.InvalidRequest),
        (507, "storage.full", errors.StorageFull),
        (418, "teapot", errors.ApiError),
    ],
)
def test_a_refusal_is_raised_at_once_as_what_its_code_says(
    status: int, code: str, expected: type[errors.ApiError]
) -> None:
    driver = MemoryDriver(scripted(problem(status, code)))
    with pytest.raises(errors.ApiError) as refused:
        driver.run(persist(GET, api().retries))
    assert type(refused.value) is expected
    assert (refused.value.status, refused.value.code) == (status, code)


def test_bad_fields_are_named_in_the_exception_and_its_text() -> None:
    told = {"code": "request.invalid", "detail": "No.", "errors": [{"field": "kind", "message": "There is none."}]}
    with pytest.raises(errors.InvalidRequest, match="kind: There is none") as refused:
        MemoryDriver(scripted(answered(422, told))).run(persist(GET, api().retries))
    assert refused.value.errors == (("kind", "There is none."),)


@pytest.mark.parametrize("code", ["BadDigest", "RequestTimeout"])
def test_bytes_that_storage_found_damaged_are_sent_again(code: str) -> None:
    xml = f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>".encode()
    answers = scripted(Response(400, {}, xml), answered(200))
    assert MemoryDriver(answers).run(persist(GET, api().retries)).status == 200


def test_retry_after_may_be_a_time_by_the_servers_own_clock() -> None:
    headers = {"retry-after": "Fri, 20 Nov 2026 12:00:30 GMT", "date": "Fri, 20 Nov 2026 12:00:00 GMT"}
    assert retry_after(headers) == 30
    assert retry_after({"retry-after": "Fri, 20 Nov 2026 12:00:30 GMT"}) is None
    assert retry_after({"retry-after": "soon"}) is None


def test_whoever_asks_is_told_of_each_attempt_that_failed_and_may_end_it() -> None:
    told: list[tuple[str, float]] = []
    policy = RetryPolicy(draw=lambda: 1.0, on_retry=lambda error, seconds: told.append((str(error), seconds)))
    MemoryDriver(scripted(Broken, problem(503, "unavailable"), answered(200))).run(persist(GET, policy))
    assert told == [
        ("https://images.example.org did not answer: reset by peer.", 0.5),
        ("It is unavailable. (unavailable)", 1.0),
    ]
    impatient = RetryPolicy(on_retry=lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        MemoryDriver(scripted(Broken)).run(persist(GET, impatient))


def test_waits_are_spread_and_bounded() -> None:
    policy = RetryPolicy(attempts=20, draw=lambda: 0.0)
    assert policy.wait_before(2, None) == 0.25
    assert policy.wait_before(20, None) == 10
    assert policy.wait_before(21, None) is None
