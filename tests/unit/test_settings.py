from pathlib import Path

import pytest

from tintype.domain.format import Format
from tintype.domain.transform import Fit
from tintype.settings import BadSettings, Settings, load_settings
from tintype.settings_values import directory_of


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
    assert directory_of(settings.blobs_url) == Path(directory)


@pytest.mark.parametrize("url", ["file:images", "file://images", "file://host/images", "file:///a?b", "file:///a#b"])
def test_a_url_that_is_no_directory_of_this_machine_is_refused(url: str) -> None:
    with pytest.raises(BadSettings, match=r"TINTYPE_BLOBS_URL: .* is not the URL of a directory"):
        load(environment={"TINTYPE_BLOBS_URL": url})


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
