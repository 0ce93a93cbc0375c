"""What is said of an image when it is made, checked no further than its shape: the rules are the server's."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypedDict, cast

from tintype_client.models import Attachment

AttachTo = Attachment | tuple[str, str] | str | Mapping[str, str]
"""`Attachment("product", "4711")`, `("product", "4711")`, `"product:4711"` or `{"type": "product", "id": "4711"}`."""


class Fields(TypedDict, total=False):
    """What may be said of a new image."""

    kind: str
    """Which of the server's kinds it is: its limits, sizes and rules. `image` unless you say."""
    title: str | None
    alt: str | None
    """The image in words, for those who cannot see it."""
    tags: Sequence[str]
    visibility: str | None
    """`public`, `unlisted` (by link), `followers` or `private`."""
    expires_in: int | None
    """Seconds after which it is deleted."""
    attach_to: AttachTo | None
    """What it belongs to."""


FIELDS: Final = frozenset(Fields.__annotations__)


def as_json(fields: Fields) -> dict[str, Any]:
    """Return the fields as members of a JSON object."""
    said = {name: value for name, value in fields.items() if value is not None}
    if "attach_to" in said:
        said["attach_to"] = attachment(fields["attach_to"])._asdict()
    if "tags" in said:
        said["tags"] = list(fields["tags"])
    return said


def as_query(fields: Fields) -> list[tuple[str, str]]:
    """Return the fields as parameters of a query."""
    pairs: list[tuple[str, str]] = []
    for name, value in as_json(fields).items():
        if name == "tags":
            pairs += [(name, tag) for tag in value]
        elif name == "attach_to":
            pairs += [("attach_type", value["type"]), ("attach_id", value["id"])]
        else:
            pairs.append((name, str(value)))
    return pairs


def attachment(given: AttachTo | None) -> Attachment:
    """Return what was meant; `ValueError` for what names nothing."""
    match given:
        case str():
            kind, _, identifier = given.partition(":")
        case {"type": str(kind), "id": str(identifier)} | (str(kind), str(identifier)):
            pass
        case _:
            kind = identifier = ""
    if not (kind and identifier):
        raise ValueError('attach_to is a type and an id, such as ("product", "4711") or "product:4711".')
    return Attachment(kind, identifier)


def fields_of(options: Mapping[str, Any]) -> Fields:
    """Return what is said of the image."""
    return cast("Fields", {name: value for name, value in options.items() if name in FIELDS})
