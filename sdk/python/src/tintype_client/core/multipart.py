"""Parts side by side: each is sent again alone when it fails, and those that are there already are not sent.

`Content-MD5` (RFC 1864) goes with each: S3 and the API check it, and no address has to be bound to it.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tintype_client.core.api import Api, segment, told
from tintype_client.core.effects import Flow, Slice, Source, md5, together
from tintype_client.core.progress import Meter
from tintype_client.core.put import put
from tintype_client.errors import AuthenticationError, PermissionDenied, UploadExpired
from tintype_client.models import UploadLink

URLS_AT_ONCE: Final = 50
"""Asked for together: each is a signature, and they are valid for a while only."""

FRESH_URLS: Final = 3
"""How often one part asks for another URL before it believes that it is refused for another reason."""

DEFAULT_PART_BYTES: Final = 8 * 1024 * 1024
"""When the server does not say."""

NamedPart = dict[str, Any]
"""A part that arrived, as the upload is completed by it: `number` and `etag`."""


@dataclass
class _Urls:
    """Where parts go, asked for when it is not known."""

    api: Api
    link: UploadLink
    count: int
    known: dict[int, str] = field(default_factory=dict)

    def of(self, number: int) -> Flow[str]:
        """Return where the part goes; its neighbours are asked for with it."""
        if number not in self.known:
            wanted = [each for each in range(number, self.count + 1) if each not in self.known][:URLS_AT_ONCE]
            path = f"/uploads/{segment(self.link.id)}/parts"
            answer = yield from self.api.call("POST", path, content={"numbers": wanted}, token=self.link.write_token)
            self.known.update((int(part["number"]), str(part["url"])) for part in told(answer)["parts"])
        return self.known[number]


def send_parts(
    api: Api, source: Source, link: UploadLink, *, there: Mapping[int, str], meter: Meter, parallel: int
) -> Flow[list[NamedPart]]:
    """Return every part, in order, once all have arrived; `there` are the ETags of those that had before."""
    size = link.part_size or DEFAULT_PART_BYTES
    offsets = range(0, source.size, size)
    urls = _Urls(api, link, len(offsets), {part.number: part.url for part in link.parts})
    flows: list[Flow[NamedPart]] = []
    named: list[NamedPart] = []
    for number, offset in enumerate(offsets, start=1):
        length = min(size, source.size - offset)
        if number in there:
            named.append({"number": number, "etag": there[number]})
            meter.arrived(offset, length)
        else:
            flows.append(_send_part(api, urls, number, Slice(source, offset, length, meter.part(offset))))
    named += yield from together(flows, parallel)
    return sorted(named, key=lambda part: int(part["number"]))


def _send_part(api: Api, urls: _Urls, number: int, body: Slice) -> Flow[NamedPart]:
    checksum = {"content-md5": b64encode((yield from md5(body))).decode()}
    for attempt in range(1, FRESH_URLS + 1):
        url = yield from urls.of(number)
        try:
            answer = yield from put(api, "PUT", url, body, checksum)
        except (AuthenticationError, PermissionDenied, UploadExpired):
            if attempt == FRESH_URLS:
                raise
            if urls.known.get(number) == url:  # its time is over: signed URLs live shorter than uploads
                del urls.known[number]
        else:
            return {"number": number, "etag": answer.headers.get("etag", "")}
    raise AssertionError("the last attempt returns or raises")


def parts_there(upload: Mapping[str, Any]) -> dict[int, str]:
    """Return the ETags of the parts that the server has; `upload` is the JSON of `GET /uploads/{id}`."""
    parts: Sequence[Mapping[str, Any]] = upload.get("parts") or ()
    return {int(part["number"]): str(part["etag"]) for part in parts if part.get("etag")}
