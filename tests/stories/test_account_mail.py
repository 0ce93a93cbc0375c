"""What mails carry: an address is confirmed, a password is chosen anew; the first operator is made by a link."""

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from email import message_from_bytes
from email.policy import default
from typing import Final

import anyio
import anyio.to_thread
import httpx
import psycopg
import psycopg.sql
import pytest

import people
from command_line import tintype
from people import PASSWORD
from postgres import passable_directory
from product import Product, eventually, start_product
from refusals import assert_problem
from tintype.adapters.postgres_embedded import EmbeddedConfig, running_superuser_url
from tintype.db.attempt_limits import AttemptLimits
from tintype.db.clock import DatabaseClock
from tintype.db.pool import Database, DatabaseConfig
from tintype.domain.account import Account
from tintype.domain.attempt_limits import ADDRESS, NAME, sign_in_charges
from tintype.domain.errors import Code, Problem
from tintype.domain.ids import ACCOUNT_PREFIX, bucket_of, hash_bucket, parse_public_id
from tintype.domain.rate_limit import Charge
from tintype.ports.mailer import Mail
from tintype.ports.password_hasher import Checked
from tintype.usecases.send_mail import SendMail
from tintype.usecases.sign_in import SignIn, SignInAttempt

API: Final = "/api/v1"
ANOTHER: Final = "lanterns argue about geometry"
MAIL_SECONDS: Final = 15.0
GUESSES: Final = 10_000
RESET_ASKED: Final = "account.password_reset_asked"


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    """Give a product that counts attempts; every test comes from an address of its own."""
    settings = {"TINTYPE_RATE_LIMITS": "on", "TINTYPE_TRUSTED_PROXIES": "127.0.0.1"}
    with (
        passable_directory() as directory,
        start_product(directory / "data", environment=settings) as running,
    ):
        yield running


@pytest.fixture(autouse=True)
def place(product: Product, request: pytest.FixtureRequest) -> None:
    """Come from somewhere else than the other tests: attempts are counted by address."""
    number = sum(map(ord, request.node.name)) % 60_000
    address = f"10.9.{number // 250}.{number % 250 + 1}"
    product.stranger.headers["x-forwarded-for"] = address


def mails(product: Product, to: str, kind: str = "") -> list[str]:
    """Return the texts of the mails to this address, the oldest first."""
    files = sorted((product.data / "mail").glob(f"{kind}*.eml"), key=lambda file: file.stat().st_mtime_ns)
    messages = [message_from_bytes(file.read_bytes(), policy=default) for file in files]
    return [str(message.get_content()) for message in messages if message["to"] == to]


def token_in(product: Product, to: str, kind: str, number: int = 0) -> str:
    """Return the token in such a mail, once it is there."""
    assert eventually(lambda: len(mails(product, to, kind)) > number, within=MAIL_SECONDS), (to, kind)
    found = re.search(r"#(tt\w+)", mails(product, to, kind)[number])
    assert found
    return found[1]


def account_of(person: people.Person) -> str:
    return str(person.client.get(f"{API}/account").json()["id"])


def reset(product: Product, **fields: str) -> httpx.Response:
    return product.stranger.post(f"{API}/account/password-reset", json=fields)


def test_an_address_is_confirmed_by_the_link_that_it_was_sent_and_the_link_works_once(product: Product) -> None:
    person = people.signed_up(product, "verifier")
    assert person.client.get(f"{API}/account").json()["email_verified"] is False
    token = token_in(product, person.email, "verify_email")
    address = f"{API}/account/verify-email"
    guessed = token[:-1] + ("0" if token[-1] != "0" else "1")
    assert_problem(product.stranger.post(address, json={"token": guessed}), 422, "auth.link_invalid")
    assert product.stranger.post(address, json={"token": token}).status_code == 204
    assert person.client.get(f"{API}/account").json()["email_verified"] is True
    for wrong in (token, "ttv_", "x"):
        assert_problem(product.stranger.post(address, json={"token": wrong}), 422, "auth.link_invalid")
    log, args = product.log.read_text(), str(product.query("SELECT args FROM procrastinate_jobs"))
    stored = str(product.query("SELECT * FROM mails"))
    assert token not in log + args + stored
    assert "mail_written" in log


