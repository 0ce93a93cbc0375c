"""A small OpenID Connect provider: a process of its own that signs tokens over HTTP on this machine.

`python tests/identity_provider.py` prints its address and serves until its input ends. It takes everybody who comes for
the person that it was told of last, checks what a provider has to check (the client's secret, the redirect URI, PKCE,
each code once), and tells a lie in the next ID token when it was told to.
"""

import base64
import hashlib
import hmac
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final
from urllib.parse import parse_qs, parse_qsl, unquote_plus, urlencode, urlsplit

import httpx
from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT: Final = "tintype client"
SECRET: Final = "a secret: with & signs/+"  # noqa: S105 -- of a test
LIFETIME: Final = 300

ADA: Final = {
    "sub": "ada-1815",
    "email": "ada@example.org",
    "email_verified": True,
    "name": "Ada Lovelace",
    "preferred_username": "ada.lovelace",
}


@dataclass
class Provider:
    """A provider that runs, seen from a test; `browser` is anybody's, and follows nothing by itself."""

    issuer: str
    browser: httpx.Client

    def person(self, **claims: object) -> None:
        """Say who comes from now on, as Ada but for these claims."""
        self._tell({"person": {**ADA, **claims}})

    def lie(self, lie: str) -> None:
        """Have the provider do wrong from now on, until it is told `nothing`: see `_lied`."""
        self._tell({"lie": lie})

    def change_keys(self) -> None:
        """Sign with another key from now on, and publish no other."""
        self._tell({"keys": "new"})

    def requests(self, path: str) -> int:
        """Return how often this path was asked for."""
        return int(self.browser.get(f"{self.issuer}/told").json()["requests"].get(path, 0))

    def _tell(self, told: dict[str, object]) -> None:
        self.browser.post(f"{self.issuer}/told", json=told).raise_for_status()


@contextmanager
def running_provider() -> Iterator[Provider]:
    """Give a provider in a process of its own."""
    command = [sys.executable, str(Path(__file__).resolve())]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            with httpx.Client() as browser:  # one for all: opening one reads every authority of TLS
                yield Provider(process.stdout.readline().strip(), browser)
        finally:
            process.stdin.close()
            process.wait(10)


def _new_key() -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": secrets.token_hex(4), "use": "sig", "alg": "RS256"})


@dataclass
class _State:
    issuer: str = ""
    key: RSAKey = field(default_factory=_new_key)
    person: dict[str, Any] = field(default_factory=lambda: dict(ADA))
    lie: str = "nothing"
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=dict)


def _id_token(state: _State, asked: dict[str, str]) -> str:
    now = int(time.time())
    claims = {
        **state.person,
        "iss": state.issuer,
        "aud": CLIENT,
        "iat": now,
        "exp": now + LIFETIME,
        "nonce": asked["nonce"],
    }
    return _lied(state, claims)


_LIES: Final[dict[str, dict[str, Any]]] = {
    "nonce": {"nonce": "another"},
    "no nonce": {"nonce": None},
    "audience": {"aud": "somebody else"},
    "two audiences": {"aud": [CLIENT, "somebody else"]},
    "other party": {"aud": [CLIENT, "somebody else"], "azp": "somebody else"},
    "issuer": {"iss": "https://evil.example"},
    "expired": {"iat": 1_000, "exp": 2_000},
    "no expiry": {"exp": None},
    "expiry as text": {"exp": "never"},
    "from the future": {"iat": 4_000_000_000, "exp": 4_000_000_300},
    "no subject": {"sub": ""},
    "long subject": {"sub": "x" * 256},
    "subject is a number": {"sub": 7},
}


