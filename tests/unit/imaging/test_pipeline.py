import io

import pytest
import pyvips
from PIL import Image

import samples
from renders import distance, opened, rendered, variant
from tintype.domain.format import Format
from tintype.domain.transform import Fit, Output, Transform

SIZES = (150, 300, 600)
P3 = bytes(pyvips.Image.profile_load("p3"))

# Sizes


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (601, 599), (3, 2000), (40, 30)])
@pytest.mark.parametrize(
    ("fit", "expected"),
    [
        (Fit.COVER, lambda w, h: (60, 90)),  # noqa: ARG005 - every fit gets the same arguments
        (Fit.FILL, lambda w, h: (60, 90)),  # noqa: ARG005 - likewise
        (Fit.CONTAIN, lambda w, h: (60, 90)),  # noqa: ARG005 - likewise
        (Fit.INSIDE, lambda w, h: (max(1, round(w * min(60 / w, 90 / h))), max(1, round(h * min(60 / w, 90 / h))))),
        (Fit.DOWN, lambda w, h: (max(1, round(w * min(1, 60 / w, 90 / h))), max(1, round(h * min(1, 60 / w, 90 / h))))),
    ],
)
def test_a_variant_has_the_size_its_fit_gives(size: tuple[int, int], fit: Fit, expected) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001 - a lambda of the table
    result = rendered(samples.jpeg(*size), Output(Transform(60, 90, fit), Format.JPEG)).variants[0]
    assert opened(result.data).size == (result.width, result.height) == expected(*size)


def test_every_output_comes_in_the_order_it_was_asked_for() -> None:
    outputs = [Output(Transform(size, size), fmt) for size in (300, 150, 600) for fmt in (Format.WEBP, Format.JPEG)]
    variants = rendered(samples.jpeg(1200, 900), *outputs).variants
    assert [variant.output for variant in variants] == outputs
    for made in variants:
        picture = opened(made.data)
        assert picture.size == (made.output.transform.width,) * 2
        assert picture.format == made.output.format.upper()


def test_small_sizes_show_the_same_picture_as_large_ones() -> None:
    source = samples.picture(1200, 900)
    outputs = [Output(Transform(size, size, quality=95), Format.PNG) for size in SIZES]
    for made in rendered(samples.jpeg(image=source, quality=95), *outputs).variants:
        expected = source.crop((150, 0, 1050, 900)).resize((made.width, made.height), Image.Resampling.LANCZOS)
        assert distance(opened(made.data), expected) < 3


def test_cover_shows_the_centre() -> None:
    source = Image.new("RGB", (900, 300), "red")
    source.paste("blue", (300, 0, 600, 300))
    picture = variant(samples.jpeg(image=source, quality=95), Transform(90, 90))
    assert picture.getpixel((45, 45)) == pytest.approx((0, 0, 255), abs=4)
    assert picture.getpixel((4, 45)) == pytest.approx((0, 0, 255), abs=4)
    assert picture.getpixel((85, 45)) == pytest.approx((0, 0, 255), abs=4)


def test_a_panorama_is_covered_as_any_other_picture() -> None:
    source = samples.picture(30_000, 700)
    outputs = [Output(Transform(600, 600), Format.PNG), Output(Transform(1000, 1000, Fit.INSIDE), Format.PNG)]
    square, strip = rendered(samples.jpeg(image=source, quality=95), *outputs, describe=True).variants
    expected = source.crop((14_650, 0, 15_350, 700)).resize((600, 600), Image.Resampling.LANCZOS)
    assert distance(opened(square.data), expected) < 3
    assert (strip.width, strip.height) == (1000, 23)


# Orientation and colours


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("size", [(640, 480), (481, 640)])
def test_all_orientations_look_alike_and_none_is_left_to_the_reader(orientation: int, size: tuple[int, int]) -> None:
    transforms = (Transform(150, 150), Transform(200, 200, Fit.INSIDE))
    for transform in transforms:
        upright = variant(samples.jpeg(*size, quality=95), transform)
        turned = variant(samples.jpeg(*size, quality=95, orientation=orientation), transform)
        assert turned.size == upright.size
        assert distance(turned, upright) < 2
        assert turned.getexif().get(0x0112, 1) == 1


@pytest.mark.parametrize("orientation", [3, 6])
def test_the_orientation_of_png_and_webp_counts_too(orientation: int) -> None:
    transform = Transform(150, 150)
    upright = variant(samples.png(320, 240), transform, fmt=Format.PNG)
    png = samples.png(320, 240, orientation=orientation)
    webp = samples.webp(320, 240, orientation=orientation, lossless=True)
    for data, fmt in ((png, Format.PNG), (webp, Format.WEBP)):
        assert distance(variant(data, transform, fmt=fmt), upright) < 2


