"""The audit log: who did what, from where, to what; nobody rewrites it, and nobody reads what is not theirs."""

import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import anyio
import httpx
import psycopg
import pytest

import samples
from command_line import tintype
from persons import key_of, person
from product import Product
from refusals import assert_problem
from tenants import another_tenant
from tintype.adapters.postgres_embedded import EmbeddedConfig, running_superuser_url
from tintype.audit_command import WantedEntries, show_audit
from tintype.db.audit import FAILURES_PER_HOUR, AuditFilter, audit_page, record, record_failure
from tintype.db.pool import Database, DatabaseConfig
from tintype.domain.audit import CONSOLE, NOBODY, Action, Entry, Noted, Requester, Result, noted_address

IMAGES: Final = "/api/v1/images"
AUDIT: Final = "/api/v1/audit"
TENANT: Final = 7


def entries(client: httpx.Client, path: str = AUDIT, **wanted: str) -> list[dict[str, Any]]:
    """Return what the log says, newest first."""
    answer = client.get(path, params={"limit": "100", **wanted})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


# What is done to an image


def test_every_change_of_an_image_is_told_with_who_made_it_and_from_where(product: Product) -> None:
    with person(product) as ann:
        image = ann.client.post(IMAGES, files={"file": ("a", samples.jpeg(seed=910))}).json()
        resource = f"{IMAGES}/{image['id']}"
        assert ann.client.patch(resource, json={"visibility": "private"}).status_code == 200
        assert ann.client.patch(resource, json={"title": "no entry"}).status_code == 200
        assert product.client.put(f"{resource}/hold").status_code == 204
        assert product.client.delete(f"{resource}/hold").status_code == 204
        assert ann.client.put(f"{resource}/content", files={"file": ("b", samples.jpeg(seed=911))}).status_code == 200
        assert ann.client.delete(resource).status_code == 204
        assert ann.client.post(f"{resource}/restore").status_code == 200
        assert ann.client.delete(f"{resource}?purge=true").status_code == 204
        told = entries(product.client, object=image["id"])
        actions = ("purged", "restored", "trashed", "replaced", "released", "held", "visibility_changed")
        assert [entry["action"] for entry in told] == [f"image.{action}" for action in actions]
        assert {entry["address"] for entry in told} == {"127.0.0.1"}
        assert {entry["object"] for entry in told} == {image["id"][:15]}  # without the half that opens it
        assert {entry["account"] for entry in told} == {ann.name}
        by = {entry["action"]: entry["actor"] for entry in told}
        assert by["image.purged"] == {"type": "account", "id": ann.name, "key": None}
        assert by["image.held"]["type"] == "key"
        detail = {entry["action"]: entry["detail"] for entry in told}
        assert detail["image.visibility_changed"] == {"before": "public", "after": "private"}
        assert detail["image.purged"] == {"cause": "request"}


def test_what_is_refused_or_changes_nothing_leaves_no_entry(product: Product) -> None:
    with person(product) as ann, person(product) as bob:
        image = ann.client.post(IMAGES, files={"file": ("a", samples.jpeg(seed=912))}).json()
        resource = f"{IMAGES}/{image['id']}"
        assert_problem(bob.client.delete(resource), 403, "auth.forbidden")
        assert ann.client.post(f"{resource}/restore").status_code == 200
        assert ann.client.patch(resource, json={"visibility": "public"}).status_code == 200
        assert entries(product.client, object=image["id"]) == []


def test_no_entry_holds_a_token_or_the_half_of_an_id_that_opens_an_image(product: Product) -> None:
    image = product.upload(samples.jpeg(seed=913), anonymous=True, visibility="private")
    token = {"upload-token": image["delete_token"]}
    assert product.stranger.delete(f"{IMAGES}/{image['id']}?purge=true", headers=token).status_code == 204
    (entry,) = entries(product.client, object=image["id"])
    assert entry["actor"] == {"type": "anonymous", "id": None, "key": None}
    written = json.dumps(product.query("SELECT to_jsonb(a) FROM audit_log a"), default=str)
    for secret in (image["id"][15:], image["delete_token"], image["read_token"], product.api_key):
        assert secret not in written


# Who may read


def test_the_log_is_the_operator_s_and_one_s_own_part_everybody_s(product: Product) -> None:
    with person(product) as ann, person(product) as bob, person(product, role="moderator") as moderator:
        image = ann.client.post(IMAGES, files={"file": ("a", samples.jpeg(seed=914))}).json()
        assert ann.client.delete(f"{IMAGES}/{image['id']}").status_code == 204
        for client in (ann.client, moderator.client):
            assert_problem(client.get(AUDIT), 403, "auth.forbidden")
        for path in (AUDIT, "/api/v1/account/audit"):
            assert_problem(product.stranger.get(path), 401, "auth.required")
        assert_problem(product.client.get("/api/v1/account/audit"), 403, "auth.forbidden")
        assert [entry["action"] for entry in entries(ann.client, "/api/v1/account/audit")] == ["image.trashed"]
        assert entries(bob.client, "/api/v1/account/audit") == []
        with person(product, role="operator") as operator:
            assert entries(operator.client, object=image["id"])
        with another_tenant(product) as theirs:
            assert entries(theirs) == []


