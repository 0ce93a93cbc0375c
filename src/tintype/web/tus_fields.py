"""What a tus client says of its file in `Upload-Metadata`, as a reservation: checked like the body of `POST /uploads`.

Clients send what else they know (Uppy its own `name`, `type` and `relativePath`): a word that is none of ours is left
alone, where a form that we designed would be refused for it.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from tintype.domain.kind import UploadKind
from tintype.domain.tus.creation import Creation
from tintype.domain.upload import Method
from tintype.usecases.reserve_upload import Reservation
from tintype.web.auth import Caller
from tintype.web.upload_fields import read_reservation

_SAME: Final = ("filename", "sha256", "kind", "title", "alt", "tags", "visibility", "attach_to")
"""Words that mean in metadata what they mean in JSON; an empty one says nothing."""

_UNKNOWN_TYPES: Final = frozenset({"", "null", "undefined"})
"""What browsers' scripts make of a type that they do not know."""


def reservation_of(creation: Creation, kinds: Mapping[str, UploadKind], caller: Caller) -> Reservation:
    """Return what the POST reserves; `Problem` request.invalid names every bad field."""
    said = creation.metadata
    given: dict[str, Any] = {"method": Method.TUS, "size": creation.length}
    given |= {name: said[name] for name in _SAME if said.get(name)}
    if said.get("filetype", "") not in _UNKNOWN_TYPES:
        given["content_type"] = said["filetype"]
    if "is_public" in said:
        given["is_public"] = {"true": True, "false": False}.get(said["is_public"], said["is_public"])
    if said.get("expires_in"):
        given["expires_in"] = said["expires_in"]
    if "attach_type" in said or "attach_id" in said:
        given["attach_to"] = {"type": said.get("attach_type", ""), "id": said.get("attach_id", "")}
    return read_reservation(given, kinds, caller)


def part_reservation(creation: Creation, kinds: Mapping[str, UploadKind], caller: Caller) -> Reservation:
    """Return what a part reserves: of what, and how long that may be, is said when it is made one with others."""
    bare = replace(creation, metadata={})
    return replace(reservation_of(bare, {kind.name: kind for kind in kinds.values()}, caller), kind=roomiest(kinds))


def roomiest(kinds: Mapping[str, UploadKind]) -> UploadKind:
    """Return the kind that takes the largest files, of those that need to belong to nothing if there is one."""
    return max(kinds.values(), key=lambda kind: (kind.attach is None, kind.limits.max_bytes))
