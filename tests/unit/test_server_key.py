from pathlib import Path

import pytest

from tintype.server_key import sealer
from tintype.settings import SECRET_KEY_FILE, BadSettings, load_settings
from tintype.storage.sealing import SealBroken, Sealer

FIRST, SECOND, THIRD = "1" * 32, "2" * 40, "3" * 50


def sealer_with(data: Path, **variables: str) -> Sealer:
    environment = {f"TINTYPE_{name.upper()}": value for name, value in variables.items()}
    return sealer(load_settings(file=None, environment=environment, flags={"data": str(data)}))


def test_what_was_sealed_under_an_earlier_key_opens_as_long_as_that_is_listed(tmp_path: Path) -> None:
    sealed = sealer_with(tmp_path, secret_key=FIRST).seal(b"secret", "totp", 1)
    rotated = sealer_with(tmp_path, secret_key=THIRD, secret_key_old=f"{SECOND}, {FIRST}")
    assert rotated.open(sealed, "totp", 1) == b"secret"
    with pytest.raises(SealBroken):
        sealer_with(tmp_path, secret_key=THIRD, secret_key_old=SECOND).open(sealed, "totp", 1)


def test_the_data_directory_s_own_key_is_an_earlier_one_once_another_is_configured(tmp_path: Path) -> None:
    (tmp_path / SECRET_KEY_FILE).write_text("ab" * 32)
    sealed = sealer_with(tmp_path).seal(b"secret", "totp", 1)
    assert sealer_with(tmp_path, secret_key=FIRST).open(sealed, "totp", 1) == b"secret"


def test_an_earlier_key_that_is_none_is_reported_and_never_shown() -> None:
    with pytest.raises(BadSettings, match="TINTYPE_SECRET_KEY_OLD: the value is shorter") as caught:
        load_settings(file=None, environment={"TINTYPE_SECRET_KEY_OLD": f"{FIRST},hunter2"}, flags={})
    assert "hunter2" not in str(caught.value)
    settings = load_settings(file=None, environment={"TINTYPE_SECRET_KEY_OLD": FIRST}, flags={})
    assert settings.secret_key_old == (FIRST,)
    assert FIRST not in repr(settings)