def test_who_signs_up_with_anothers_address_learns_nothing_and_its_owner_is_told(product: Product) -> None:
    owner = people.signed_up(product, "rightful")
    token = token_in(product, owner.email, "verify_email")
    assert product.stranger.post(f"{API}/account/verify-email", json={"token": token}).status_code == 204
    wanted = {"handle": "intruder", "email": owner.email.upper(), "password": PASSWORD}
    answer = product.stranger.post(f"{API}/accounts", json=wanted)
    free = product.stranger.post(f"{API}/accounts", json={**wanted, "handle": "intruder2", "email": "free@x.example"})
    assert answer.status_code == free.status_code == 201
    assert answer.json().keys() == free.json().keys()
    assert answer.json()["email_verified"] is free.json()["email_verified"] is False
    told = owner.email.upper().replace("PEOPLE.EXAMPLE", "people.example")
    assert eventually(lambda: bool(mails(product, told, "already_registered")), within=MAIL_SECONDS)
    assert "rightful" in mails(product, told, "already_registered")[0]
    signed_in = product.stranger.post(f"{API}/sessions", json={"login": owner.email, "password": PASSWORD})
    assert signed_in.json()["account"]["handle"] == "rightful"


def test_a_reset_is_answered_alike_for_everybody_and_its_link_signs_everybody_out_once(product: Product) -> None:
    person = people.signed_up(product, "forgetful")
    known, unknown = reset(product, email=person.email), reset(product, email="nobody@people.example")
    assert (known.status_code, known.json()) == (unknown.status_code, unknown.json())
    assert known.status_code == 202
    token = token_in(product, person.email, "password_reset")
    entries = product.query("SELECT account, address, object FROM audit_log WHERE action = %s", RESET_ASKED)
    shown = person.client.get(f"{API}/account/audit").json()["items"]
    assert [(entry[1], entry[2]) for entry in entries] == [
        (product.stranger.headers["x-forwarded-for"], account_of(person))
    ]
    assert RESET_ASKED in [entry["action"] for entry in shown]  # its owner reads of it
    assert mails(product, "nobody@people.example") == []
    weak = reset(product, token=token, password="forgetful1234")  # noqa: S106 -- of nobody
    assert assert_problem(weak, 422, "request.invalid")["errors"][0]["field"] == "password"
    assert reset(product, token=token, password=ANOTHER).status_code == 204
    assert_problem(reset(product, token=token, password=PASSWORD), 422, "auth.link_invalid")
    assert_problem(person.client.get(f"{API}/account"), 401, "auth.required")
    old = product.stranger.post(f"{API}/sessions", json={"login": "forgetful", "password": PASSWORD})
    assert_problem(old, 401, "auth.failed")
    again = person.another_session(password=ANOTHER)
    assert again.client.get(f"{API}/account").json()["email_verified"] is True  # the link showed it
    assert eventually(lambda: bool(mails(product, person.email, "password_changed")), within=MAIL_SECONDS)


def test_a_reset_link_ends_after_an_hour_and_another_one_is_not_sent_at_once(product: Product) -> None:
    person = people.signed_up(product, "slowpoke")
    assert reset(product, email=person.email).status_code == 202
    token = token_in(product, person.email, "password_reset")
    assert reset(product, email=person.email).status_code == 202
    assert eventually(lambda: product.query("SELECT 1 FROM procrastinate_jobs WHERE status <> 'failed'") == [])
    assert len(mails(product, person.email, "password_reset")) == 1
    product.query("UPDATE mails SET expires_at = now() WHERE address = %s", person.email)
    assert_problem(reset(product, token=token, password=ANOTHER), 422, "auth.link_invalid")


def test_a_new_password_ends_every_other_session_and_needs_the_old_one(product: Product) -> None:
    person = people.signed_up(product, "careful")
    other = person.another_session()
    address = f"{API}/account/password"
    wrong = person.client.post(address, json={"current_password": ANOTHER, "password": ANOTHER})
    assert assert_problem(wrong, 422, "request.invalid")["errors"][0]["field"] == "current_password"
    assert other.client.get(f"{API}/account").status_code == 200
    right = person.client.post(address, json={"current_password": PASSWORD, "password": ANOTHER})
    assert right.status_code == 204
    assert person.client.get(f"{API}/account").status_code == 200
    assert_problem(other.client.get(f"{API}/account"), 401, "auth.required")


