import zlib

import pytest
from PIL import Image

import samples
from renders import distance, opened, rendered, variant
from tintype.domain.format import Format
from tintype.domain.transform import Output, Transform
from tintype.ports.renderer import CannotDecode


@pytest.mark.parametrize(("data", "fmt"), [(samples.gif(frames=4), Format.GIF), (samples.webp(frames=4), Format.WEBP)])
def test_an_animation_shows_its_first_frame(data: bytes, fmt: Format) -> None:
    for to in (Format.JPEG, Format.WEBP, Format.PNG, Format.GIF):
        picture = variant(data, Transform(160, 120), to, fmt=fmt)
        assert getattr(picture, "n_frames", 1) == 1
        assert distance(picture, samples.moving(320, 240, frames=4)[0].resize((160, 120))) < 16


@pytest.mark.parametrize("to", Format)
def test_no_metadata_reaches_a_variant(to: Format) -> None:
    canary = b"CANARY-OF-METADATA"
    icc = samples.icc_profile()
    sources = [
        (samples.jpeg(orientation=6, gps=True, canary=canary, icc=icc), Format.JPEG),
        (samples.png(orientation=6, canary=canary, icc=icc), Format.PNG),
        (samples.webp(orientation=6, canary=canary, icc=icc), Format.WEBP),
        (samples.gif(canary=canary), Format.GIF),
    ]
    for source, fmt in sources:
        assert canary in source
        data = rendered(source, Output(Transform(100, 100), to), fmt=fmt).variants[0].data
        picture = opened(data)
        assert canary not in data
        assert len(picture.getexif()) == 0
        assert set(picture.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density", "progressive"} | {
            *(
                "progression",
                "dpi",
                "version",
                "background",
                "loop",
                "timestamp",
                "duration",
                "transparency",
                "extension",
            )
        }


def test_a_progressive_jpeg_is_written() -> None:
    data = rendered(samples.jpeg(), Output(Transform(100, 100), Format.JPEG)).variants[0].data
    assert "progressive" in opened(data).info


def test_quality_is_that_of_the_transform() -> None:
    for fmt in (Format.JPEG, Format.WEBP):
        low, high = rendered(
            samples.jpeg(), *[Output(Transform(300, 300, quality=quality), fmt) for quality in (30, 90)]
        ).variants
        assert len(low.data) < len(high.data)


@pytest.mark.parametrize(
    ("data", "fmt"),
    [
        (samples.jpeg(quality=95), Format.JPEG),
        (samples.jpeg(progressive=True, quality=95), Format.JPEG),
        (samples.png(), Format.PNG),
        (samples.png(interlaced=True), Format.PNG),
        (samples.webp(), Format.WEBP),
        (samples.webp(lossless=True), Format.WEBP),
        (samples.gif(), Format.GIF),
    ],
)
def test_a_file_that_ends_early_cannot_be_decoded(data: bytes, fmt: Format) -> None:
    assert rendered(data, Output(Transform(150, 150), Format.JPEG), fmt=fmt).variants
    for part in (0.5, 0.9):
        with pytest.raises(CannotDecode):
            rendered(data[: int(len(data) * part)], Output(Transform(150, 150), Format.JPEG), fmt=fmt)


def test_damage_below_the_part_that_is_shown_is_found_too() -> None:
    data = samples.jpeg(image=samples.noise(300, 1800), quality=90)
    with pytest.raises(CannotDecode):
        rendered(data[: int(len(data) * 0.95)], Output(Transform(150, 150), Format.JPEG))


def test_a_png_with_a_broken_checksum_cannot_be_decoded() -> None:
    data = bytearray(samples.png())
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(CannotDecode):
        rendered(bytes(data), Output(Transform(150, 150), Format.JPEG), fmt=Format.PNG)


def test_a_file_that_is_not_of_its_stored_format_cannot_be_decoded() -> None:
    with pytest.raises(CannotDecode, match="stored as jpeg"):
        rendered(samples.png(), Output(Transform(150, 150), Format.JPEG), fmt=Format.JPEG)


@pytest.mark.parametrize("data", [b"", b"\x89", b"<svg xmlns='http://www.w3.org/2000/svg'/>", bytes(1000)])
def test_what_is_no_image_cannot_be_decoded(data: bytes) -> None:
    with pytest.raises(CannotDecode):
        rendered(data, Output(Transform(150, 150), Format.JPEG), fmt=Format.PNG)


# Description


def test_a_description_is_given_when_asked_for() -> None:
    source = samples.jpeg(image=Image.new("RGB", (400, 300), (200, 40, 60)))
    assert rendered(source, Output(Transform(150, 150), Format.JPEG)).description is None
    description = rendered(source, describe=True).description
    assert description is not None
    assert description.dominant_color == "#c7283c"
    assert description.thumbhash


def test_a_description_does_not_need_much_of_a_picture() -> None:
    for size in ((1, 1), (1, 900), (900, 1)):
        for mode in ("RGB", "RGBA", "L", "LA"):
            assert rendered(samples.png(*size, mode=mode), fmt=Format.PNG, describe=True).description


def test_a_request_for_nothing_still_reads_the_header() -> None:
    assert rendered(samples.jpeg()).variants == ()
    with pytest.raises(CannotDecode):
        rendered(b"nothing")


def test_a_bomb_in_a_colour_profile_costs_nothing_but_the_profile() -> None:
    data = samples.png(64, 64)
    bomb = samples.png_chunk(b"iCCP", b"icc\0\0" + zlib.compress(bytes(1 << 26)))
    assert variant(data[:33] + bomb + data[33:], Transform(16, 16), fmt=Format.PNG).size == (16, 16)