def test_one_s_own_part_hides_who_of_the_staff_it_was_and_where_they_are(product: Product) -> None:
    with person(product) as ann, person(product, role="operator") as operator:
        image = ann.client.post(IMAGES, files={"file": ("a", samples.jpeg(seed=915))}).json()
        assert operator.client.delete(f"{IMAGES}/{image['id']}").status_code == 204
        (entry,) = entries(ann.client, "/api/v1/account/audit")
        assert (entry["action"], entry["address"]) == ("image.trashed", None)
        assert entry["actor"] == {"type": "staff", "id": None, "key": None}


def test_a_key_without_the_scope_reads_nothing(product: Product) -> None:
    with person(product, role="operator") as operator:
        for scope, path, status in (
            ("images:read", AUDIT, 403),
            ("images:read", "/api/v1/account/audit", 403),
            ("audit:read", AUDIT, 200),
            ("account", "/api/v1/account/audit", 200),
        ):
            headers = {"authorization": f"Bearer {key_of(product, operator.id, scope)}"}
            assert product.stranger.get(path, headers=headers).status_code == status, (scope, path)


# Reading


def test_a_list_goes_on_after_its_cursor_and_filters_by_actor_action_and_time(product: Product) -> None:
    with person(product) as ann:
        made = [ann.client.post(IMAGES, files={"file": ("a", samples.jpeg(seed=920 + n))}).json() for n in range(3)]
        for image in made:
            assert ann.client.delete(f"{IMAGES}/{image['id']}").status_code == 204
        first = product.client.get(AUDIT, params={"actor": ann.name, "limit": 2}).json()
        rest = product.client.get(AUDIT, params={"actor": ann.name, "limit": 2, "cursor": first["next"]}).json()
        told = [*first["items"], *rest["items"]]
        assert [entry["object"] for entry in told] == [image["id"][:15] for image in reversed(made)]
        assert rest["next"] is None
        assert entries(product.client, actor=ann.name, action="image.purged") == []
        middle = told[1]["at"]
        assert told[1]["id"] not in {entry["id"] for entry in entries(product.client, actor=ann.name, to=middle)}
        assert told[2]["id"] not in {
            entry["id"] for entry in entries(product.client, actor=ann.name, **{"from": middle})
        }


@pytest.mark.parametrize(
    "wrong",
    [{"cursor": "x"}, {"cursor": "z" * 11}, {"actor": "ann"}, {"actor": "acc_" + "z" * 11}, {"action": "a.b"},
     {"object": "\0"}, {"from": "yesterday"}, {"limit": "0"}, {"limit": "101"}, {"format": "csv"}],
)  # fmt: skip
def test_a_question_that_cannot_be_read_is_400(product: Product, wrong: dict[str, str]) -> None:
    assert_problem(product.client.get(AUDIT, params=wrong), 400, "request.unreadable")


def test_an_export_is_a_line_for_each_entry_and_is_itself_in_the_log(product: Product) -> None:
    with product.client.stream("GET", AUDIT, params={"format": "ndjson"}) as answer:
        assert answer.headers["content-type"].startswith("application/x-ndjson")
        assert answer.headers["cache-control"] == "no-store"
        told = [json.loads(line) for line in answer.iter_lines()]
    assert told[0]["action"] == "audit.exported"
    ((count,),) = product.query(
        "SELECT count(*) FROM audit_log a JOIN tenants t ON t.id = a.tenant AND slug = 'default'"
    )
    assert len(told) == count


def test_the_command_shows_the_log_and_exports_it(product: Product) -> None:
    image = product.upload(samples.jpeg(seed=930))
    assert product.client.delete(f"{IMAGES}/{image['id']}").status_code == 204
    shown = tintype("audit", "--data", str(product.data), "--object", image["id"])
    assert shown.returncode == 0, shown.stderr
    assert "image.trashed" in shown.stdout
    assert image["id"][15:] not in shown.stdout
    exported = tintype("audit", "--data", str(product.data), "--json", "--limit", "1", "--action", "image.trashed")
    assert json.loads(exported.stdout)["object"] == image["id"][:15]


@pytest.mark.parametrize("wrong", [WantedEntries(action="a.b"), WantedEntries(since="yesterday")])
def test_the_command_names_what_it_cannot_read(wrong: WantedEntries) -> None:
    said: list[str] = []
    assert show_audit("never asked", wrong, said.append, said.append) == 2
    assert any(word in said[0] for word in ("image.purged", "2026-11-20"))


