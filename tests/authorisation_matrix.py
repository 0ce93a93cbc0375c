"""Who may call what: a row for each route, a column for each asker, and in each cell what becomes of the request.

What a row is about (an image, a job) belongs to `owner`, a member of the tenant `default`; an image is private.

ok   the request is done: an answer below 400
in   it is let in, and answered as its state says (409, 410, 422 …): for rows whose request cannot easily be a valid one
401  who asks has to say who they are
403  they are known, and may not
404  to them there is no such thing

A new route: add its line to `TABLE`, with the path as its decorator spells it and without the parameters' types. Where
the request needs a body or a query, say so in `REQUESTS`; where its path has a new parameter, say in `PARAMETERS` what
of the owner's stands there. Then `pytest tests/stories/test_authorisation.py -k "METHOD and path"`.
"""

import secrets
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx

import samples
from actors import Asker, Askers, add_passkey, add_session, make_person
from product import Product
from queued import bury, dead_letter_of
from resumable import BYTES, VERSION, metadata
from tintype.domain.ids import bucket_of, public_id

COLUMNS: Final = (
    *(Asker.ANONYMOUS, Asker.OWNER, Asker.STRANGER, Asker.SUSPENDED, Asker.OTHER_KEY, Asker.OTHER_ACCOUNT),
    *(Asker.MODERATOR, Asker.OPERATOR, Asker.TENANT_KEY, Asker.UNSCOPED_KEY, Asker.EXPIRED_KEY, Asker.REVOKED_KEY),
)

