"""What an image belongs to: whose avatar it may be, and what its kind asks for."""

from contextlib import nullcontext
from dataclasses import replace
from typing import Any, Final

import pytest

from tintype.domain.actor import Actor, Role
from tintype.domain.attachment import attach, refuse_detaching
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


@pytest.mark.parametrize(
    ("wanted", "given", "actor"),
    [(AVATAR, MINE, ME), (PHOTO, None, None), (PHOTO, ORDER, ME), (PRODUCT, ORDER, None), (PRODUCT, ORDER, ME)],
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
        (PRODUCT, None, ME, Code.REQUEST_INVALID),
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
        ("a kind that there was", ORDER, None, True),
    ],
)
def test_a_change_takes_no_image_away_from_what_its_kind_belongs_to(
    name: str,
    before: Attachment | None,
    after: Attachment | None,
    allowed: bool,  # noqa: FBT001 -- a parameter of pytest's
) -> None:
    kind = next((each for each in (AVATAR, PHOTO, PRODUCT) if each.name == name), None)
    image: Any = type("Image", (), {"kind": name, "attached_to": before})()
    wanted: Any = type("Image", (), {"kind": name, "attached_to": after})()
    with nullcontext() if allowed else pytest.raises(Problem):
        refuse_detaching(image, wanted, kind)
