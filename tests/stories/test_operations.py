"""What operators see of a running server: health, metrics, the document of the API, log lines, the command line."""

import re
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest

import samples
from authorisation_matrix import documented_routes
from command_line import tintype
from product import Product, eventually, own_product
from refusals import assert_problem

IMAGES: Final = "/api/v1/images"

ROUTES: Final = documented_routes()
"""What this version answers and clients may rely on: what the authorisation matrix declares of the API."""

UNDOCUMENTED: Final = {"/i/{image}/{preset}", "/", "/docs", "/p/{image_id}", "/oembed"}
"""What people and programs ask for that are no clients of the API."""

METRICS: Final = {
    "tintype_requests_total": {"route", "method", "status"},
    "tintype_request_seconds_count": {"route"},
    "tintype_upload_bytes_total": set(),
    "tintype_rejects_total": {"code"},
    "tintype_jobs_total": {"task", "outcome"},
    "tintype_render_seconds_count": set(),
    "tintype_queue_depth": set(),
    "tintype_queue_age_seconds": set(),
    "tintype_dead_jobs": set(),
    "tintype_resident_memory_bytes": {"pid", "role"},
}
"""Each metric that dashboards may rely on, and its labels."""


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with own_product() as running:
        yield running


@pytest.fixture(scope="module")
def image(product: Product) -> dict[str, Any]:
    """Give an image after the server has answered every sort of request about it."""
    image = product.upload(samples.jpeg(seed=120), anonymous=True, visibility="private", title="Not for logs")
    product.settled(image)
    for client in (product.stranger, product.client):
        client.get(f"{IMAGES}/{image['id']}", params={"token": image["read_token"], "size": "thumb"})
        client.get(f"/i/{image['id']}/thumb", params={"token": image["read_token"]})
        client.get(f"/i/{image['id']}/thumb", params={"token": "ttr_wrong"})
        client.get(f"/nothing/{image['id']}")
        client.request("BREW", f"{IMAGES}/{image['id']}")
    product.stranger.post(IMAGES, content=b"no image", params={"title": "Not for logs"})
    product.stranger.get(image["url"], headers={"authorization": f"Bearer {product.api_key[:-1]}"})
    product.stranger.delete(f"{IMAGES}/{image['id']}?purge=true", headers={"upload-token": image["delete_token"]})
    return image


def test_a_process_that_runs_is_healthy_and_with_all_it_needs_ready(product: Product) -> None:
    assert product.stranger.get("/healthz").text == "ok"
    ready = product.stranger.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"database": "ok", "blobs": "ok"})
    assert ready.headers["cache-control"] == "no-store"


# Metrics


def samples_of(product: Product) -> Iterator[tuple[str, dict[str, str]]]:
    answer = product.stranger.get("/metrics")
    assert re.fullmatch(r"text/plain; version=0\.0\.4; charset=utf-8", answer.headers["content-type"])
    for line in answer.text.splitlines():
        if not line.startswith("#"):
            found = re.fullmatch(r"(\w+)(?:\{(.*)\})? [-+.\de]+", line)
            assert found is not None, line
            yield found[1], dict(re.findall(r'(\w+)="([^"]*)"', found[2] or ""))


def test_every_promised_metric_is_there_with_its_labels(product: Product, image: dict[str, Any]) -> None:
    assert image
    found: dict[str, set[str]] = {}
    for name, labels in samples_of(product):
        found.setdefault(name, set(labels))
    assert {name: found.get(name) for name in METRICS} == METRICS


def test_metrics_are_told_by_route_and_never_by_what_clients_write(product: Product, image: dict[str, Any]) -> None:
    assert image
    for _, labels in samples_of(product):
        assert labels.get("route", "other") in {
            *ROUTES,
            "other",
            "/i/{image}/{preset}",
            "/",
            "/docs",
            "/p/{image_id}",
            "/oembed",
        }
        assert labels.get("method", "other") in {"GET", "HEAD", "POST", "DELETE", "other"}


def test_a_metric_counts_what_happens(product: Product) -> None:
    data = samples.jpeg(seed=121)
    counted = {
        "tintype_requests_total": {"route": IMAGES, "method": "POST", "status": "201"},
        "tintype_jobs_total": {"task": "process_image", "outcome": "done"},
        "tintype_render_seconds_count": {},
        "tintype_upload_bytes_total": {},
    }
    before = {name: product.metric(name, **labels) for name, labels in counted.items()}
    product.settled(product.client.post(IMAGES, content=data).json())
    assert eventually(lambda: product.metric("tintype_jobs_total", outcome="done") > before["tintype_jobs_total"])
    grown = {name: product.metric(name, **labels) - before[name] for name, labels in counted.items()}
    assert grown == {name: len(data) if name == "tintype_upload_bytes_total" else 1 for name in counted}


def test_refusals_are_counted_by_code(product: Product) -> None:
    before = product.metric("tintype_rejects_total", code="upload.empty")
    product.stranger.post(IMAGES, content=b"")
    assert product.metric("tintype_rejects_total", code="upload.empty") == before + 1


# The document of the API


@pytest.fixture(scope="module")
def document(product: Product) -> dict[str, Any]:
    return dict(product.stranger.get("/openapi.json").json())


def test_the_document_is_openapi_3_1_and_has_every_route_that_is_answered(document: dict[str, Any]) -> None:
    assert re.fullmatch(r"3\.1\.\d", document["openapi"])
    assert {"title", "version"} <= set(document["info"])
    assert {path: set(item) for path, item in document["paths"].items()} == ROUTES


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for operation in item.values():
            yield path, operation


