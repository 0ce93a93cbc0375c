"""An identity provider: who somebody is elsewhere, by OpenID Connect's code flow with PKCE."""

from typing import Protocol

from tintype.domain.oidc import Claims


class IdentityProvider(Protocol):
    """One provider, as it is configured."""

    async def authorization_url(self, *, redirect_uri: str, state: str, nonce: str, code_challenge: str) -> str:
        """Return where the browser is sent to.

        `Problem` auth.provider_unavailable when the provider does not answer, or not as one.
        """
        ...

    async def redeem(self, code: str, *, redirect_uri: str, verifier: str, nonce: str) -> Claims:
        """Return who signed in, once everything about the ID token was checked.

        `Problem`: auth.oidc_failed for a code or a token that is not to be believed, auth.provider_unavailable.
        """
        ...
