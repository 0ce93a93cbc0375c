"""A `POST /images`, by form or by raw body, as what the upload story wants: bytes, and what is said about them.

In a form the fields may come before or after the file, so that what is said is complete only at the end. Until the kind
is known, the file may be as long as the longest kind allows; its own limit is checked when it is.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Final

from tintype.domain.digest import BadDigest, parse_hex_sha256
from tintype.domain.errors import FieldError
from tintype.domain.image import Attachment
from tintype.domain.kind import UploadKind
from tintype.domain.visibility import Visibility
from tintype.usecases.upload_image import Submission
from tintype.web.auth import Caller
from tintype.web.body import RequestBody
from tintype.web.form_file import FORM_BYTES, FormFile
from tintype.web.image_fields import (
    MAX_ALT_CHARACTERS,
    MAX_TITLE_CHARACTERS,
    check_attachment,
    check_attachment_text,
    check_expires_in,
    check_suits,
    check_tags,
    check_text,
    check_visibility,
    invalid,
)

DEFAULT_KIND: Final = "image"


class UploadRequest:
    """The file of the request and what is said about it (`usecases/upload_image.py` Incoming)."""

    beside_file = 0
    """How many bytes the body may have that are not the file's."""

    def __init__(
        self, body: RequestBody, given: Sequence[tuple[str, str]], kinds: Mapping[str, UploadKind], caller: Caller
    ) -> None:
        self._body = body
        self._kinds = kinds
        self._given = list(given)
        self._caller = caller

    def chunks(self) -> AsyncIterator[bytes]:
        """Give the bytes of the file."""
        return self._body.chunks()

    def kinds(self) -> tuple[UploadKind, ...]:
        """Return the kinds that the image may still turn out to be; `Problem` for one that there is not."""
        named = [value for name, value in self._given if name == "kind"]
        return (self._kind(named[0]),) if named else tuple(self._kinds.values())

    def submission(self) -> Submission:
        """Return what is said about the image, complete when `chunks` has ended.

        `Problem` request.invalid names every bad field.
        """
        kinds = self.kinds()
        return _check(self._given, kinds[0] if len(kinds) == 1 else self._kind(DEFAULT_KIND), self._caller)

    def _kind(self, name: str) -> UploadKind:
        return _kind_in(self._kinds, name)


class RawUpload(UploadRequest):
    """The body is the file; the fields are in the query, so everything is known at once."""

    def kinds(self) -> tuple[UploadKind, ...]:
        """Return the one kind that the image is."""
        named = super().kinds()
        return named if len(named) == 1 else (self._kind(DEFAULT_KIND),)


class FormUpload(UploadRequest):
    """A multipart form with one part `file` (RFC 7578). Its query counts like its fields: a form may be posted so."""

    beside_file = FORM_BYTES

    def __init__(
        self,
        body: RequestBody,
        given: Sequence[tuple[str, str]],
        kinds: Mapping[str, UploadKind],
        caller: Caller,
        *,
        boundary: str,
    ) -> None:
        super().__init__(body, given, kinds, caller)
        self._form = FormFile(body, boundary, given=self._given, kinds=self.kinds)

    def chunks(self) -> AsyncIterator[bytes]:
        """Give the bytes of the file, and read the fields on the way."""
        return self._form.chunks()


def read_submission(
    given: Sequence[tuple[str, str]],
    kinds: Mapping[str, UploadKind],
    caller: Caller,
    *,
    wrong: tuple[FieldError, ...] = (),
) -> Submission:
    """Return what these fields say of a file that is to be fetched; `Problem` names those that are `wrong`, too."""
    named = [value for name, value in given if name == "kind"]
    source = next((value for name, value in given if name == "source_url"), None)
    kind = _kind_in(kinds, named[0] if named else DEFAULT_KIND)
    return replace(_check(given, kind, caller, {"source_url"}, wrong), source_url=source)


def _kind_in(kinds: Mapping[str, UploadKind], name: str) -> UploadKind:
    if name not in kinds:
        raise invalid([FieldError("kind", f"There is no kind {name[:40]!r}; there are {', '.join(kinds)}.")])
    return kinds[name]


def _check(
    given: Sequence[tuple[str, str]],
    kind: UploadKind,
    caller: Caller,
    more: AbstractSet[str] = frozenset(),
    wrong: tuple[FieldError, ...] = (),
) -> Submission:
    """Return what is said; `more` are the fields of this door alone, and `wrong` what is known of them."""
    errors = list(wrong)
    values = read_once([pair for pair in given if pair[0] != "tags"], _FIELDS | more, errors)
    submission = Submission(
        tenant=caller.tenant,
        actor=caller.actor,
        kind=kind,
        title=check_text("title", values.get("title", ""), MAX_TITLE_CHARACTERS, errors),
        alt=check_text("alt", values.get("alt", ""), MAX_ALT_CHARACTERS, errors),
        tags=check_tags([tag for name, value in given if name == "tags" for tag in value.split(",")], errors),
        visibility=_visibility(values, caller, errors),
        expires_in=check_expires_in(values["expires_in"], errors) if "expires_in" in values else None,
        attached_to=_attachment(values, errors),
        sha256=read_sha256(values, errors),
        address=caller.noted,
    )
    if errors:
        raise invalid(errors)
    return submission


_FIELDS: Final = frozenset(
    {
        *("kind", "title", "alt", "visibility", "is_public", "sha256"),
        *("expires_in", "attach_to", "attach_type", "attach_id"),
    }
)


def read_once(given: Sequence[tuple[str, str]], known: frozenset[str], errors: list[FieldError]) -> dict[str, str]:
    """Return the values of the known fields, each of which may be given once."""
    values: dict[str, str] = {}
    for name, value in given:
        if name not in known:
            errors.append(FieldError(name[:40], "There is no such field."))
        elif name in values:
            errors.append(FieldError(name, "The field is given twice."))
        else:
            values[name] = value
    return values


def _visibility(values: Mapping[str, str], caller: Caller, errors: list[FieldError]) -> Visibility | None:
    if "visibility" in values and "is_public" in values:  # one would be ignored, and it might be the private one
        errors.append(FieldError("is_public", "Give either visibility or is_public, not both."))
    elif "visibility" in values:
        chosen = check_visibility(values["visibility"], errors)
        check_suits(chosen, caller.actor.account if caller.actor else None, errors)
        return chosen
    elif "is_public" in values:
        if values["is_public"] in {"true", "false"}:
            return Visibility.PUBLIC if values["is_public"] == "true" else Visibility.UNLISTED
        errors.append(FieldError("is_public", "Either true or false."))
    return None


def _attachment(values: Mapping[str, str], errors: list[FieldError]) -> Attachment | None:
    if "attach_to" in values:
        return check_attachment_text(values["attach_to"], errors)
    if "attach_type" in values or "attach_id" in values:
        return check_attachment(values.get("attach_type", ""), values.get("attach_id", ""), errors)
    return None


def read_sha256(values: Mapping[str, str], errors: list[FieldError]) -> bytes | None:
    """Return the SHA-256 that the file is said to have."""
    try:
        return parse_hex_sha256(values["sha256"].strip()) if "sha256" in values else None
    except BadDigest as error:
        errors.append(FieldError("sha256", f"This {error}."))
        return None
