"""What there is to recognise an account by, all in all, in its bucket."""

from dataclasses import dataclass

from tintype.db.pool import Connection
from tintype.domain.errors import Code, Problem
from tintype.domain.ids import bucket_of


@dataclass(frozen=True, slots=True)
class Factors:
    """Whether an account has each; `session_age` is in seconds, None without a session."""

    handle: str
    password: bool
    app: bool
    passkeys: int
    identities: int
    session_age: float | None

    def refuse_to_lose(self, *, passkeys: int = 0, identities: int = 0) -> None:
        """Raise `Problem` conflict when nothing would be left to sign in with."""
        if not self.password and self.passkeys <= passkeys and self.identities <= identities:
            message = "Nothing else would let you in. Set a password or register another passkey first."
            raise Problem(Code.CONFLICT, message)


async def factors_of(connection: Connection, *, tenant: int, account: int, session: int | None) -> Factors | None:
    """Return what the account has, None when there is no such account that is active."""
    bucket = bucket_of(account)
    cursor = await connection.execute(
        """SELECT a.handle, a.password_hash IS NOT NULL,
                  EXISTS (SELECT 1 FROM totp t WHERE t.bucket = %s AND t.account = %s AND t.confirmed_at IS NOT NULL),
                  (SELECT count(*) FROM passkeys p WHERE p.bucket = %s AND p.account = %s),
                  (SELECT count(*) FROM identities i WHERE i.tenant = %s AND i.account = %s),
                  (SELECT extract(epoch FROM now() - s.created_at)::float8 FROM sessions s
                   WHERE s.bucket = %s AND s.id = %s AND s.account = %s)
           FROM accounts a WHERE a.bucket = %s AND a.id = %s AND a.state = 'active'""",
        [bucket, account, bucket, account, tenant, account, bucket, session, account, bucket, account],
    )
    row = await cursor.fetchone()
    return Factors(*row) if row else None
