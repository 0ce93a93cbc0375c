"""One PUT to where the server said: storage itself, or a signed URL of the API."""

from collections.abc import Mapping

from tintype_client.core.api import Api, persist
from tintype_client.core.effects import Flow, Request, Response, Slice, Source
from tintype_client.core.progress import Meter
from tintype_client.models import UploadLink


def put_file(api: Api, source: Source, link: UploadLink, meter: Meter) -> Flow[None]:
    """Send the whole file."""
    body = Slice(source, 0, source.size, meter.part(0))
    yield from put(api, link.http_method, link.url, body, link.headers)


def put(api: Api, method: str, url: str, body: Slice, headers: Mapping[str, str]) -> Flow[Response]:
    """Return the answer of storage. The URL is the permission: it gets no credential of ours."""
    sent = {"user-agent": api.user_agent, **headers, "content-length": str(body.length)}
    return (yield from persist(Request(method, url, sent, body), api.retries))
