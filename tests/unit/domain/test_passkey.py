import pytest

from tintype.domain.ids import BadId, public_id
from tintype.domain.passkey import PASSKEY_PREFIX, counter_is_sound, parse_passkey_id


@pytest.mark.parametrize(
    ("before", "now", "sound"), [(0, 0, True), (0, 1, True), (4, 5, True), (4, 4, False), (4, 3, False), (4, 0, False)]
)
def test_a_counter_goes_on_or_there_is_none(before: int, now: int, sound: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    assert counter_is_sound(before, now) is sound


def test_an_id_is_read_as_it_was_written() -> None:
    assert parse_passkey_id(public_id(PASSKEY_PREFIX, 77)) == 77


@pytest.mark.parametrize("text", ["", "psk_", "psk_1", "img_00000000000", "psk_zzzzzzzzzzz", "psk_0000000000-"])
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(BadId):
        parse_passkey_id(text)