TABLE: Final = """
#                                              ano  own  str  sus  key  acc  mod  ope  key  uns  exp  rev
#                                              nym  er   ang  pen  of   of   era  rat  of   cop  ire  oke
#                                              ous       er   ded  other…    tor  or   ours ed   d    d
# Images
POST   /api/v1/images                          ok   ok   ok   403  ok   ok   ok   ok   ok   403  401  401
GET    /api/v1/images                          401  ok   ok   403  ok   ok   ok   ok   ok   403  401  401
GET    /api/v1/images/{image_id}               404  ok   404  403  404  404  ok   ok   ok   404  401  401
PATCH  /api/v1/images/{image_id}               404  ok   404  403  404  404  404  ok   ok   404  401  401
DELETE /api/v1/images/{image_id}               404  ok   404  403  404  404  404  ok   ok   404  401  401
PUT    /api/v1/images/{image_id}/content       404  ok   404  403  404  404  404  ok   ok   404  401  401
GET    /api/v1/images/{image_id}/events        404  ok   404  403  404  404  ok   ok   ok   404  401  401
PUT    /api/v1/images/{image_id}/hold          404  403  404  403  404  404  404  ok   ok   404  401  401
DELETE /api/v1/images/{image_id}/hold          404  403  404  403  404  404  404  ok   ok   404  401  401
GET    /api/v1/images/{image_id}/receipt       401  ok   404  403  404  404  404  ok   ok   404  401  401
POST   /api/v1/images/{image_id}/reprocess     404  in   404  403  404  404  404  in   in   404  401  401
POST   /api/v1/images/{image_id}/restore       404  ok   404  403  404  404  404  ok   ok   404  401  401
POST   /api/v1/images/{image_id}/signed-url    404  ok   404  403  404  404  ok   ok   ok   404  401  401
GET    /api/v1/images/{image_id}/variants      404  ok   404  403  404  404  ok   ok   ok   404  401  401
POST   /api/v1/images/{image_id}/variants      404  ok   404  403  404  404  404  ok   ok   404  401  401
GET    /api/v1/images/{image_id}/views         404  ok   404  403  404  404  ok   ok   ok   404  401  401
# Uploads: the row is about one of the owner's, private; its signed addresses are their own credential
POST   /api/v1/uploads                         ok   ok   ok   403  ok   ok   ok   ok   ok   403  401  401
GET    /api/v1/uploads/{upload_id}             404  ok   404  403  404  404  ok   ok   ok   404  401  401
POST   /api/v1/uploads/{upload_id}/complete    404  in   404  403  404  404  404  in   in   404  401  401
POST   /api/v1/uploads/{upload_id}/parts       404  in   404  403  404  404  404  in   in   404  401  401
PUT    /api/v1/uploads/{upload_id}/content     403  403  403  403  403  403  403  403  403  403  403  403
PUT    /api/v1/uploads/{upload_id}/parts/{number} 403 403 403 403  403  403  403  403  403  403  403  403
DELETE /api/v1/uploads/{upload_id}             404  ok   404  403  404  404  404  ok   ok   404  401  401
# By tus: whoever has the address of an upload may send bytes and give it up; the row is about one of the owner's
POST   /api/v1/tus                             ok   ok   ok   403  ok   ok   ok   ok   ok   403  401  401
GET    /api/v1/tus/{upload_name}               ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok
PATCH  /api/v1/tus/{upload_name}               ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok
DELETE /api/v1/tus/{upload_name}               ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok
POST   /api/v1/tus/{upload_name}               ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok
# Bytes and pages, by their addresses
GET    /i/{image_id}/original                  404  ok   404  403  404  404  ok   ok   ok   404  401  401
GET    /i/{image_id}/thumb                     404  ok   404  403  404  404  ok   ok   ok   404  401  401
GET    /p/{image_id}                           404  ok   404  403  404  404  ok   ok   ok   404  401  401
GET    /oembed                                 404  404  404  404  404  404  404  404  404  404  404  404
# Keys that sign addresses
GET    /api/v1/signing-keys                    401  403  403  403  ok   ok   403  ok   ok   403  401  401
POST   /api/v1/signing-keys                    401  403  403  403  ok   ok   403  ok   ok   403  401  401
DELETE /api/v1/signing-keys/{kid}              401  403  403  403  404  404  403  ok   ok   403  401  401
# Accounts and sessions
POST   /api/v1/accounts                        in   in   in   in   in   in   in   in   in   in   in   in
GET    /api/v1/accounts                        401  403  403  403  ok   ok   ok   ok   ok   403  401  401
GET    /api/v1/accounts/{account}              ok   ok   ok   403  404  404  ok   ok   ok   ok   401  401
PATCH  /api/v1/accounts/{account}              401  403  403  403  404  404  ok   ok   ok   403  401  401
GET    /api/v1/account                         401  ok   ok   403  403  ok   ok   ok   403  403  401  401
PATCH  /api/v1/account                         401  ok   ok   403  403  ok   ok   ok   403  403  401  401
POST   /api/v1/account/verify-email            401  ok   ok   403  403  ok   ok   ok   403  403  401  401
POST   /api/v1/account/password                401  in   in   403  403  in   in   in   403  403  401  401
POST   /api/v1/account/password-reset          in   in   in   in   in   in   in   in   in   in   in   in
POST   /api/v1/setup                           in   in   in   in   in   in   in   in   in   in   in   in
POST   /api/v1/sessions                        in   in   in   in   in   in   in   in   in   in   in   in
GET    /api/v1/sessions                        401  ok   ok   403  403  ok   ok   ok   403  403  401  401
DELETE /api/v1/sessions                        401  ok   ok   403  403  ok   ok   ok   403  403  401  401
DELETE /api/v1/sessions/{session_id}           401  ok   404  403  403  404  404  404  403  403  401  401
GET    /api/v1/session                         401  ok   ok   403  403  ok   ok   ok   403  403  401  401
DELETE /api/v1/session                         401  ok   ok   403  403  ok   ok   ok   403  403  401  401
# Jobs
GET    /api/v1/jobs                            401  403  403  403  ok   ok   403  ok   ok   403  401  401
POST   /api/v1/jobs/{job_id}/retry             401  403  403  403  404  404  403  ok   ok   403  401  401
DELETE /api/v1/jobs/{job_id}                   401  403  403  403  404  404  403  ok   ok   403  401  401
# The audit log
GET    /api/v1/audit                           401  403  403  403  ok   ok   403  ok   ok   403  401  401
GET    /api/v1/account/audit                   401  ok   ok   403  403  ok   ok   ok   403  403  401  401
# Tenants: the row is about `default`, whose operator and keys manage them all
GET    /api/v1/tenants                         401  403  403  403  403  403  403  ok   ok   403  401  401
POST   /api/v1/tenants                         401  403  403  403  403  403  403  ok   ok   403  401  401
GET    /api/v1/tenants/{tenant}                401  403  403  403  404  404  403  ok   ok   403  401  401
PATCH  /api/v1/tenants/{tenant}                401  403  403  403  404  404  403  ok   ok   403  401  401
POST   /api/v1/tenants/{tenant}/suspend        401  403  403  403  403  403  403  in   in   403  401  401
POST   /api/v1/tenants/{tenant}/resume         401  403  403  403  403  403  403  ok   ok   403  401  401
# API keys: the row is about a key of the owner's account
GET    /api/v1/keys                            401  ok   ok   403  ok   ok   ok   ok   ok   403  401  401
POST   /api/v1/keys                            401  ok   ok   403  ok   ok   ok   ok   ok   403  401  401
GET    /api/v1/keys/{key_id}                   401  ok   404  403  404  404  404  ok   ok   403  401  401
DELETE /api/v1/keys/{key_id}                   401  ok   404  403  404  404  404  ok   ok   403  401  401
# Webhooks: the row is about one of `default`
GET    /api/v1/webhooks                        401  403  403  403  ok   ok   403  ok   ok   403  401  401
POST   /api/v1/webhooks                        401  403  403  403  ok   ok   403  ok   ok   403  401  401
GET    /api/v1/webhooks/{webhook_id}           401  403  403  403  404  404  403  ok   ok   403  401  401
PATCH  /api/v1/webhooks/{webhook_id}           401  403  403  403  404  404  403  ok   ok   403  401  401
DELETE /api/v1/webhooks/{webhook_id}           401  403  403  403  404  404  403  ok   ok   403  401  401
POST   /api/v1/webhooks/{webhook_id}/rotate-secret 401  403  403  403  404  404  403  ok   ok   403  401  401
POST   /api/v1/webhooks/{webhook_id}/test      401  403  403  403  404  404  403  ok   ok   403  401  401
GET    /api/v1/webhooks/{webhook_id}/deliveries 401  403  403  403  404  404  403  ok   ok   403  401  401
GET    /api/v1/webhooks/{webhook_id}/deliveries/{event_id} 401  403  403  403  404  404  403  ok   ok   403  401  401
POST   /api/v1/webhooks/{webhook_id}/deliveries/{event_id}/redeliver 401 403 403 403 404 404 403 in in 403 401 401
# Usage and quotas
GET    /api/v1/usage                           401  ok   ok   403  ok   ok   ok   ok   ok   403  401  401
GET    /api/v1/quota                           401  ok   ok   403  ok   ok   ok   ok   ok   403  401  401
PUT    /api/v1/quota                           401  403  403  403  403  403  403  ok   ok   403  401  401
DELETE /api/v1/quota                           401  403  403  403  403  403  403  ok   ok   403  401  401
# Ways to sign in
GET    /api/v1/account/totp                    401  ok   ok   403  403  ok   ok   ok   403  403  401  401
POST   /api/v1/account/totp                    401  ok   ok   403  403  ok   ok   ok   403  403  401  401
DELETE /api/v1/account/totp                    401  ok   ok   403  403  ok   ok   ok   403  403  401  401
POST   /api/v1/account/totp/confirm            401  in   in   403  403  in   in   in   403  403  401  401
POST   /api/v1/account/totp/recovery-codes     401  in   in   403  403  in   in   in   403  403  401  401
GET    /api/v1/account/passkeys                401  ok   ok   403  403  ok   ok   ok   403  403  401  401
POST   /api/v1/account/passkeys                401  in   in   403  403  in   in   in   403  403  401  401
POST   /api/v1/account/passkeys/options        401  ok   ok   403  403  ok   ok   ok   403  403  401  401
PATCH  /api/v1/account/passkeys/{passkey_id}   401  ok   404  403  403  404  404  404  403  403  401  401
DELETE /api/v1/account/passkeys/{passkey_id}   401  in   404  403  403  404  404  404  403  403  401  401
GET    /api/v1/account/identities              401  ok   ok   403  403  ok   ok   ok   403  403  401  401
POST   /api/v1/account/identities/{provider}   401  404  404  403  403  404  404  404  403  403  401  401
DELETE /api/v1/account/identities/{provider}   401  404  404  403  403  404  404  404  403  403  401  401
POST   /api/v1/sessions/passkey/options        ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok
POST   /api/v1/sessions/passkey                401  401  401  401  401  401  401  401  401  401  401  401
GET    /api/v1/sessions/oidc                   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok
GET    /api/v1/sessions/oidc/{provider}        404  404  404  404  404  404  404  404  404  404  404  404
GET    /api/v1/sessions/oidc/{provider}/callback 404  404  404  404  404  404  404  404  404  404  404  404
# Taking everything along, and leaving
POST   /api/v1/account/export                  401  ok   ok   403  403  ok   ok   ok   403  403  401  401
GET    /api/v1/account/export                  401  ok   404  403  403  404  404  404  403  403  401  401
GET    /api/v1/account/export/file             401  in   404  403  403  404  404  404  403  403  401  401
DELETE /api/v1/account                         401  in   in   403  403  in   in   in   403  403  401  401
GET    /api/v1/account-deletions/{deletion}    401  404  404  403  404  404  404  ok   ok   404  401  401
# Operations
GET    /healthz                                ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok
GET    /readyz                                 ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok
GET    /metrics                                ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok
GET    /openapi.json                           ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok
# Pages
GET    /                                       ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok
GET    /docs                                   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok
GET    /setup                                  ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok
GET    /sign-up                                ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok
GET    /sign-in                                ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok
GET    /forgot-password                        ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok
GET    /account                                ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok
GET    /verify-email                           ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok
GET    /reset-password                         ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok
GET    /docs/errors.json                       ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok
GET    /assets/{name}                          ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok
"""