def test_another_address_is_an_accounts_once_it_is_shown_and_the_old_one_is_told(product: Product) -> None:
    person = people.signed_up(product, "mover")
    address, new = f"{API}/account/verify-email", "mover@elsewhere.example"
    refused = person.client.post(address, json={"email": new, "current_password": ANOTHER})
    assert_problem(refused, 422, "request.invalid")
    assert person.client.post(address, json={"email": new, "current_password": PASSWORD}).status_code == 202
    token = token_in(product, new, "verify_email")
    assert person.client.get(f"{API}/account").json()["email"] == person.email
    assert product.stranger.post(address, json={"token": token}).status_code == 204
    assert person.client.get(f"{API}/account").json()["email"] == new
    assert eventually(lambda: bool(mails(product, person.email, "email_changed")), within=MAIL_SECONDS)
    gone = product.stranger.post(f"{API}/sessions", json={"login": person.email, "password": PASSWORD})
    assert_problem(gone, 401, "auth.failed")


def test_of_two_who_name_one_address_it_is_whose_link_is_opened(product: Product) -> None:
    first, second = (people.signed_up(product, name, email="shared@people.example") for name in ("first1", "second2"))
    tokens = [token_in(product, "shared@people.example", "verify_email", number) for number in (0, 1)]
    answers = [
        product.stranger.post(f"{API}/account/verify-email", json={"token": token}) for token in reversed(tokens)
    ]
    assert answers[0].status_code == 204
    assert_problem(answers[1], 409, "account.email_taken")
    verified = [person.client.get(f"{API}/account").json()["email_verified"] for person in (first, second)]
    assert verified == [False, True]


def test_ten_thousand_guesses_end_soon_and_the_owner_comes_in_meanwhile(product: Product) -> None:
    with httpx.Client(base_url=product.base_url, timeout=30) as owner:
        owner.headers["x-forwarded-for"] = "10.8.0.1"
        people.signed_up(product, "target")
        signed_in = owner.post(f"{API}/sessions", json={"login": "target", "password": PASSWORD})
        assert signed_in.status_code == 201
        statuses = []
        for number in range(12):
            guess = {"login": "target", "password": f"a guess that is wrong {number}"}
            statuses.append(product.stranger.post(f"{API}/sessions", json=guess).status_code)
        assert statuses == [401] * 10 + [429] * 2
        botnet = [("target", f"10.11.{number % 1000 // 250}.{number % 250}") for number in range(GUESSES)]
        assert NAME.burst - 10 <= let_through(product, botnet) <= NAME.burst + 3  # some are given back meanwhile
        product.stranger.headers["x-forwarded-for"] = "10.8.0.99"
        elsewhere = product.stranger.post(f"{API}/sessions", json={"login": "target", "password": PASSWORD})
        assert int(assert_problem(elsewhere, 429, "rate_limited")["detail"].split()[-2]) > 0
        assert elsewhere.headers["retry-after"]
        at_home = owner.post(f"{API}/sessions", json={"login": "target", "password": PASSWORD})
        assert at_home.status_code == 201
        owner.headers["x-forwarded-for"] = "10.8.0.2"  # the same browser in a train
        owner.cookies.delete("tintype_session")
        on_the_way = owner.post(f"{API}/sessions", json={"login": "target", "password": PASSWORD})
        assert on_the_way.status_code == 201


