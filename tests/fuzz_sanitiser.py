"""The sanitiser under fire: what it takes in is the same picture afterwards, without a word beside it, in bounded time.

For every input: nothing is raised but a `Problem` of four codes. What is accepted has units of the allow-list alone, no
canary outside of the picture, is accepted a second time as it is, promises decoders no more pixels than were counted,
and shows them what it showed before.
"""

import random
import time
import zlib
from typing import Final

import samples
from decoders import Decoders
from file_units import foreign_units, outside_the_picture, units_of
from mutations import mutated
from png_samples import with_chunks
from sanitising import CANARY, LIMITS, written
from tintype.domain.errors import Code, Problem
from tintype.domain.kind import Limits
from tintype.imaging.examine import examine
from tintype.imaging.examined import Examined

REFUSALS: Final = frozenset(
    {
        *(Code.IMAGE_MALFORMED, Code.IMAGE_UNSUPPORTED_FORMAT, Code.IMAGE_TOO_MANY_PIXELS, Code.IMAGE_TOO_MANY_FRAMES),
        Code.UPLOAD_EMPTY,
    }
)
SECONDS_AT_LEAST: Final = 0.5
"""Of processor time; what is usual is a thousandth of it."""

SECONDS_PER_BYTE: Final = 2e-6

_READ_AHEAD: Final = 4096
"""Bytes behind the end of a JPEG: libjpeg-turbo guesses at damaged data in one way or another by how many are left."""

W, H = 37, 23  # no multiple of a block


class Sanitiser:
    """The target; `decoders` says what a file shows."""

    name = "sanitiser"

    def __init__(self, decoders: Decoders, limits: Limits = LIMITS) -> None:
        self._decoders = decoders
        self._limits = limits

    def examples(self) -> list[bytes]:
        """Return small files of every format and feature, most with canaries in all places for metadata."""
        return [*_jpegs(), *_pngs(), *_gifs(), *_webps()]

    def mutate(self, data: bytes, dice: random.Random) -> bytes:
        """Return the file after some mutations that know the format, and some that do not."""
        return mutated(data, dice)

    def check(self, data: bytes) -> str:
        """Hold the sanitiser to what it promises; return the refusal, or what the stored file consists of."""
        began = time.process_time()
        try:
            examined = examine(data, self._limits)
        except Problem as problem:
            assert problem.code in REFUSALS, problem.code  # noqa: PT017 -- both ends are right
            return problem.detail
        stored = written(data, examined)
        seconds = time.process_time() - began
        assert seconds < SECONDS_AT_LEAST + SECONDS_PER_BYTE * len(data), f"took {seconds:.2f} s"
        self._is_settled(stored, examined)
        assert foreign_units(stored) == []
        assert not outside_the_picture(stored, CANARY), "a canary is left"
        self._shows_the_same(data, stored, examined)
        kinds = dict.fromkeys(unit.kind for unit in units_of(data))
        return " ".join(kinds)

    def _is_settled(self, stored: bytes, examined: Examined) -> None:
        again = examine(stored, self._limits)
        assert again.clean, "sanitising twice changes something"
        shape = (examined.format, examined.width, examined.height, examined.frames)
        assert (again.format, again.width, again.height, again.frames) == shape, "the second look finds another shape"

    def _shows_the_same(self, data: bytes, stored: bytes, examined: Examined) -> None:
        behind = bytes(_READ_AHEAD) if data[:2] == b"\xff\xd8" else b""
        before, after = self._decoders.show(data + behind), self._decoders.show(stored + behind)
        # An animated PNG may have a still image that is none of its frames: Pillow counts it.
        counted = examined.width * examined.height * (examined.frames + 1)
        assert after.pixels <= counted, f"decoders expect {after.pixels} pixels where {counted} were counted"
        for decoder, picture in before.pictures.items():
            assert after.digests.get(decoder) == picture, f"{decoder} shows something else: {after.digests}"


def _jpegs() -> list[bytes]:
    multi_picture = samples.jpeg(W, H, canary=CANARY) + samples.jpeg(W // 2, H // 2, seed=1)
    return [
        samples.jpeg(W, H, orientation=6, gps=True, canary=CANARY),
        samples.jpeg(W, H, progressive=True, icc=samples.icc_profile(), canary=CANARY),
        samples.jpeg(W, H, mode="L", restart_blocks=2),
        samples.jpeg(W, H, mode="CMYK", canary=CANARY),
        samples.jpeg(W, H, progressive=True, restart_blocks=1, orientation=3),
        multi_picture,
    ]


def _pngs() -> list[bytes]:
    return [
        samples.png(W, H, orientation=8, icc=samples.icc_profile(), canary=CANARY),
        samples.png(W, H, mode="P", canary=CANARY),
        samples.png(W, H, mode="RGBA", bits=16, interlaced=True),
        samples.png(W, H, mode="1"),
        with_chunks(samples.png(W, H), (b"iCCP", CANARY + b"\0\0" + zlib.compress(samples.icc_profile()))),
        samples.apng(W, H, frames=3, canary=CANARY),
        samples.apng(W, H, frames=2, hidden_default=True),
    ]


def _gifs() -> list[bytes]:
    return [
        samples.gif(W, H, interlaced=True, canary=CANARY),
        samples.gif(W, H, frames=3, transparent=True, disposal=2, canary=CANARY),
        samples.gif(W, H, frames=3, disposal=3, loop=None),
    ]


def _webps() -> list[bytes]:
    return [
        samples.webp(W, H),
        samples.webp(W, H, lossless=True, mode="RGBA"),
        samples.webp(W, H, mode="RGBA", icc=samples.icc_profile(), canary=CANARY),
        samples.webp(W, H, lossless=True, canary=CANARY, orientation=6),
        samples.webp(W, H, frames=3, canary=CANARY),
        samples.webp(W, H, frames=2, mode="RGBA", lossless=True),
    ]
