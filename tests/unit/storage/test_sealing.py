import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.storage.sealing import SealBroken, Sealer

OLD, NEW = b"an old server key of 32 bytes ...", b"a new server key of 32 bytes ...."


@given(secret=st.binary(max_size=200), table=st.text(max_size=20), row=st.lists(st.integers() | st.text(max_size=9)))
def test_what_is_sealed_for_a_row_opens_there(secret: bytes, table: str, row: list[int | str]) -> None:
    sealed = Sealer(OLD).seal(secret, table, *row)
    assert secret not in sealed or len(secret) < 4
    assert Sealer(OLD).open(sealed, table, *row) == secret


@pytest.mark.parametrize("place", [("totp", 1, 8), ("keys", 1, 7), ("totp", 17), ("totp", "1", 7), ("totp", 1, 7, 0)])
def test_a_sealed_value_opens_in_no_other_place(place: tuple[str, int]) -> None:
    sealed = Sealer(OLD).seal(b"secret", "totp", 1, 7)
    with pytest.raises(SealBroken):
        Sealer(OLD).open(sealed, *place)


def test_a_sealed_value_of_which_one_bit_was_changed_does_not_open() -> None:
    sealed = Sealer(OLD).seal(b"secret", "totp", 1)
    for index in range(len(sealed)):
        changed = bytearray(sealed)
        changed[index] ^= 1
        with pytest.raises(SealBroken):
            Sealer(OLD).open(bytes(changed), "totp", 1)


def test_a_sealed_value_that_was_cut_does_not_open() -> None:
    sealed = Sealer(OLD).seal(b"secret", "totp", 1)
    for length in range(len(sealed)):
        with pytest.raises(SealBroken):
            Sealer(OLD).open(sealed[:length], "totp", 1)


def test_the_same_secret_is_never_sealed_alike() -> None:
    assert Sealer(OLD).seal(b"secret", "totp", 1) != Sealer(OLD).seal(b"secret", "totp", 1)


def test_after_a_change_of_the_server_key_old_values_open_and_new_ones_need_no_old_key() -> None:
    before = Sealer(OLD).seal(b"secret", "totp", 1)
    rotated = Sealer(NEW, OLD)
    assert rotated.open(before, "totp", 1) == b"secret"
    assert not rotated.is_current(before)
    after = rotated.seal(rotated.open(before, "totp", 1), "totp", 1)
    assert rotated.is_current(after)
    assert Sealer(NEW).open(after, "totp", 1) == b"secret"


def test_a_value_under_a_server_key_that_is_not_known_does_not_open() -> None:
    with pytest.raises(SealBroken, match="not known"):
        Sealer(NEW).open(Sealer(OLD).seal(b"secret", "totp", 1), "totp", 1)
