import struct

import pytest

import samples
from png_samples import chunks_of, png_of, with_chunks
from sanitising import CANARY, LIMITS, refusal_of, stored
from tintype.domain.errors import Code
from tintype.imaging.examine import examine

W, H = 61, 47
PLAIN = samples.png(W, H)
IHDR, IDAT = chunks_of(PLAIN)[0], chunks_of(PLAIN)[1]
IEND = (b"IEND", b"")

ANIMATED = chunks_of(samples.apng(W, H, frames=3))
HIDDEN = chunks_of(samples.apng(W, H, frames=2, hidden_default=True))


def control(**changes: int) -> bytes:
    """Return the body of an fcTL chunk, the first of its animation unless changed."""
    fields = {"sequence": 0, "width": W, "height": H, "left": 0, "top": 0, "dispose": 0, "blend": 0} | changes
    place = struct.pack(">5I", *(fields[name] for name in ("sequence", "width", "height", "left", "top")))
    return place + struct.pack(">2H2B", 1, 25, fields["dispose"], fields["blend"])


def still_as_frame(*, frames: int = 1, **changes: int) -> bytes:
    return with_chunks(PLAIN, (b"acTL", struct.pack(">II", frames, 0)), (b"fcTL", control(**changes)))


def test_frames_are_counted_with_and_without_the_still_image() -> None:
    assert examine(png_of(ANIMATED), LIMITS).frames == 3
    assert examine(png_of(HIDDEN), LIMITS).frames == 2
    assert examine(still_as_frame(), LIMITS).frames == 1


def test_without_its_header_an_animation_is_the_still_image() -> None:
    still = [chunk for chunk in ANIMATED if chunk[0] not in {b"acTL", b"fcTL", b"fdAT"}]
    headless = png_of([chunk for chunk in ANIMATED if chunk[0] != b"acTL"])
    late = png_of([*[chunk for chunk in ANIMATED[:-1] if chunk[0] != b"acTL"], (b"acTL", bytes(7) + b"\3"), IEND])
    assert stored(headless) == stored(late) == png_of(still)
    assert examine(headless, LIMITS).frames == 1


def test_more_frames_than_the_limit_are_refused_from_the_header() -> None:
    source = png_of([IHDR, (b"acTL", struct.pack(">II", 2**31 - 1, 0))])
    assert refusal_of(source) is Code.IMAGE_TOO_MANY_FRAMES


ACTL = (b"acTL", struct.pack(">II", 1, 0))
DATA = (b"fdAT", struct.pack(">I", 1) + IDAT[1])
BAD_ANIMATIONS = {
    "fewer frames than it says": still_as_frame(frames=2),
    "more frames than it says": png_of([(kind, ACTL[1] if kind == b"acTL" else body) for kind, body in ANIMATED]),
    "no frames": with_chunks(PLAIN, (b"acTL", bytes(8))),
    "an acTL chunk that is not one": with_chunks(PLAIN, (b"acTL", bytes(7))),
    "two acTL chunks": with_chunks(PLAIN, ACTL, ACTL, (b"fcTL", control())),
    "a first frame that is smaller than the image": still_as_frame(width=W - 1),
    "a frame with a wrong number": still_as_frame(sequence=1),
    "an unknown disposal": still_as_frame(dispose=3),
    "an unknown blending": still_as_frame(blend=2),
    "an fcTL chunk that is too long": with_chunks(PLAIN, ACTL, (b"fcTL", control() + CANARY)),
    "two frames before the image": with_chunks(
        PLAIN, (b"acTL", struct.pack(">II", 2, 0)), (b"fcTL", control()), (b"fcTL", control(sequence=1))
    ),
    "a frame beyond the image": png_of([IHDR, ACTL, IDAT, (b"fcTL", control(left=1)), DATA, IEND]),
    "a frame below the image": png_of([IHDR, ACTL, IDAT, (b"fcTL", control(top=1)), DATA, IEND]),
    "a frame of no width": png_of([IHDR, ACTL, IDAT, (b"fcTL", control(width=0)), DATA, IEND]),
    "a frame without data": png_of([IHDR, ACTL, IDAT, (b"fcTL", control()), IEND]),
    "a frame of empty data": png_of([IHDR, ACTL, IDAT, (b"fcTL", control()), (b"fdAT", DATA[1][:4]), IEND]),
    "frame data too short for its number": png_of([IHDR, ACTL, IDAT, (b"fcTL", control()), (b"fdAT", b"\0"), IEND]),
    "frame data before its frame": with_chunks(PLAIN, ACTL, (b"fcTL", control()), DATA),
    "frame data out of order": png_of([IHDR, ACTL, IDAT, (b"fcTL", control()), (b"fdAT", bytes(4) + IDAT[1]), IEND]),
}


def test_the_animation_that_the_damaged_ones_derive_from_is_accepted() -> None:
    source = png_of([IHDR, ACTL, IDAT, (b"fcTL", control()), DATA, IEND])
    assert stored(source) == source


@pytest.mark.parametrize("name", BAD_ANIMATIONS)
def test_an_animation_that_contradicts_itself_is_refused(name: str) -> None:
    assert refusal_of(BAD_ANIMATIONS[name]) is Code.IMAGE_MALFORMED
