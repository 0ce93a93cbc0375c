"""Builds what counts usage and keeps quotas."""

from dataclasses import dataclass

from litestar import Router

from tintype.db.clock import DatabaseClock
from tintype.db.pool import Database
from tintype.reads.tenants import Tenants
from tintype.reads.usage import Usage
from tintype.settings import Settings
from tintype.usecases.count_requests import CountRequests
from tintype.usecases.set_quota import SetQuota
from tintype.web.auth import Authenticator
from tintype.web.client_address import ForwardedHeader, Proxies
from tintype.web.request_tally import RequestTally
from tintype.web.usage import UsageApi, usage_routes


@dataclass(frozen=True, slots=True)
class UsageParts:
    """What an API process counts with and answers by."""

    usage: Usage
    count_requests: CountRequests
    tally: RequestTally
    routes: Router


def usage_parts(
    settings: Settings, database: Database, clock: DatabaseClock, tenants: Tenants, authenticator: Authenticator
) -> UsageParts:
    """Return the parts of one API process."""
    usage, count_requests = Usage(database, settings.quotas), CountRequests(database=database, clock=clock)
    proxies = Proxies(settings.trusted_proxies, ForwardedHeader(settings.forwarded_header))
    api = UsageApi(usage, SetQuota(database), tenants, authenticator, proxies)
    return UsageParts(usage, count_requests, RequestTally(authenticator, count_requests), usage_routes(api))