def test_one_machine_that_tries_every_name_ends_soon_as_well(product: Product) -> None:
    tried = [(f"somebody{number}", "10.12.0.1") for number in range(GUESSES // 10)]
    assert ADDRESS.burst <= let_through(product, tried) <= ADDRESS.burst + 20  # one every three seconds is given back


def let_through(product: Product, guesses: list[tuple[str, str]]) -> int:
    """Return how many of these guesses, each of a name from an address, get as far as a password.

    They are counted where requests are, one after the other, and without a request each.
    """
    ((tenant,),) = product.query("SELECT id FROM tenants WHERE slug = 'default'")
    url = running_superuser_url(EmbeddedConfig(data=product.data)) or ""
    with psycopg.connect(url, autocommit=True, options="-c search_path=tintype") as connection:
        connection.execute("CREATE TEMP TABLE guesses (id serial, call text); CREATE TEMP TABLE passed (id int)")
        with connection.cursor().copy("COPY guesses (call) FROM STDIN") as copy:
            for name, address in guesses:
                copy.write_row([taking(tenant, sign_in_charges(name=name, address=address, known=False))])
        connection.execute(EACH_IN_TURN)
        row = connection.execute("SELECT count(*) FROM passed").fetchone()
    assert row is not None
    return int(row[0])


def taking(tenant: int, charges: Sequence[Charge]) -> str:
    """Return the call that counts these charges, as `db/rate_buckets.py` makes it."""
    buckets = [hash_bucket(hashlib.sha256(charge.subject.encode()).digest()) for charge in charges]
    values = [
        *(tenant, buckets, [charge.subject for charge in charges], [float(charge.limit.burst) for charge in charges]),
        *([float(charge.limit.rate) for charge in charges], [float(charge.cost) for charge in charges]),
    ]
    types = ("int8", "int2[]", "text[]", "float8[]", "float8[]", "float8[]")
    said = [psycopg.sql.Literal(value).as_string() + f"::{name}" for value, name in zip(values, types, strict=True)]
    return f"SELECT 0 <= ALL (take_tokens({', '.join(said)}, false))"


EACH_IN_TURN: Final = """DO $$
DECLARE guess record; through boolean;
BEGIN
    FOR guess IN SELECT id, call FROM guesses ORDER BY id LOOP
        EXECUTE guess.call INTO through;
        IF through THEN INSERT INTO passed VALUES (guess.id); END IF;
        IF guess.id % 100 = 0 THEN COMMIT; END IF;
    END LOOP;
END $$"""
"""A transaction for every hundred, so that what they replace is cleared away."""


class Kept:
    """A mailer that keeps what it is given."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []

    async def send(self, mail: Mail) -> None:
        """Keep it."""
        self.mails.append(mail)


def sent_by(product: Product, account: int, host: str, *, meanwhile: Callable[[], None]) -> list[Mail]:
    """Write a mail to the account, and return what is sent of it after something happened, at a host."""
    mailer = Kept()

    async def story() -> None:
        database = Database(DatabaseConfig(running_superuser_url(EmbeddedConfig(data=product.data)) or ""))
        await database.open()
        ((tenant,),) = product.query("SELECT id FROM tenants WHERE slug = 'default'")
        clock = DatabaseClock(database)
        async with database.transaction(tenant) as connection:
            mail = clock.new_id(bucket_of(account))
            await connection.execute(
                """INSERT INTO mails (bucket, id, tenant, account, kind, address, expires_at)
                   VALUES (%s, %s, %s, %s, 'verify_email', 'x@people.example', now() + interval '1 hour')""",
                [bucket_of(account), mail, tenant, account],
            )
        await anyio.to_thread.run_sync(meanwhile)
        product.query("INSERT INTO hostnames (host, tenant) VALUES (%s, %s)", host, tenant)
        await SendMail(database=database, mailer=mailer, server_key=b"key", site="http://127.0.0.1:8000")(
            tenant=tenant, mail=mail
        )
        product.query("DELETE FROM hostnames WHERE host = %s", host)
        await database.close()

    anyio.run(story)
    return mailer.mails


def test_a_mail_leads_to_the_host_of_its_tenant_and_none_is_sent_to_who_has_left(product: Product) -> None:
    person = people.signed_up(product, "hosted")
    account = parse_public_id(ACCOUNT_PREFIX, account_of(person))
    (mail,) = sent_by(product, account, "photos.books.example", meanwhile=lambda: None)
    assert "\nhttps://photos.books.example/verify-email#ttv_" in mail.text

    def leave() -> None:
        assert person.client.request("DELETE", f"{API}/account", json={"password": PASSWORD}).status_code == 202

    assert sent_by(product, account, "photos.books.example", meanwhile=leave) == []


class Counting:
    """Counts what it is asked to check; nothing matches."""

    def __init__(self) -> None:
        self.checked: list[bool] = []

    async def hash(self, password: str) -> str:
        """Return something."""
        return password

    async def check(self, _password: str, stored: str | None) -> Checked:
        """Note whether there was a hash to check, or a decoy had to do."""
        self.checked.append(stored is not None)
        return Checked(matches=False, outdated=False)


class Unasked:
    """A second factor that nobody comes to."""

    async def check(self, account: Account, attempt: SignInAttempt) -> None:
        """Fail."""
        raise AssertionError(account, attempt)


def test_a_name_that_there_is_not_costs_a_hash_as_well(product: Product) -> None:
    people.signed_up(product, "clockwork")
    ((tenant,),) = product.query("SELECT id FROM tenants WHERE slug = 'default'")
    hasher = Counting()

    async def story() -> None:
        database = Database(DatabaseConfig(running_superuser_url(EmbeddedConfig(data=product.data)) or ""))
        await database.open()
        sign_in = SignIn(
            database=database,
            clock=DatabaseClock(database),
            hasher=hasher,
            limits=AttemptLimits(on=True),
            second_factor=Unasked(),
            server_key=b"key",
        )
        for login in ("clockwork", "nobody.there", "nobody@people.example", "no name at all"):
            with pytest.raises(Problem) as caught:
                await sign_in(SignInAttempt(tenant=tenant, login=login, password=ANOTHER, address="10.7.0.1"))
            assert caught.value.code is Code.AUTH_FAILED
        await database.close()

    anyio.run(story)
    assert hasher.checked == [True, False, False, False]


def test_the_set_up_link_is_printed_once_and_makes_one_operator(product: Product) -> None:
    found = re.search(r"http://\S+/setup#(ttu_\w+)", product.said)
    assert found
    wanted = {"token": found[1], "handle": "chief", "email": "chief@people.example", "password": PASSWORD}
    page = product.stranger.get("/setup")
    assert page.status_code == 200
    assert "ttu_" not in page.text
    wrong = {**wanted, "token": found[1][:-1] + ("0" if found[1][-1] != "0" else "1")}
    assert_problem(product.stranger.post(f"{API}/setup", json=wrong), 422, "auth.link_invalid")
    made = product.stranger.post(f"{API}/setup", json=wanted)
    assert made.status_code == 201, made.text
    product.stranger.cookies.clear()
    assert made.json()["account"]["role"] == "operator"
    bearer = {"authorization": f"Bearer {made.json()['token']}"}
    assert product.stranger.get(f"{API}/accounts", headers=bearer).status_code == 200
    again = product.stranger.post(f"{API}/setup", json={**wanted, "handle": "chief2"})
    assert_problem(again, 422, "auth.link_invalid")
    assert found[1] not in product.log.read_text()


def test_the_command_makes_lists_and_shuts_out_accounts(product: Product) -> None:
    def account(*words: str, status: int = 0) -> str:
        done = tintype("account", *words, "--data", str(product.data))
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    made = account("create", "By.Hand", "hand@people.example", "--role", "moderator")
    found = re.search(r"/reset-password#(ttp_\w+)", made)
    assert found
    assert reset(product, token=found[1], password=ANOTHER).status_code == 204
    person = people.signed_in(product, "by.hand", "hand@people.example", password=ANOTHER)
    assert person.client.get(f"{API}/account").json()["email_verified"] is False  # the link did not come by mail
    assert "suspended" in account("suspend", "by.hand", "--reason", "a test")
    assert_problem(person.client.get(f"{API}/account"), 403, "account.suspended")
    listed = account("list")
    assert re.search(r"by\.hand\s+moderator\s+suspended", listed)
    account("restore", "by.hand")
    assert "operator" in account("role", "by.hand", "operator")
    assert person.client.get(f"{API}/account").json()["role"] == "operator"
    assert "There is no account" in account("suspend", "nobody.here", status=1)
    assert "Somebody has this handle" in account("create", "by.hand", "x@people.example", status=1)
    assert re.search(r"/setup#ttu_\w+", account("set-up-link"))
