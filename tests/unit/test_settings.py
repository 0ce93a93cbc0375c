import base64
from datetime import timedelta
from pathlib import Path

import pytest

from tintype.bootstrap.origin import hsts_of, origin_url
from tintype.diagnosis.chosen import chosen_settings
from tintype.domain.format import Format
from tintype.domain.transform import Fit
from tintype.settings import BadSettings, Settings, load_settings
from tintype.settings_blobs import Directory, S3Bucket, place_of
from tintype.settings_security import BadKey, key_variables, with_printed_key


def load(
    text: str = "", environment: dict[str, str] | None = None, tmp_path: Path | None = None, **flags: object
) -> Settings:
    file = None
    if tmp_path is not None:
        file = tmp_path / "tintype.toml"
        file.write_text(text)
    return load_settings(file=file, environment=environment or {}, flags=flags)


def test_the_defaults_are_those_of_the_design() -> None:
    settings = load()
    image = settings.kinds["image"]
    assert image.limits.max_bytes == 10_000_000
    assert image.limits.max_pixels == 50_000_000
    assert [preset.name for preset in image.recipe.presets] == ["thumb", "gallery", "medium", "large"]
    assert [preset.name for preset in image.recipe.presets if preset.eager] == ["thumb", "gallery", "medium"]
    assert image.recipe.outputs == (Format.JPEG, Format.WEBP)
    assert set(settings.kinds) == {"image", "avatar", "banner", "post"}


def test_flags_beat_the_environment_which_beats_the_file_which_beats_defaults(tmp_path: Path) -> None:
    text = 'port = 1111\nhost = "10.0.0.1"\nworkers = 3\n'
    settings = load(text, {"TINTYPE_PORT": "2222", "TINTYPE_WORKERS": "4"}, tmp_path, port="3333")
    assert (settings.port, settings.workers, settings.host, settings.renderers) == (3333, 4, "10.0.0.1", 2)


def test_a_table_in_the_file_adds_a_use_case(tmp_path: Path) -> None:
    text = """
        [presets]
        card = { width = 320, height = 180, fit = "inside", quality = 70 }
        [kinds.product]
        max_bytes = "2MiB"
        formats = ["png"]
        presets = ["card"]
        outputs = ["png"]
    """
    kind = load(text, tmp_path=tmp_path).kinds["product"]
    card = kind.recipe.presets[0].transform
    assert (card.width, card.height, card.fit, card.quality) == (320, 180, Fit.INSIDE, 70)
    assert (kind.limits.max_bytes, kind.limits.formats) == (2 * 2**20, frozenset({Format.PNG}))


def test_nested_settings_come_from_the_environment() -> None:
    environment = {"TINTYPE_UPLOAD__STALL_SECONDS": "2.5", "TINTYPE_KINDS__IMAGE__MAX_BYTES": "1kB"}
    settings = load(environment=environment)
    assert settings.upload.stall_seconds == 2.5
    assert settings.kinds["image"].limits.max_bytes == 1000


def test_every_bad_value_is_reported_at_once_by_the_name_it_was_given() -> None:
    environment = {
        "TINTYPE_PORT": "http",
        "TINTYPE_UPLOAD__STALL_SECONDS": "-1",
        "TINTYPE_KINDS__IMAGE__FORMATS": "jpeg,tiff",
        "TINTYPE_NO_SUCH": "1",
    }
    with pytest.raises(BadSettings) as caught:
        load(environment=environment, api_processes="0")
    said = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 5
    for name in [*environment, "--api-processes"]:
        assert f"{name}: " in said


@pytest.mark.parametrize(
    "name",
    [
        "TINTYPE_KINDS__IMAGE__VISIBLITY",
        "TINTYPE_KINDS__IMAGE__MAX_BYTE",
        "TINTYPE_KINDS__IMAGE__FORMATS__JPEG",
        "TINTYPE_PRESETS__THUMB__WIDHT",
        "TINTYPE_KINDS__IMAGE",
        "TINTYPE_PRESETS",
        "TINTYPE_UPLOAD",
        "TINTYPE_UPLOAD__STALL",
        "TINTYPE_PORT__NUMBER",
    ],
)
def test_a_name_that_is_no_setting_is_reported_as_it_was_given(name: str) -> None:
    with pytest.raises(BadSettings) as caught:
        load(environment={name: "private"})
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].startswith(f"{name}: ")