def test_every_operation_says_what_it_answers_and_takes(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, operation in operations(document)]
    assert len(set(ids)) == len(ids)
    for path, operation in operations(document):
        assert operation["summary"]
        assert any(status[0] in "23" for status in operation["responses"])  # a sign-in elsewhere is a redirect
        for status, response in operation["responses"].items():
            assert re.fullmatch(r"[2-5]\d\d", status)
            assert response["description"]
            if status >= "400" and path.startswith("/api/"):
                assert set(response["content"]) == {"application/problem+json"}
        named = {each["name"] for each in operation.get("parameters", []) if each["in"] == "path"}
        assert named == set(re.findall(r"\{(\w+)\}", path))


def test_every_reference_of_the_document_leads_somewhere(document: dict[str, Any]) -> None:
    references = list(references_in(document))
    assert references
    for reference in references:
        target: Any = document
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]
        assert target


def references_in(value: Any) -> Iterator[str]:  # noqa: ANN401 -- JSON has no type yet
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        yield from references_in(child)
    if isinstance(value, dict) and isinstance(value.get("$ref"), str):
        yield value["$ref"]


def test_an_answer_has_exactly_the_keys_that_the_document_says(product: Product, document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    image = product.upload(samples.jpeg(seed=122), anonymous=True, visibility="private")
    variants = product.client.get(f"{IMAGES}/{image['id']}/variants").json()["items"]
    problem = product.stranger.get("/nothing").json()
    for name, shown in {"ImageJson": image, "VariantJson": variants[0], "ProblemJson": problem}.items():
        assert set(schemas[name]["required"]) <= set(shown) <= set(schemas[name]["properties"])


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_runs_only_what_comes_with_it(product: Product, path: str) -> None:
    headers = product.stranger.get(path).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert (policy["default-src"], policy["script-src"], policy["frame-ancestors"]) == ("'none'", "'self'", "'none'")
    assert headers["x-content-type-options"] == "nosniff"


# Log lines


def logged(product: Product, request_id: str) -> list[dict[str, Any]]:
    return [line for line in product.log_lines() if line.get("request_id") == request_id]


def test_a_request_is_one_json_line_with_its_id(product: Product) -> None:
    product.stranger.get("/healthz", headers={"x-request-id": "log-line-1"})
    assert eventually(lambda: logged(product, "log-line-1") != [])
    lines = logged(product, "log-line-1")
    assert len(lines) == 1
    assert {key: lines[0][key] for key in ("event", "level", "method", "route", "status")} == {
        "event": "request",
        "level": "info",
        "method": "GET",
        "route": "/healthz",
        "status": 200,
    }
    assert lines[0]["milliseconds"] > 0
    assert lines[0]["timestamp"].endswith("Z")


def test_no_log_holds_a_secret_a_query_or_what_people_write(product: Product, image: dict[str, Any]) -> None:
    written = product.log.read_text() + (product.data / "postgres.log").read_text()
    assert '"/i/{image}/{preset}"' in written
    secrets = [image["delete_token"], image["read_token"], product.api_key]
    for secret in (*secrets, *(token[15:] for token in secrets), image["id"], "token=", "Bearer", "Not for logs"):
        assert secret not in written
    for line in product.log_lines():
        assert set(line) & {"headers", "query", "url", "path", "body"} == set()


# The command line


def test_a_key_made_by_the_command_line_opens_the_door(product: Product) -> None:
    made = tintype("key", "create", "--data", str(product.data), "--name", "another")
    assert (made.returncode, made.stderr) == (0, "")
    key = made.stdout.strip()
    assert re.fullmatch(r"ttk_[0-9A-Za-z]{33}", key)
    with httpx.Client(base_url=product.base_url, headers={"authorization": f"Bearer {key}"}) as client:
        image = product.upload(samples.jpeg(seed=123), visibility="private")
        assert client.get(f"{IMAGES}/{image['id']}").status_code == 200
        answer = client.post(IMAGES, content=samples.jpeg(seed=124))
        assert "delete_token" not in answer.json()
    product.query("UPDATE api_keys SET revoked_at = now() WHERE name = 'another'")
    answer = product.stranger.get(f"{IMAGES}/{image['id']}", headers={"authorization": f"Bearer {key}"})
    assert_problem(answer, 401, "auth.required")


def test_a_key_for_nobody_is_refused_with_a_sentence(product: Product) -> None:
    made = tintype("key", "create", "--data", str(product.data), "--tenant", "nobody")
    assert (made.returncode, made.stdout) == (1, "")
    assert "no tenant 'nobody'" in made.stderr


def test_the_doctor_finds_nothing_wrong_and_shows_what_confines_the_decoders(product: Product) -> None:
    examined = tintype("doctor", "--data", str(product.data))
    assert examined.returncode == 0, examined.stdout + examined.stderr
    findings = dict(re.findall(r"^ok   (\w+): (.*)$", examined.stdout, re.MULTILINE))
    assert {
        "python",
        "disk",
        "blobs",
        "libvips",
        "sandbox",
        "database",
        "durability",
        "schema",
        "clock",
        "jobs",
    } <= set(findings)
    assert "Landlock" in findings["sandbox"]
    assert "seccomp on" in findings["sandbox"]