OUTCOMES: Final = frozenset({"ok", "in", "401", "403", "404"})
REFUSALS: Final = frozenset({401, 403, 404})

INSIDERS: Final = frozenset({Asker.OWNER, Asker.MODERATOR, Asker.OPERATOR, Asker.TENANT_KEY})
"""Who may see the owner's private image; to nobody else may any answer show a word of it."""

CANARY: Final = "canary 5f1c9d"
"""The title of the owner's images."""


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    method: str
    path: str
    outcomes: Mapping[Asker, str]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def changes(self) -> bool:
        """Whether the request may change something."""
        return self.method != "GET"


def rows() -> list[Row]:
    """Return the lines of the table; a malformed one is an error of whoever wrote it."""
    return list(_parse(TABLE))


def _parse(table: str) -> Iterator[Row]:
    for line in table.splitlines():
        if not line or line.startswith("#"):
            continue
        method, path, *outcomes = line.split()
        if len(outcomes) != len(COLUMNS) or not OUTCOMES.issuperset(outcomes):
            message = f"{method} {path}: needs {len(COLUMNS)} cells, each one of {', '.join(sorted(OUTCOMES))}"
            raise ValueError(message)
        yield Row(method, path, dict(zip(COLUMNS, outcomes, strict=True)))


def documented_routes() -> dict[str, set[str]]:
    """Return the paths of the API and of operations, with their methods in small letters, as OpenAPI has them."""
    found: dict[str, set[str]] = defaultdict(set)
    for row in rows():
        if row.path.startswith("/api/") or row.path in {"/healthz", "/readyz", "/metrics"}:
            found[row.path].add(row.method.lower())
    return dict(found)


