import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.domain.format import Format
from tintype.web.negotiation import choose_format

BOTH = (Format.JPEG, Format.WEBP)
CHROME = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"


@pytest.mark.parametrize("accept", [CHROME, "image/webp", "IMAGE/WEBP;q=0.1", "text/html, image/webp"])
def test_who_names_webp_gets_it(accept: str) -> None:
    assert choose_format(accept, BOTH) is Format.WEBP


@pytest.mark.parametrize("accept", [None, "", "*/*", "image/*", "image/webp;q=0", "image/webp; q=0.000", "text/html"])
def test_everybody_else_gets_the_widely_known_format(accept: str | None) -> None:
    assert choose_format(accept, BOTH) is Format.JPEG


def test_only_what_there_is_can_be_chosen() -> None:
    assert choose_format(CHROME, (Format.PNG,)) is Format.PNG
    assert choose_format(CHROME, (Format.GIF,)) is Format.GIF


@given(st.text())
def test_any_header_gets_a_format(accept: str) -> None:
    assert choose_format(accept, BOTH) in BOTH