def test_a_misspelt_key_of_a_kind_in_the_file_is_reported_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(
        BadSettings, match=r"^kinds\.product\.max_byte: there is no such setting; there are max_bytes, "
    ):
        load('[kinds.product]\nmax_byte = "1kB"\n', tmp_path=tmp_path)
    with pytest.raises(BadSettings, match=r"^presets\.card: is a table of settings, not a value"):
        load("[presets]\ncard = 640\n", tmp_path=tmp_path)


def test_only_an_avatar_and_a_banner_belong_to_an_account(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"kinds\.product\.attach: 'account' is for avatar and banner alone"):
        load('[kinds.product]\nattach = "account"\n', tmp_path=tmp_path)
    kinds = load('[kinds.product]\nattach = "order"\n', tmp_path=tmp_path).kinds
    assert {name: kinds[name].attach for name in ("product", "avatar", "image")} == {
        "product": "order",
        "avatar": "account",
        "image": None,
    }


def test_a_bad_secret_is_reported_without_showing_it() -> None:
    with pytest.raises(BadSettings) as caught:
        load(environment={"TINTYPE_SECRET_KEY": "hunter2", "TINTYPE_DATABASE_URL": "mysql://me:hunter2@db"})
    assert len(caught.value.problems) == 2
    assert "hunter2" not in str(caught.value)


def test_a_part_of_the_system_needs_a_database_that_the_others_reach() -> None:
    with pytest.raises(BadSettings, match="TINTYPE_DATABASE_URL"):
        load(role="worker")
    assert load(environment={"TINTYPE_DATABASE_URL": "postgresql://db/tintype"}, role="worker").role == "worker"


@pytest.mark.parametrize(
    ("key", "value"), [("outputs", '["gif"]'), ("outputs", "[]"), ("formats", "[]"), ("outputs", '["jpeg", "tiff"]')]
)
def test_a_kind_takes_something_and_makes_what_can_be_delivered(key: str, value: str, tmp_path: Path) -> None:
    with pytest.raises(BadSettings) as caught:
        load(f"[kinds.image]\n{key} = {value}\n", tmp_path=tmp_path)
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [f"kinds.image.{key}"]


@pytest.mark.parametrize(
    ("url", "directory"),
    [
        ("file:///srv/images", "/srv/images"),
        ("file:/srv/images", "/srv/images"),
        ("file://localhost/srv/images", "/srv/images"),
        ("file:///srv/my%20images", "/srv/my images"),
    ],
)
def test_images_lie_where_the_url_says(url: str, directory: str) -> None:
    settings = load(environment={"TINTYPE_BLOBS_URL": url})
    assert settings.blobs_url is not None
    assert place_of(settings.blobs_url) == Directory(Path(directory))


@pytest.mark.parametrize("url", ["file:images", "file://images", "file://host/images", "file:///a?b", "file:///a#b"])
def test_a_url_that_is_no_directory_of_this_machine_is_refused(url: str) -> None:
    with pytest.raises(BadSettings, match=r"TINTYPE_BLOBS_URL: .* is not the URL of a directory"):
        load(environment={"TINTYPE_BLOBS_URL": url})


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("s3://bucket", "https://bucket.s3.us-east-1.amazonaws.com/1/x"),
        ("s3://bucket/a/b/?region=eu-central-1", "https://bucket.s3.eu-central-1.amazonaws.com/a/b/1/x"),
        ("s3://my.bucket", "https://s3.us-east-1.amazonaws.com/my.bucket/1/x"),
        ("s3://bucket/a?endpoint=https://s3.example.org:443", "https://s3.example.org/bucket/a/1/x"),
        ("s3://bucket?endpoint=http://[::1]:9000&addressing=host", "http://bucket.[::1]:9000/1/x"),
        ("s3://bucket?public_endpoint=https://cdn.example.org", "https://bucket.cdn.example.org/1/x"),
    ],
)
def test_a_bucket_is_where_the_url_says(url: str, address: str) -> None:
    settings = load(environment={"TINTYPE_BLOBS_URL": url})
    assert settings.blobs_url is not None
    place = place_of(settings.blobs_url)
    assert isinstance(place, S3Bucket)
    assert place.url("1/x", public="public_endpoint" in url) == address


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("s3://", "is not where images can lie"),
        ("s3://bucket/../other", "has a prefix that is none"),
        ("s3://bucket?endpont=x", "has the option endpont"),
        ("s3://bucket?endpoint=ftp://x", "has an endpoint that is not"),
        ("s3://bucket?addressing=both", "has an addressing that is neither"),
        ("s3://key:hunter2@bucket", "is not where images can lie"),
        ("gs://bucket?region=x", "has options"),
        ("http://bucket", "is not where images can lie"),
    ],
)
def test_a_bucket_that_cannot_be_is_refused_without_showing_the_url(url: str, reason: str) -> None:
    with pytest.raises(BadSettings, match=f"TINTYPE_BLOBS_URL: the value {reason}") as caught:
        load(environment={"TINTYPE_BLOBS_URL": url})
    assert "hunter2" not in str(caught.value)


