from pathlib import Path

import pytest

from tintype.settings import BadSettings, load_settings
from tintype.settings_oidc import OidcSettings

ISSUER = "https://login.example/realm/"


def load(tmp_path: Path, text: str, **variables: str) -> dict[str, OidcSettings]:
    file = tmp_path / "tintype.toml"
    file.write_text(text)
    environment = {f"TINTYPE_{name}": value for name, value in variables.items()}
    return load_settings(file=file, environment=environment, flags={}).oidc


def complaint(tmp_path: Path, text: str, **variables: str) -> str:
    with pytest.raises(BadSettings) as caught:
        load(tmp_path, text, **variables)
    return str(caught.value)


def test_nobody_signs_in_elsewhere_unless_it_is_said_where(tmp_path: Path) -> None:
    assert load(tmp_path, "") == {}


def test_a_provider_is_a_table_and_its_secret_may_lie_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2\n")
    provider = load(
        tmp_path,
        f'[oidc.work]\nissuer = "{ISSUER}"\nclient_id = "tintype"\nclient_secret_file = "{tmp_path}/secret"\n'
        'scopes = ["openid", "groups"]\nauto_create = false\n',
    )["work"]
    assert (provider.issuer, provider.client_id, provider.client_secret) == (ISSUER, "tintype", "hunter2")
    assert (provider.scopes, provider.auto_create) == (("openid", "groups"), False)
    assert "hunter2" not in repr(provider)


def test_a_provider_may_stand_in_the_environment(tmp_path: Path) -> None:
    given = {"OIDC__WORK__ISSUER": ISSUER, "OIDC__WORK__CLIENT_ID": "tintype", "OIDC__WORK__CLIENT_SECRET": "hunter2"}
    provider = load(tmp_path, "", **given)["work"]
    assert (provider.client_secret, provider.scopes) == ("hunter2", ("openid", "email", "profile"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[oidc.work]\nissuer = "https://login.example"\n', "oidc.work: needs an issuer and a client_id"),
        ('[oidc.work]\nissuer = "http://login.example"\nclient_id = "x"\n', "is not the https address"),
        ('[oidc."Big Corp"]\nissuer = "https://x.example"\nclient_id = "x"\n', "a provider is named by"),
        ('[oidc.w]\nissuer = "https://x.example"\nclient_id = "x"\nscopes = ["email"]\n', "openid is missing"),
        ('[oidc.w]\nissuer = "https://x.example"\nclient_id = "x"\nclient_secret_file = "/none"\n', "cannot be read"),
        ('[oidc.w]\nissuer = "https://x.example"\nclient_id = "x"\nscopes = ["openid a b"]\n', "what is no scope"),
        ('[oidc.w]\nissuers = "https://x.example"\n', "there is no such setting"),
    ],
)
def test_what_cannot_work_is_reported_at_start(tmp_path: Path, text: str, says: str) -> None:
    assert says in complaint(tmp_path, text)


def test_a_secret_is_given_once_and_never_shown(tmp_path: Path) -> None:
    table = f'[oidc.w]\nissuer = "{ISSUER}"\nclient_id = "x"\nclient_secret = "hunter2"\nclient_secret_file = "/x"\n'
    said = complaint(tmp_path, table)
    assert "one of the two" in said
    assert "hunter2" not in said