def fits(outcome: str, status: int) -> bool:
    """Return whether the answer is what the cell says."""
    if outcome == "ok":
        return status < 400
    if outcome == "in":
        return status < 500 and status not in REFUSALS
    return status == int(outcome)


class Scene:
    """What the owner has, made when a row asks for it; `anew` after it was changed."""

    def __init__(self, product: Product, askers: Askers) -> None:
        self.product = product
        self.askers = askers
        self._made: dict[str, Any] = {}
        self._seed = 7_000

    def anew(self) -> None:
        """Forget what was made: the next request is about something new."""
        self._made.clear()

    @property
    def owner(self) -> httpx.Client:
        """The client of the owner."""
        return self.askers.clients[Asker.OWNER]

    def image(self) -> dict[str, Any]:
        """Return a private image of the owner's."""
        return dict(self._once("image", lambda: self._upload(self.owner)))

    def upload(self) -> dict[str, Any]:
        """Return an upload of a private image of the owner's, reserved in parts, of which nothing was sent."""
        return dict(self._once("upload", self._reserve))

    def resumable(self) -> str:
        """Return what the address of a resumable upload of the owner's ends with."""
        return str(self._once("resumable", self._begin)).rpartition("/")[2]

    def dead_job(self) -> dict[str, Any]:
        """Return a job that failed for good, of an image of the owner's."""
        return dict(self._once("job", self._bury))

    def old_signing_key(self) -> str:
        """Return the name of a signing key that was rotated out and is still valid."""
        return str(self._once("kid", self._rotate))

    def key(self) -> dict[str, Any]:
        """Return an API key of the owner's account."""
        return dict(self._once("key", self._make_key))

    def webhook(self) -> str:
        """Return the id of a webhook of the owner's tenant, whose receiver is not there."""
        return str(self._once("webhook", self._make_webhook))

    def event(self) -> str:
        """Return the id of an event that it is told of."""
        return str(self._once("event", lambda: self._post(f"/api/v1/webhooks/{self.webhook()}/test", 202)["id"]))

    def _make_webhook(self) -> str:
        body = {"url": "http://nobody.invalid/", "description": CANARY, "events": ["image.failed"]}
        return str(self._post("/api/v1/webhooks", 201, body)["id"])

    def _post(self, path: str, status: int, body: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = self.askers.clients[Asker.TENANT_KEY].post(path, json=body)
        assert answer.status_code == status, answer.text
        return dict(answer.json())

    def deletion(self) -> str:
        """Return the id of the deletion of an account that nobody is any more."""
        return str(self._once("deletion", self._left))

    def another_session(self) -> str:
        """Return the id of a second session of the owner's."""
        return str(self._once("session", lambda: add_session(self.product, self.askers.people[Asker.OWNER])))

    def photo(self) -> bytes:
        """Return bytes that nobody has sent."""
        self._seed += 1
        return samples.jpeg(40, 30, seed=self._seed)

    def _upload(self, client: httpx.Client) -> dict[str, Any]:
        fields = {"visibility": "private", "title": CANARY}
        answer = client.post("/api/v1/images", content=self.photo(), params=fields)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def _reserve(self) -> dict[str, Any]:
        fields = {"method": "multipart", "size": 100, "visibility": "private", "title": CANARY}
        answer = self.owner.post("/api/v1/uploads", json=fields)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def _begin(self) -> str:
        said = {"upload-length": "100", **metadata(visibility="private", title=CANARY)}
        answer = self.owner.post("/api/v1/tus", headers={**VERSION, **said})
        assert answer.status_code == 201, answer.text
        return str(answer.headers["location"])

    def _make_key(self) -> dict[str, Any]:
        answer = self.owner.post("/api/v1/keys", json={"name": CANARY, "scopes": ["images:read"]})
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def _left(self) -> str:
        person = make_person(self.product, self.askers.tenant)
        self.product.query(
            """INSERT INTO account_deletions (bucket, account, tenant, cause, state, finished_at)
               VALUES (%s, %s, %s, 'operator', 'done', now())""",
            *(bucket_of(person.id), person.id, self.askers.tenant),
        )
        return public_id("del_", person.id)

    def _bury(self) -> dict[str, Any]:
        image = self.image()
        bury(self.product, image)
        return dead_letter_of(self.product, image)

    def passkey(self) -> str:
        """Return the id of a passkey of the owner's."""
        return str(self._once("passkey", lambda: add_passkey(self.product, self.askers.people[Asker.OWNER])))

    def _rotate(self) -> str:
        client = self.askers.clients[Asker.TENANT_KEY]
        kid = client.post("/api/v1/signing-keys").json()["kid"]
        assert client.post("/api/v1/signing-keys").status_code == 201
        return str(kid)

    def _once(self, name: str, make: Callable[[], Any]) -> Any:  # noqa: ANN401 -- whatever it is that was made
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]


