"""What operators see of the upkeep: metrics, and the doctor."""

import re
from collections.abc import Iterator

import pytest

import samples
from command_line import tintype
from product import Product, own_product
from tintype.diagnosis.chosen import chosen_settings
from tintype.settings import load_settings


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with own_product() as running:
        yield running


def findings(product: Product) -> dict[str, tuple[str, str]]:
    examined = tintype("doctor", "--data", str(product.data)).stdout
    return {
        name: (mark, said) for mark, name, said in re.findall(r"^(ok|BAD) +([\w ]+): (.*)$", examined, re.MULTILINE)
    }


def test_metrics_and_doctor_tell_of_the_last_runs_and_of_what_they_found(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(320, 240, seed=95)))
    before = findings(product)
    assert before["gc"][0] == "ok"
    assert "last done never, due" in before["gc"][1]
    (path,) = (product.data / name for name in product.files("blobs") if "/original/" in name)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert tintype("gc", "--data", str(product.data)).returncode == 0
    assert tintype("verify", "--data", str(product.data)).returncode == 1
    assert product.metric("tintype_violations", invariant="I13") == 1
    assert product.metric("tintype_violations", invariant="I1") == 0
    assert product.metric("tintype_task_succeeded_timestamp_seconds", task="gc") > 1_700_000_000
    assert product.metric("tintype_task_failed", task="gc") == 0
    assert product.metric("tintype_garbage_found", sort="file_without_row") == 0
    after = findings(product)
    assert after["gc"][0] == "ok"
    assert "0 removed or mended" in after["gc"][1]
    assert after["verify"][0] == "BAD"
    assert "violations: 1 of I13" in after["verify"][1]
    assert "docs/operations.md" in after["verify"][1]
    path.write_bytes(content)
    assert product.client.get(image["url"]).status_code == 200


def test_the_doctor_sees_that_nobody_runs_what_is_due(product: Product) -> None:
    product.query(
        "INSERT INTO periodic_tasks (name, schedule, due_at) VALUES ('orphan', '* * * * *', now() - interval '1 hour')"
    )
    mark, said = findings(product)["orphan"]
    product.query("DELETE FROM periodic_tasks WHERE name = 'orphan'")
    assert mark == "BAD"
    assert "start one" in said


def test_the_doctor_looks_at_limits_and_settings(product: Product) -> None:
    found = findings(product)
    assert {"settings", "public address", "rate limits", "schedule", "files", "memory", "connections"} <= set(found)
    assert "data = " in found["settings"][1]


@pytest.mark.parametrize(
    ("environment", "subject", "words"),
    [
        ({"TINTYPE_HOST": "192.0.2.1"}, "public address", "TINTYPE_PUBLIC_URL"),
        (
            {"TINTYPE_RATE_LIMITS": "off", "TINTYPE_PUBLIC_URL": "https://a.example"},
            "rate limits",
            "TINTYPE_RATE_LIMITS=on",
        ),
        ({"TINTYPE_SCHEDULE__VERIFY": "off"}, "schedule", "off: verify"),
    ],
)
def test_a_setting_that_surprises_people_is_named_with_what_to_do(
    environment: dict[str, str], subject: str, words: str
) -> None:
    settings = load_settings(file=None, environment=environment, flags={})
    (finding,) = (finding for finding in chosen_settings(settings) if finding.subject == subject)
    assert not finding.ok
    assert words in str(finding)


def test_the_doctor_says_that_a_secret_is_set_and_not_what_it_is() -> None:
    environment = {"TINTYPE_DATABASE_URL": "postgresql://u:hush@db/x", "TINTYPE_SECRET_KEY": "hush" * 10}
    settings = load_settings(file=None, environment=environment, flags={"port": 9000})
    said = " ".join(map(str, chosen_settings(settings)))
    assert "database_url is set" in said
    assert "secret_key is set" in said
    assert "port = 9000" in said
    assert "hush" not in said