def test_a_url_that_cannot_be_taken_apart_is_not_shown() -> None:
    with pytest.raises(BadSettings) as caught:
        load(environment={"TINTYPE_DATABASE_URL": "postgresql://me:hunter2\u2100@db/x"})
    assert len(caught.value.problems) == 1
    assert "hunter2" not in str(caught.value)


def test_secrets_are_not_in_the_printed_settings() -> None:
    settings = load(
        environment={"TINTYPE_DATABASE_URL": "postgresql://me:hunter2@db/x", "TINTYPE_SECRET_KEY": "s" * 32}
    )
    assert "hunter2" not in repr(settings)
    assert "s" * 32 not in repr(settings)


def test_a_file_that_cannot_be_read_is_a_bad_setting(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="cannot be read"):
        load("port = = 1", tmp_path=tmp_path)
    with pytest.raises(BadSettings, match="cannot be read"):
        load_settings(file=tmp_path / "missing.toml", environment={}, flags={})


@pytest.mark.parametrize("name", ["original", "Thumb", "a/b", ""])
def test_a_preset_has_a_name_that_a_url_can_hold(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="a preset is named by"):
        load(f'[presets]\n"{name}" = {{ width = 1, height = 1 }}\n', tmp_path=tmp_path)


# Keys


KEY = bytes(range(32))


@pytest.mark.parametrize("text", [KEY.hex(), KEY.hex().upper(), base64.b64encode(KEY).decode()])
def test_a_key_is_written_in_hexadecimal_or_base64(text: str) -> None:
    settings = load(environment={"TINTYPE_BLOB_KEY": text, "TINTYPE_BLOB_KEY_OLD": f"{text},{'ab' * 32}"})
    assert (settings.encryption.key, settings.encryption.old_keys) == (KEY, (KEY, b"\xab" * 32))


@pytest.mark.parametrize("text", ["correct horse battery staple", KEY.hex()[:-2], KEY.hex() + "00", "g" * 64])
def test_what_is_no_key_is_refused_and_not_shown(text: str) -> None:
    for name in ("TINTYPE_BLOB_KEY", "TINTYPE_BLOB_KEY_OLD"):
        with pytest.raises(BadSettings) as caught:
            load(environment={name: text})
        (problem,) = caught.value.problems
        assert problem.startswith(f"{name}: the value is no key")
        assert text not in problem


def test_keys_are_in_no_representation_and_in_no_finding() -> None:
    settings = load(environment={"TINTYPE_BLOB_KEY": KEY.hex(), "TINTYPE_BLOB_KEY_OLD": KEY.hex()})
    shown = repr(settings) + repr(settings.encryption) + str(list(map(str, chosen_settings(settings))))
    assert "encryption.key is set" in shown
    for form in (KEY.hex(), repr(KEY), str(KEY)[2:-1], base64.b64encode(KEY).decode()):
        assert form not in shown