def flat(color: tuple[int, ...]) -> pyvips.Image:
    return (pyvips.Image.black(64, 48) + list(color)).cast("uchar").copy(interpretation="srgb")


def _with_profile(name: str) -> bytes:
    return bytes(flat((200, 40, 60)).icc_transform(name, input_profile="srgb").jpegsave_buffer(Q=98))


def _with_broken_profile(profile: bytes) -> bytes:
    image = flat((200, 40, 60)).copy()
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    return bytes(image.jpegsave_buffer(Q=98))


@pytest.mark.parametrize(
    ("data", "fmt"),
    [
        pytest.param(_with_profile("p3"), Format.JPEG, id="Display P3"),
        pytest.param(_with_profile("cmyk"), Format.JPEG, id="CMYK with a profile"),
        pytest.param(_with_broken_profile(b"x" * 400), Format.JPEG, id="a profile that is none"),
        pytest.param(_with_broken_profile(pyvips.Image.profile_load("cmyk")), Format.JPEG, id="a profile for CMYK"),
        pytest.param(_with_broken_profile(P3[:20] + b"ABCD" + P3[24:]), Format.JPEG, id="a profile into unknown space"),
        pytest.param(flat((200, 40, 60)).colourspace("rgb16").pngsave_buffer(), Format.PNG, id="16 bits"),
    ],
)
def test_colours_become_srgb(data: bytes, fmt: Format) -> None:
    picture = variant(data, Transform(16, 16), fmt=fmt)
    assert picture.mode == "RGB"
    assert picture.getpixel((8, 8)) == pytest.approx((200, 40, 60), abs=4)


def test_grey_stays_grey() -> None:
    for mode, bits in (("L", 8), ("L", 16), ("1", 8)):
        picture = variant(samples.png(mode=mode, bits=bits), Transform(100, 100), fmt=Format.PNG)
        red, green, blue = picture.convert("RGB").split()
        assert red.tobytes() == green.tobytes() == blue.tobytes()


def test_cmyk_without_a_profile_looks_as_its_rgb_picture_does() -> None:
    picture = variant(samples.jpeg(mode="CMYK", quality=95), Transform(160, 120))
    assert distance(picture, samples.picture().resize((160, 120))) < 40  # a printer's colours are duller, not others


# Transparency


def test_what_is_transparent_is_white_in_jpeg_and_stays_transparent_in_webp_and_png() -> None:
    source = samples.png(mode="RGBA")
    outputs = [Output(Transform(150, 150), fmt) for fmt in (Format.JPEG, Format.WEBP, Format.PNG)]
    jpeg, webp, png = (opened(made.data) for made in rendered(source, *outputs, fmt=Format.PNG).variants)
    assert jpeg.mode == "RGB"
    assert jpeg.getpixel((140, 2)) == pytest.approx((255, 255, 255), abs=8)  # its first row has no opacity at all
    for picture in (webp, png):
        assert picture.mode == "RGBA"
        assert picture.getchannel("A").getextrema() == pytest.approx((0, 255), abs=3)


def test_contain_pads_with_white_in_jpeg_and_with_nothing_in_webp() -> None:
    source = samples.jpeg(image=Image.new("RGB", (400, 100), "red"))
    transform = Transform(80, 80, Fit.CONTAIN)
    jpeg = variant(source, transform, Format.JPEG)
    webp = variant(source, transform, Format.WEBP)
    assert jpeg.getpixel((40, 5)) == pytest.approx((255, 255, 255), abs=4)
    assert jpeg.getpixel((40, 40)) == pytest.approx((254, 0, 0), abs=6)
    assert webp.convert("RGBA").getpixel((40, 5))[3] == 0  # type: ignore[index] # Pillow types a pixel of any mode
    assert webp.convert("RGBA").getpixel((40, 40))[3] == 255  # type: ignore[index] # likewise


def test_transparent_pixels_do_not_bleed_into_visible_ones() -> None:
    source = Image.new("RGBA", (400, 400), (0, 255, 0, 0))
    source.paste((255, 0, 0, 255), (0, 0, 200, 400))
    file = io.BytesIO()
    source.save(file, "PNG")
    outputs = [Output(Transform(size, size), Format.PNG) for size in (41, 227)]
    for made in rendered(file.getvalue(), *outputs, fmt=Format.PNG).variants:
        colors = opened(made.data).getcolors(1 << 16) or []
        visible = [color for _, color in colors if isinstance(color, tuple) and color[3] > 40]
        assert max(green for _, green, _, _ in visible) < 12
        assert min(red for red, _, _, _ in visible) > 240
