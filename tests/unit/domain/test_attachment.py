"""What an image belongs to: whose avatar it may be, and what its kind asks for."""

from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from tintype.domain.actor import Actor, Role
from tintype.domain.attachment import Lasting, attach, lasting, refuse_detaching, settled
from tintype.domain.errors import Code, Problem
from tintype.domain.ids import ACCOUNT_PREFIX, public_id
from tintype.domain.image import Attachment
from tintype.domain.kind import Limits, UploadKind
from tintype.domain.transform import Recipe

ME: Final = Actor(1, account=7)
MINE: Final = Attachment("account", public_id(ACCOUNT_PREFIX, 7))
OTHERS: Final = Attachment("account", public_id(ACCOUNT_PREFIX, 8))
ORDER: Final = Attachment("order", "1")


def named(name: str, belongs: str | None) -> UploadKind:
    return UploadKind(name, Limits(1, 1, 1, frozenset()), Recipe((), ()), attach=belongs)


AVATAR, PHOTO, PRODUCT = named("avatar", "account"), named("image", None), named("product", "order")
COVER: Final = replace(named("cover", "order"), one_per_owner=True)


@pytest.mark.parametrize(
    ("wanted", "given", "actor"),
    [
        (AVATAR, MINE, ME),
        (PHOTO, None, None),
        (PHOTO, ORDER, ME),
        (PRODUCT, ORDER, None),
        (PRODUCT, None, None),
        (COVER, ORDER, ME),
    ],
)
def test_what_suits_its_kind_is_taken(wanted: UploadKind, given: Attachment | None, actor: Actor | None) -> None:
    assert attach(wanted, given, actor) == given


@pytest.mark.parametrize(
    ("wanted", "given", "actor", "code"),
    [
        (AVATAR, None, ME, Code.REQUEST_INVALID),
        (AVATAR, ORDER, ME, Code.REQUEST_INVALID),
        (AVATAR, MINE, None, Code.AUTH_REQUIRED),
        (AVATAR, OTHERS, ME, Code.AUTH_FORBIDDEN),
        (AVATAR, replace(MINE, id="me"), ME, Code.AUTH_FORBIDDEN),
        (AVATAR, MINE, Actor(1, account=8, role=Role.OPERATOR), Code.AUTH_FORBIDDEN),
        (AVATAR, MINE, Actor(1, key=3), Code.AUTH_FORBIDDEN),
        (PHOTO, MINE, ME, Code.REQUEST_INVALID),
        (PRODUCT, Attachment("shelf", "1"), ME, Code.REQUEST_INVALID),
        (COVER, ORDER, None, Code.AUTH_REQUIRED),
        (PRODUCT, MINE, ME, Code.REQUEST_INVALID),
    ],
)
def test_what_does_not_is_refused(
    wanted: UploadKind, given: Attachment | None, actor: Actor | None, code: Code
) -> None:
    with pytest.raises(Problem) as caught:
        attach(wanted, given, actor)
    assert caught.value.code is code


@pytest.mark.parametrize(
    ("name", "before", "after", "allowed"),
    [
        ("avatar", MINE, MINE, True),
        ("avatar", MINE, None, False),
        ("avatar", MINE, OTHERS, False),
        ("image", None, MINE, False),
        ("image", None, ORDER, True),
        ("image", ORDER, None, True),
        ("product", ORDER, None, False),
        ("product", ORDER, Attachment("order", "2"), True),
        ("product", ORDER, Attachment("shelf", "2"), False),
        ("product", None, ORDER, True),
        ("product", None, Attachment("shelf", "2"), False),
        ("cover", None, ORDER, True),
        ("cover", ORDER, Attachment("order", "2"), False),
        ("cover", ORDER, None, False),
        ("a kind that there was", ORDER, None, True),
    ],
)
def test_a_change_takes_no_image_away_from_what_its_kind_belongs_to(
    name: str,
    before: Attachment | None,
    after: Attachment | None,
    allowed: bool,  # noqa: FBT001 -- a parameter of pytest's
) -> None:
    kind = next((each for each in (AVATAR, PHOTO, PRODUCT, COVER) if each.name == name), None)
    image: Any = type("Image", (), {"kind": name, "attached_to": before})()
    wanted: Any = type("Image", (), {"kind": name, "attached_to": after})()
    with nullcontext() if allowed else pytest.raises(Problem):
        refuse_detaching(image, wanted, kind)


NOW: Final = datetime(2026, 11, 20, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(hours=24)


@pytest.mark.parametrize(
    ("wanted", "belongs", "expires_in", "ends", "attach_by", "attached"),
    [
        (PHOTO, None, None, None, None, None),
        (PHOTO, None, HOUR, HOUR, None, None),
        (PRODUCT, ORDER, None, None, None, None),
        (PRODUCT, None, None, DAY, DAY, None),
        (PRODUCT, None, HOUR, HOUR, DAY, HOUR),
        (PRODUCT, None, 30 * DAY, DAY, DAY, 30 * DAY),
        (replace(PRODUCT, expires_in=2 * DAY, attach_within=HOUR), None, None, HOUR, HOUR, 2 * DAY),
    ],
)
def test_what_belongs_to_nothing_yet_is_kept_for_a_while_and_as_it_was_to_be_after(
    wanted: UploadKind,
    belongs: Attachment | None,
    expires_in: timedelta | None,
    ends: timedelta | None,
    attach_by: timedelta | None,
    attached: timedelta | None,
) -> None:
    kept = lasting(wanted, belongs, now=NOW, expires_in=expires_in)
    assert kept == Lasting(*(NOW + span if span is not None else None for span in (ends, attach_by, attached)))


@dataclass(frozen=True)
class Said:
    """What a change may say of an image."""

    attached_to: Attachment | None
    expires_at: datetime | None
    attach_by: datetime | None = None
    expires_attached: datetime | None = None


WAITING: Final = Said(None, NOW + DAY, NOW + DAY, NOW + 30 * DAY)


@pytest.mark.parametrize(
    ("change", "becomes"),
    [
        ({}, WAITING),
        ({"attached_to": ORDER}, Said(ORDER, NOW + 30 * DAY)),
        ({"attached_to": ORDER, "expires_at": None}, Said(ORDER, None)),
        ({"attached_to": ORDER, "expires_at": NOW + HOUR}, Said(ORDER, NOW + HOUR)),
        ({"expires_at": None}, replace(WAITING, expires_attached=None)),
        ({"expires_at": NOW + HOUR}, replace(WAITING, expires_at=NOW + HOUR, expires_attached=NOW + HOUR)),
    ],
)
def test_attaching_lifts_the_end_that_waiting_had(change: dict[str, Any], becomes: Said) -> None:
    image: Any = WAITING
    wanted: Any = replace(WAITING, **change)
    found: Any = settled(image, wanted, expiry_named="expires_at" in change)
    assert found == becomes
