"""How mail and links are wired: by settings, never by a request."""

from pathlib import Path

import pytest

from tintype.adapters.mailer_folder import FolderMailer
from tintype.adapters.mailer_smtp import SmtpMailer
from tintype.bootstrap.origin import site_url
from tintype.bootstrap.people import mailer
from tintype.settings import BadSettings, Settings, load_settings


def settings(**values: str) -> Settings:
    environment = {f"TINTYPE_{name.upper()}": value for name, value in values.items()}
    return load_settings(file=None, environment=environment, flags={})


def test_links_lead_where_the_settings_say() -> None:
    assert site_url(settings(public_url="https://pictures.example/")) == "https://pictures.example"
    assert site_url(settings(host="0.0.0.0", port="9000")) == "http://127.0.0.1:9000"  # noqa: S104 -- of a setting


def test_mails_become_files_until_a_server_is_named(tmp_path: Path) -> None:
    assert isinstance(mailer(settings(data=str(tmp_path))), FolderMailer)
    assert isinstance(mailer(settings(smtp_url="smtps://user:p%40ss@mail.example.org")), SmtpMailer)


@pytest.mark.parametrize("url", ["http://mail.example.org", "smtp://", "smtp://user:secret@host:0", "smtp://host/path"])
def test_what_is_no_mail_server_is_named_without_its_password(url: str) -> None:
    with pytest.raises(BadSettings) as caught:
        settings(smtp_url=url)
    assert "TINTYPE_SMTP_URL" in str(caught.value)
    assert "secret" not in str(caught.value)
