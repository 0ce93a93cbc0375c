"""The OpenAPI document is true: schemathesis sends what it allows and what it does not, and holds the answers to it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

import samples
from product import Product

TESTS: Final = Path(__file__).resolve().parents[1]
SECONDS: Final = 90
"""What takes longer hangs; 10 is usual."""

EXAMPLES: Final = 12
"""For each operation, beside one for every value that its parameters may not have."""

FEW: Final = 4

IMAGES: Final = 30
"""Of several visibilities; some are deleted on the way."""

CHECKS: Final = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"),
    *("response_headers_conformance", "allow_header_conformance", "unsupported_method", "missing_required_header"),
)


def images(product: Product) -> list[str]:
    kinds = ("public", "private", "unlisted")
    data = samples.jpeg(16, 12, seed=90)
    return [product.upload(data, visibility=kinds[number % len(kinds)])["id"] for number in range(IMAGES)]


def schemathesis(
    product: Product, directory: Path, *arguments: str, document: str = "", examples: int = FEW
) -> subprocess.CompletedProcess[str]:
    where = [document, "--url", product.base_url] if document else [f"{product.base_url}/openapi.json"]
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", *where]
    limits = ["--max-examples", str(examples), "--seed", "1", "--max-redirects", "0"]
    kept = ["--generation-database", "none", "--no-color", "--no-shrink", "--warnings", "off", "--continue-on-failure"]
    environment = {
        **os.environ,
        "PYTHONPATH": str(TESTS),
        "SCHEMATHESIS_HOOKS": "openapi_hooks",
        "TINTYPE_IMAGES": ",".join(images(product)),
    }
    return subprocess.run(
        [*command, *limits, *kept, "--phases", "examples,coverage,fuzzing", "--checks", ",".join(CHECKS), *arguments],
        env=environment,
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.mark.parametrize("known", [True, False], ids=["with a key", "as a stranger"])
def test_every_answer_is_one_that_the_document_declares(product: Product, known: bool, tmp_path: Path) -> None:  # noqa: FBT001 -- a parameter of the test
    key = ["--header", f"Authorization: Bearer {product.api_key}"] if known else []
    done = schemathesis(product, tmp_path, *key, examples=EXAMPLES if known else FEW)
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]
    assert product.stranger.get("/readyz").status_code == 200
    for status in ("200", "201" if known else "404", "302", "404", "422"):
        assert product.metric("tintype_requests_total", status=status) > 0, f"nothing was answered {status}"


def test_a_document_that_leaves_an_answer_out_is_found_out(product: Product, tmp_path: Path) -> None:
    document = product.stranger.get("/openapi.json").json()
    del document["paths"]["/api/v1/images/{image_id}"]["get"]["responses"]["404"]
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    done = schemathesis(product, tmp_path, "--include-operation-id", "getImage", document="openapi.json")
    assert done.returncode == 1
    assert "Undocumented" in done.stdout
    assert "404" in done.stdout


def test_every_operation_is_described_and_names_its_refusals(product: Product) -> None:
    paths: dict[str, dict[str, dict[str, Any]]] = product.stranger.get("/openapi.json").json()["paths"]
    operations = [(path, method, said) for path, methods in paths.items() for method, said in methods.items()]
    assert len(operations) >= 7
    for path, method, said in operations:
        assert said["summary"], (method, path)
        if path.startswith("/api/"):
            assert "400" in said["responses"], (method, path)
            problems = [answer for status, answer in said["responses"].items() if status >= "400"]
            assert all(list(answer["content"]) == ["application/problem+json"] for answer in problems), (method, path)