PARAMETERS: Final[Mapping[str, Callable[[Scene], str]]] = {
    "image_id": lambda scene: str(scene.image()["id"]),
    "upload_id": lambda scene: str(scene.upload()["id"]),
    "number": lambda _: "1",
    "upload_name": lambda scene: scene.resumable(),
    "key_id": lambda scene: str(scene.key()["id"]),
    "tenant": lambda _: "default",
    "webhook_id": lambda scene: scene.webhook(),
    "event_id": lambda scene: scene.event(),
    "job_id": lambda scene: str(scene.dead_job()["id"]),
    "kid": lambda scene: scene.old_signing_key(),
    "name": lambda _: "upload.js",
    "passkey_id": lambda scene: scene.passkey(),
    "provider": lambda _: "none",  # there is none in this product: `test_sign_in_elsewhere.py` has one
    "deletion": lambda scene: scene.deletion(),
    "account": lambda scene: scene.askers.people[Asker.OWNER].handle,
    "session_id": lambda scene: scene.another_session(),
}
"""What stands in a path for each parameter: something of the owner's."""


def _trashed(scene: Scene) -> dict[str, Any]:
    assert scene.owner.delete(f"/api/v1/images/{scene.image()['id']}").status_code == 204
    return {}


def _exported(scene: Scene) -> dict[str, Any]:
    """Have the owner alone have an export, which may or may not be ready."""
    owner = scene.askers.people[Asker.OWNER].id
    scene.product.query("DELETE FROM account_exports WHERE account <> %s", owner)
    assert scene.owner.post("/api/v1/account/export").status_code == 202
    return {}