# The table


@pytest.fixture(scope="module")
def url(product: Product) -> str:
    """Return the product's own database, with another tenant, 7."""
    product.query("INSERT INTO tenants (id, slug) VALUES (%s, 'seven')", TENANT)
    found = running_superuser_url(EmbeddedConfig(data=product.data))
    assert found is not None
    return found


def in_tenant(url: str, story: Any) -> Any:  # noqa: ANN401 -- whatever the story returns
    """Return what the story does in a transaction of the tenant, as the application's role."""

    async def run() -> Any:  # noqa: ANN401 -- likewise
        database = Database(DatabaseConfig(url))
        await database.open()
        try:
            async with database.transaction(TENANT) as connection:
                return await story(connection)
        finally:
            await database.close()

    return anyio.run(run)


ENTRY: Final = Entry(action=Action.SIGNED_IN, by=Requester(address="192.0.2.1"), account=5)


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit_log SET detail = '{}'", "DELETE FROM audit_log", "TRUNCATE audit_log", "DROP TABLE audit_log"],
)
def test_the_application_can_neither_change_nor_remove_an_entry(url: str, statement: str) -> None:
    async def story(connection: Any) -> None:  # noqa: ANN401 -- a connection
        await record(connection, ENTRY)
        await connection.execute(statement)

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        in_tenant(url, story)


def test_forgetting_is_for_what_is_old_and_never_reaches_the_last_month(url: str) -> None:
    old = datetime.now(UTC) - timedelta(days=100)
    with psycopg.connect(url) as connection:
        connection.execute(
            """INSERT INTO tintype.audit_log (tenant, id, at, action, result, via)
               SELECT 7, tintype.audit_id(%s) + n, %s, 'session.created', 'done', 'api'
               FROM generate_series(1, 3) AS n""",
            [old, old],
        )

    async def forget(connection: Any, before: datetime) -> int:  # noqa: ANN401 -- a connection
        cursor = await connection.execute("SELECT forget_audit_entries(%s, 2)", [before])
        return int((await cursor.fetchone())[0])

    before = datetime.now(UTC) - timedelta(days=60)
    counts = [in_tenant(url, lambda connection: forget(connection, before)) for _ in range(3)]
    assert counts == [2, 1, 0]
    with pytest.raises(psycopg.errors.CheckViolation):
        in_tenant(url, lambda connection: forget(connection, datetime.now(UTC) - timedelta(days=29)))


def test_an_entry_goes_with_its_transaction(url: str) -> None:
    mark = f"ses_{secrets.token_hex(4)}"

    async def rolled_back(connection: Any) -> None:  # noqa: ANN401 -- a connection
        await record(connection, Entry(action=Action.SIGNED_OUT, by=NOBODY, object=mark))
        raise RuntimeError("after the entry")

    with pytest.raises(RuntimeError):
        in_tenant(url, rolled_back)
    assert in_tenant(url, lambda c: audit_page(c, AuditFilter(object=mark), before=1 << 62, limit=9)) == ()


def test_ten_thousand_guesses_fill_no_disk_and_the_log_says_where_it_stopped(url: str) -> None:
    guess = Entry(action=Action.SIGN_IN_FAILED, by=Requester(address="198.51.100.9"), account=99, result=Result.REFUSED)

    async def guesses(connection: Any) -> None:  # noqa: ANN401 -- a connection
        for _ in range(3 * FAILURES_PER_HOUR):
            await record_failure(connection, guess)

    in_tenant(url, guesses)
    found = in_tenant(url, lambda c: audit_page(c, AuditFilter(account=99), before=1 << 62, limit=1_000))
    assert len(found) == FAILURES_PER_HOUR
    assert found[0].detail == {"rest_of_the_hour": "not recorded"}


def test_what_is_done_at_the_machine_or_at_its_time_says_so(url: str) -> None:
    async def story(connection: Any) -> Any:  # noqa: ANN401 -- a connection
        for by in (CONSOLE, NOBODY):
            await record(connection, Entry(action=Action.TENANT_CREATED, by=by))
        return await audit_page(connection, AuditFilter(action=Action.TENANT_CREATED), before=1 << 62, limit=9)

    assert [row.via for row in in_tenant(url, story)] == ["system", "command"]


def test_as_much_of_an_address_is_written_down_as_the_settings_say() -> None:
    assert noted_address("192.0.2.77", Noted.FULL) == "192.0.2.77"
    assert noted_address("192.0.2.77", Noted.NETWORK) == "192.0.2.0/24"
    assert noted_address("2001:db8:1:2::3", Noted.NETWORK) == "2001:db8:1::/48"
    assert noted_address("192.0.2.77", Noted.NOTHING) is None
    assert noted_address("", Noted.FULL) is None
