"""Settings of signing in elsewhere: `[oidc.<name>]`, a table for each OpenID Connect provider."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tintype.domain.oidc import is_confidential
from tintype.settings_reader import Reader
from tintype.settings_values import some_of, switch, text

OIDC_KEYS: Final = ("issuer", "client_id", "client_secret", "client_secret_file", "scopes", "auto_create")
"""What may be in a table."""

DEFAULT_SCOPES: Final[tuple[str, ...]] = ("openid", "email", "profile")

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """One provider. `auto_create`: whoever signs in by it for the first time is given an account."""

    name: str
    issuer: str
    client_id: str
    client_secret: str | None = field(repr=False)
    scopes: tuple[str, ...]
    auto_create: bool


def read_oidc(read: Reader) -> dict[str, OidcSettings]:
    """Return the providers by name."""
    return {name: _provider(read, name) for name in read.table("oidc")}


def _provider(read: Reader, name: str) -> OidcSettings:
    path = f"oidc.{name}"
    if not _NAME.fullmatch(name):
        read.complain(path, "a provider is named by up to 32 of a–z, 0–9 and -.")
    issuer, client_id = read.read(f"{path}.issuer", _issuer, ""), read.read(f"{path}.client_id", text, "")
    if not (issuer and client_id):
        read.complain(path, "needs an issuer and a client_id.")
    scopes = read.read(f"{path}.scopes", some_of(_scope), DEFAULT_SCOPES)
    if "openid" not in scopes:
        read.complain(f"{path}.scopes", "openid is missing, without which nobody says who it is.")
    return OidcSettings(
        name=name,
        issuer=issuer,
        client_id=client_id,
        client_secret=_secret(read, path),
        scopes=scopes,
        auto_create=read.read(f"{path}.auto_create", switch, True),
    )


def _secret(read: Reader, path: str) -> str | None:
    """Return the client's secret, as it stands there or in a file; None for a public client, which has PKCE alone."""
    given = read.read(f"{path}.client_secret", lambda value: str(value) or None, None)
    file = read.read(f"{path}.client_secret_file", lambda value: Path(text(value)) if value else None, None)
    if given and file:
        read.complain(f"{path}.client_secret_file", "there is a client_secret already; give one of the two.")
    if file is None:
        return given
    try:
        found = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        read.complain(f"{path}.client_secret_file", f"{file} cannot be read: {type(error).__name__}.")
        return None
    if not found:
        read.complain(f"{path}.client_secret_file", f"{file} is empty.")
    return found or None


def _issuer(value: object) -> str:
    """Return the issuer exactly as it is: what a provider says of itself is compared with it, slash and all."""
    if not is_confidential(str(value)):
        raise ValueError("is not the https address of a provider")
    return str(value)


def _scope(value: object) -> str:
    if not re.fullmatch(r"[\x21\x23-\x5b\x5d-\x7e]+", str(value)):  # RFC 6749 §3.3
        raise ValueError("has what is no scope")
    return str(value)
