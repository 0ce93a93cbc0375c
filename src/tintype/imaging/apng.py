"""The animation of a PNG (PNG, third edition, section 11.3.4): its frames are held against what acTL says."""

import struct

from tintype.domain.errors import Problem
from tintype.domain.format import Format
from tintype.domain.kind import Limits
from tintype.imaging import refusal


class Animation:
    """Follows acTL, fcTL and fdAT in the order in which they come. Every method raises `Problem`."""

    def __init__(self, control: bytes, canvas: tuple[int, int], limits: Limits) -> None:
        """`control` is the body of acTL, `canvas` the width and height in pixels."""
        if len(control) != 8:
            raise _malformed("its acTL chunk is not one")
        self._frames: int = struct.unpack(">II", control)[0]
        if not self._frames:
            raise _malformed("its animation has no frames")
        refusal.check_frames(self._frames, limits)
        refusal.check_pixels(*canvas, canvas[0] * canvas[1] * self._frames, limits)
        self._canvas = canvas
        self._sequence = 0
        self._begun = 0
        self._open = False
        """Whether the last frame still lacks its data."""
        self._image_is_frame = False

    def frame_control(self, body: bytes, *, before_image: bool) -> None:
        """Take the body of an fcTL chunk; one before IDAT makes the still image the first frame."""
        if len(body) != 26:
            raise _malformed("its fcTL chunk is not one")
        sequence, width, height, left, top, _, _, dispose, blend = struct.unpack(">5I2H2B", body)
        self._follow(sequence)
        if self._open:
            raise _malformed("a frame has no data")
        if not width or not height or left + width > self._canvas[0] or top + height > self._canvas[1]:
            raise _malformed("a frame does not lie within the image")
        if before_image and ((width, height) != self._canvas or self._image_is_frame):
            raise _malformed("its first frame is not the image")
        if dispose > 2 or blend > 1:
            raise _malformed("a frame asks for what PNG does not have")
        self._begun += 1
        self._open = not before_image
        self._image_is_frame |= before_image

    def frame_data(self, body: bytes) -> None:
        """Take the beginning of the body of an fdAT chunk."""
        if len(body) < 4:
            raise _malformed("its fdAT chunk is not one")
        self._follow(int.from_bytes(body[:4], "big"))
        if self._begun - self._image_is_frame == 0:
            raise _malformed("frame data comes before its frame")
        self._open = self._open and len(body) == 4

    def finish(self) -> int:
        """Return the number of frames; there are as many as acTL promised."""
        if self._open or self._begun != self._frames:
            raise _malformed("its frames are not as many as it says")
        return self._frames

    def _follow(self, sequence: int) -> None:
        if sequence != self._sequence:
            raise _malformed("its frames are out of order")
        self._sequence += 1


def _malformed(what: str) -> Problem:
    return refusal.malformed(Format.PNG, what)
