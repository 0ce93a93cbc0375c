"""What went wrong with the database, in a sentence for the person at the terminal.

libpq's own text quotes what it took for a host, a port or an option, and that is a piece of the password when the URL
is not written as it must be. So its text about connecting is not passed on: only what we make of it, and what the
server says once we are in.
"""

from typing import Final

import psycopg

_REASONS: Final = {
    "Connection refused": "nothing listens at that address",
    "timeout expired": "nothing answers at that address",
    "failed to resolve host": "there is no such host",
    "password authentication failed": "it does not take that password",
    "no password supplied": "it wants a password",
    "no pg_hba.conf entry": "its pg_hba.conf does not let us in",
    "permission denied to set role": "the login may not become tintype_app",
    "too many clients": "it has no connection left",
    "does not exist": "the database or the login does not exist",
    "SSL": "the two ends do not agree on TLS",
}
"""What to look for in libpq's text → what to say. In another language than English nothing is found."""

_ADVICE: Final[dict[type[psycopg.Error], str]] = {
    psycopg.errors.InsufficientPrivilege: "Give the login that right, or name one that has it: "
    "TINTYPE_DATABASE_OWNER_URL.",
    psycopg.errors.UndefinedTable: "Run `tintype migrate` first.",
}


def explain(error: psycopg.Error) -> str:
    """Return what is wrong and, where that is known, what to do; never a password."""
    if error.sqlstate is not None:
        said = error.diag.message_primary or "it does not say why"
        return f"The database refuses: {said} ({error.sqlstate}). {_ADVICE.get(type(error), '')}".rstrip()
    if isinstance(error, psycopg.ProgrammingError):
        return (
            "The database's URL cannot be understood. It is written postgresql://user:password@host:port/name, with "
            "%XX for any character of the password that means something in a URL (RFC 3986)."
        )
    reason = next((meaning for text, meaning in _REASONS.items() if text in str(error)), "it gives no reason we know")
    return f"The database cannot be reached: {reason}. TINTYPE_DATABASE_URL says where it is."
