"""`RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10): how a caller stands."""

from collections.abc import Sequence

from tintype.domain.rate_limit import Standing, Unit


def rate_limit_headers(standings: Sequence[Standing]) -> dict[str, str]:
    """Return the headers that tell a caller about its buckets; none when nothing is counted."""
    if not standings:
        return {}
    return {
        "ratelimit-policy": ", ".join(map(_policy, standings)),
        "ratelimit": ", ".join(f'"{_name(standing)}";r={standing.left};t={standing.reset}' for standing in standings),
    }


def _name(standing: Standing) -> str:
    return standing.scope if standing.unit is Unit.REQUESTS else f"{standing.scope}-bytes"


def _policy(standing: Standing) -> str:
    unit = "" if standing.unit is Unit.REQUESTS else f';qu="{standing.unit}"'
    return f'"{_name(standing)}";q={standing.limit.burst:.0f};w={standing.limit.window}{unit}'
