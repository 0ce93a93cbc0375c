"""Authenticators in software: an app that shows codes, and a device that holds passkeys.

The device does what Web Authentication Level 3 says an authenticator and its browser do, and signs with ES256. What it
answers can be bent before it is signed, to try what the server must refuse.
"""

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any, Final

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from tintype.domain.oidc import base64url, from_base64url

USER_PRESENT: Final = 0x01
USER_VERIFIED: Final = 0x04
ATTESTED: Final = 0x40

ES256: Final = -7


@dataclass
class Held:
    """A passkey in the device: its key, whose it is, and how often it signed."""

    credential: bytes
    handle: bytes
    host: str
    key: ec.EllipticCurvePrivateKey
    count: int = 0


@dataclass
class Device:
    """A device at one origin. `counts` says whether it has a signature counter."""

    origin: str
    counts: bool = True
    flags: int = USER_PRESENT | USER_VERIFIED
    held: list[Held] = field(default_factory=list)

    def create(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return what `navigator.credentials.create(options).toJSON()` does, and hold the new passkey."""
        held = Held(secrets.token_bytes(32), decoded(options["user"]["id"]), options["rp"]["id"], self.new_key())
        self.held.append(held)
        attestation = {"fmt": "none", "attStmt": {}, "authData": self._attested(held)}
        return _shown(
            held,
            {
                "clientDataJSON": base64url(self._client_data("webauthn.create", options["challenge"])),
                "attestationObject": base64url(cbor2.dumps(attestation)),
                "transports": ["internal", "carrier-pigeon"],
            },
        )

    def get(self, options: dict[str, Any], *, held: Held | None = None) -> dict[str, Any]:
        """Return what `navigator.credentials.get(options).toJSON()` does, by the newest passkey unless one is named."""
        chosen = held or self.held[-1]
        chosen.count += self.counts
        client_data = self._client_data("webauthn.get", options["challenge"])
        data = self._authenticator_data(chosen, self.flags)
        signature = chosen.key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(SHA256()))
        return _shown(
            chosen,
            {
                "clientDataJSON": base64url(client_data),
                "authenticatorData": base64url(data),
                "signature": base64url(signature),
                "userHandle": base64url(chosen.handle),
            },
        )

    def new_key(self) -> ec.EllipticCurvePrivateKey:
        """Return a key that nobody knows."""
        return ec.generate_private_key(ec.SECP256R1())

    def _client_data(self, kind: str, challenge: str) -> bytes:
        said = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps(said).encode()

    def _authenticator_data(self, held: Held, flags: int) -> bytes:
        """Return rpIdHash, flags and counter (§6.1)."""
        return hashlib.sha256(held.host.encode()).digest() + bytes([flags]) + held.count.to_bytes(4, "big")

    def _attested(self, held: Held) -> bytes:
        numbers = held.key.public_key().public_numbers()
        x, y = numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")
        public_key = cbor2.dumps({1: 2, 3: ES256, -1: 1, -2: x, -3: y})
        length = len(held.credential).to_bytes(2, "big")
        return self._authenticator_data(held, self.flags | ATTESTED) + bytes(16) + length + held.credential + public_key


def decoded(text: str) -> bytes:
    """Return what base64url spells."""
    found = from_base64url(text)
    assert found is not None
    return found


def _shown(held: Held, response: dict[str, Any]) -> dict[str, Any]:
    name = base64url(held.credential)
    return {"id": name, "rawId": name, "type": "public-key", "response": response, "clientExtensionResults": {}}