def test_a_command_prints_the_key_once_and_its_children_are_given_it() -> None:
    given = load(environment={"TINTYPE_BLOB_KEY_COMMAND": f"echo {KEY.hex()}"}).encryption
    resolved = with_printed_key(given)
    assert (resolved.key, with_printed_key(resolved)) == (KEY, resolved)
    children = load(environment=dict(key_variables(given, resolved)))
    assert (children.encryption.key, children.encryption.key_command) == (KEY, "")
    assert key_variables(resolved, resolved) == {}


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("false", "ended with status 1"),
        ("/no/such/program", "cannot be run"),
        ("echo 'unclosed", "cannot be run"),
        (f"echo {KEY.hex()}00", "is no key"),
    ],
)
def test_a_command_that_prints_no_key_is_told_without_what_it_printed(command: str, said: str) -> None:
    given = load(environment={"TINTYPE_BLOB_KEY_COMMAND": command}).encryption
    with pytest.raises(BadKey, match=said) as caught:
        with_printed_key(given)
    assert KEY.hex() not in str(caught.value)


def test_a_key_and_a_command_or_half_a_certificate_are_one_too_many_and_one_too_few() -> None:
    with pytest.raises(BadSettings) as caught:
        load(
            environment={
                "TINTYPE_BLOB_KEY": KEY.hex(),
                "TINTYPE_BLOB_KEY_COMMAND": "true",
                "TINTYPE_TLS__CERTIFICATE": "/certificate.pem",
            }
        )
    assert [problem.partition(":")[0] for problem in caught.value.problems] == ["TINTYPE_BLOB_KEY_COMMAND", "tls"]


@pytest.mark.parametrize(
    ("environment", "hsts"),
    [
        ({}, None),
        ({"TINTYPE_PUBLIC_URL": "https://pictures.example"}, timedelta(days=365)),
        ({"TINTYPE_PUBLIC_URL": "https://pictures.example", "TINTYPE_TLS__HSTS": "off"}, None),
        ({"TINTYPE_PUBLIC_URL": "http://pictures.example", "TINTYPE_TLS__HSTS": "1d"}, None),
        ({"TINTYPE_TLS__CERTIFICATE": "c", "TINTYPE_TLS__KEY": "k", "TINTYPE_TLS__HSTS": "1d"}, timedelta(days=1)),
    ],
)
def test_browsers_are_told_to_insist_on_https_where_they_come_by_it(
    environment: dict[str, str], hsts: timedelta | None
) -> None:
    assert hsts_of(load(environment=environment)) == hsts


def test_a_worker_asks_this_machine_or_the_public_address_by_the_protocol_that_is_spoken_there() -> None:
    tls = {"TINTYPE_TLS__CERTIFICATE": "c", "TINTYPE_TLS__KEY": "k", "TINTYPE_HOST": "0.0.0.0"}  # noqa: S104
    assert origin_url(load()) == "http://127.0.0.1:8000"
    assert origin_url(load(environment=tls)) == "https://127.0.0.1:8000"
    elsewhere = {
        "TINTYPE_ROLE": "worker",
        "TINTYPE_DATABASE_URL": "postgresql://x/y",
        "TINTYPE_PUBLIC_URL": "https://pictures.example/",
    }
    assert origin_url(load(environment=elsewhere)) == "https://pictures.example"


def test_what_the_server_may_call_is_nothing_of_its_own_networks_unless_they_are_named(tmp_path: Path) -> None:
    usual = load()
    assert (usual.outgoing.allow, usual.outgoing.ports) == ((), frozenset({80, 443}))
    assert sum(usual.webhooks.retries, timedelta()) > timedelta(days=1)
    text = '[outgoing]\nallow = ["10.1.0.0/16", "fd00::7"]\nports = [443, 8443]\n[webhooks]\nretries = ["1s", "2m"]\n'
    own = load(text, tmp_path=tmp_path)
    assert (list(map(str, own.outgoing.allow)), own.outgoing.ports) == (
        ["10.1.0.0/16", "fd00::7/128"],
        frozenset({443, 8443}),
    )
    assert own.webhooks.retries == (timedelta(seconds=1), timedelta(minutes=2))
    bad = {"OUTGOING__ALLOW": "intranet", "OUTGOING__PORTS": "0", "WEBHOOKS__RETRIES": "soon", "WEBHOOKS__KEEP": "1h"}
    with pytest.raises(BadSettings) as caught:
        load("", {f"TINTYPE_{name}": value for name, value in bad.items()})
    assert len(caught.value.problems) == len(bad)