def _purged(scene: Scene) -> dict[str, Any]:
    scene.owner.delete(f"/api/v1/images/{scene.image()['id']}", params={"purge": "true"})
    return {}


REQUESTS: Final[Mapping[str, Callable[[Scene], dict[str, Any]]]] = {
    "POST /api/v1/images": lambda scene: {"content": scene.photo()},
    "POST /api/v1/tus": lambda _: {"headers": {**VERSION, "upload-length": "100"}},
    "GET /api/v1/tus/{upload_name}": lambda _: {"headers": VERSION},
    "DELETE /api/v1/tus/{upload_name}": lambda _: {"headers": VERSION},
    "PATCH /api/v1/tus/{upload_name}": lambda _: {"headers": {**BYTES, "upload-offset": "0"}, "content": b"GIF89a"},
    "POST /api/v1/tus/{upload_name}": lambda _: {"headers": {**VERSION, "x-http-method-override": "HEAD"}},
    "POST /api/v1/uploads": lambda _: {"json": {"method": "put", "size": 100}},
    "PATCH /api/v1/images/{image_id}": lambda _: {"json": {"alt": "A word"}},
    "PUT /api/v1/images/{image_id}/content": lambda scene: {"content": scene.photo()},
    "GET /api/v1/images/{image_id}/receipt": _purged,
    "POST /api/v1/images/{image_id}/restore": _trashed,
    "POST /api/v1/images/{image_id}/signed-url": lambda _: {"json": {"preset": "thumb"}},
    "POST /api/v1/images/{image_id}/variants": lambda _: {"json": {"preset": "thumb"}},
    "POST /api/v1/tenants": lambda _: {"json": {"slug": f"t-{secrets.token_hex(5)}"}},
    "PATCH /api/v1/tenants/{tenant}": lambda _: {"json": {"name": None}},
    "POST /api/v1/keys": lambda _: {"json": {"name": "a key", "scopes": ["images:read"]}},
    "POST /api/v1/webhooks": lambda _: {"json": {"url": "http://nobody.invalid/", "events": ["image.failed"]}},
    "PATCH /api/v1/webhooks/{webhook_id}": lambda _: {"json": {"description": "A word"}},
    "PUT /api/v1/quota": lambda _: {"json": {"max_bytes": None, "max_images": 1_000_000}},
    "POST /api/v1/account/totp/confirm": lambda _: {"json": {"code": "123456"}},
    "POST /api/v1/account/passkeys": lambda _: {"json": {"credential": {}}},
    "PATCH /api/v1/account/passkeys/{passkey_id}": lambda _: {"json": {"name": "key ring"}},
    "POST /api/v1/sessions/passkey": lambda _: {"json": {"credential": {}}},
    "GET /api/v1/account/export": _exported,
    "GET /api/v1/account/export/file": _exported,
    "DELETE /api/v1/account": lambda _: {"json": {"password": "x" * 2_000}},  # let in, and not done
    "PATCH /api/v1/accounts/{account}": lambda _: {"json": {"state": "active"}},
    "PATCH /api/v1/account": lambda _: {"json": {"bio": "A word"}},
    "POST /api/v1/account/verify-email": lambda _: {"json": {}},
    "GET /oembed": lambda scene: {"params": {"url": f"{scene.product.base_url}/p/{scene.image()['id']}"}},
}
"""What a request has beside its path (arguments of httpx), and what has to be done before it."""


@contextmanager
def sessions_kept(scene: Scene, row: Row) -> Iterator[None]:
    """Bring back the sessions that a row ends: whoever is signed out by one still has the others to ask for."""
    if row.method != "DELETE" or "session" not in row.path:
        yield
        return
    scene.product.query("CREATE TEMP TABLE kept AS TABLE sessions")
    yield
    scene.product.query("INSERT INTO sessions TABLE kept ON CONFLICT DO NOTHING")
    scene.product.query("DROP TABLE kept")


def ask(scene: Scene, row: Row, asker: Asker) -> httpx.Response:
    """Return what the asker is answered; of a stream of events, the beginning."""
    names = {part[1:-1] for part in row.path.split("/") if part.startswith("{")}
    path = row.path.format(**{name: PARAMETERS[name](scene) for name in names})
    arguments = REQUESTS[str(row)](scene) if str(row) in REQUESTS else {}
    with sessions_kept(scene, row), scene.askers.clients[asker].stream(row.method, path, **arguments) as answer:
        if answer.headers.get("content-type") != "text/event-stream":
            answer.read()
    return answer