def _lied(state: _State, claims: dict[str, Any]) -> str:
    """Return the ID token, true or with the lie that is told now."""
    claims = {name: value for name, value in {**claims, **_LIES.get(state.lie, {})}.items() if value is not None}
    header = {"alg": "RS256", "kid": state.key.kid}
    if state.lie == "alg none":
        return f"{_part({'alg': 'none'})}.{_part(claims)}."
    if state.lie == "hmac with the public key":
        said = f"{_part({'alg': 'HS256', 'kid': state.key.kid})}.{_part(claims)}"
        mac = hmac.digest(state.key.as_pem(private=False), said.encode(), "sha256")
        return f"{said}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    if state.lie == "another key":
        return jwt.encode(header, claims, _new_key())
    if state.lie == "changed":
        head, _, signature = jwt.encode(header, claims, state.key).split(".")
        return f"{head}.{_part({**claims, 'sub': 'grace'})}.{signature}"
    if state.lie == "no token at all":
        return "x.y"
    return jwt.encode(header, claims, state.key)


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


class _Handler(BaseHTTPRequestHandler):
    state: _State

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the signature is the library's
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer what is read."""
        url, state = urlsplit(self.path), self.state
        state.requests[url.path] = state.requests.get(url.path, 0) + 1
        if url.path == "/.well-known/openid-configuration":
            self._json(self._metadata())
        elif url.path == "/keys":
            self._json({"keys": [{"kty": "future", "kid": "x"}, state.key.as_dict(private=False)]})
        elif url.path == "/authorize":
            self._authorize(dict(parse_qsl(url.query)))
        elif url.path == "/told":
            self._json({"requests": state.requests})
        else:
            self._json({}, status=404)

    def do_POST(self) -> None:
        """Answer what is sent."""
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/told":
            told = json.loads(body)
            self.state.person, self.state.lie = told.get("person", self.state.person), told.get("lie", self.state.lie)
            self.state.key = _new_key() if "keys" in told else self.state.key
            self._json({})
        else:
            self.state.requests["/token"] = self.state.requests.get("/token", 0) + 1
            self._redeem({name: values[0] for name, values in parse_qs(body.decode()).items()})

    def _metadata(self) -> dict[str, Any]:
        issuer = self.state.issuer
        plain = "http://example.org" if self.state.lie == "endpoints without TLS" else issuer
        return {
            "issuer": "https://evil.example" if self.state.lie == "other name" else issuer,
            "authorization_endpoint": f"{plain}/authorize?tenant=1",
            "token_endpoint": f"{plain}/token",
            "jwks_uri": f"{plain}/keys",
        }

    def _authorize(self, asked: dict[str, str]) -> None:
        assert asked["client_id"] == CLIENT
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        answer = {"state": asked["state"]}
        if self.state.lie == "refused":
            answer["error"] = "access_denied"
        else:
            answer["code"] = secrets.token_urlsafe(16)
            self.state.codes[answer["code"]] = asked
        self.send_response(302)
        self.send_header("location", f"{asked['redirect_uri']}?{urlencode(answer)}")
        self.end_headers()

    def _redeem(self, form: dict[str, str]) -> None:
        asked = self.state.codes.pop(form["code"], None)
        shown = hashlib.sha256(form["code_verifier"].encode()).digest()
        if (
            asked is None
            or not self._knows_the_secret()
            or asked["redirect_uri"] != form["redirect_uri"]
            or base64.urlsafe_b64encode(shown).rstrip(b"=").decode() != asked["code_challenge"]
        ):
            self._json({"error": "invalid_grant"}, status=400)
        elif self.state.lie == "endless":
            self._json({"id_token": "x" * 1_000_000})
        elif self.state.lie == "ill":
            self._json({}, status=503)
        else:
            self._json({"access_token": "a", "token_type": "Bearer", "id_token": _id_token(self.state, asked)})

    def _knows_the_secret(self) -> bool:
        shown = base64.b64decode(self.headers.get("authorization", "").removeprefix("Basic ")).decode()
        return [unquote_plus(part) for part in shown.split(":")] == [CLIENT, SECRET]

    def _json(self, value: object, *, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Serve until the input ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    _Handler.state = _State(f"http://127.0.0.1:{server.server_port}")
    Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(_Handler.state.issuer + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main()
