"""JPEG without anything but the picture (ITU-T T.81; JFIF 1.02).

The segments are walked from marker to marker as libjpeg does, so that what is kept is what decoders see. Kept: the
tables, the frame header, the scans with their entropy-coded data untouched, JFIF without its thumbnail, a well-formed
ICC profile, Adobe's APP14 (the colours depend on it), and of EXIF the orientation alone. Dropped: every other APPn
(XMP, IPTC, maker notes, JFXX thumbnails, multi-picture and gain-map indexes), comments, padding between segments, and
whatever follows the end marker.
"""

import re

from tintype.domain.format import Format
from tintype.domain.kind import Limits
from tintype.imaging import exif, icc, refusal
from tintype.imaging.examined import Examined, Splice

MAX_SEGMENTS = 4_096
"""Marker segments. Extended XMP and many scans need some hundreds; each costs microseconds here and in a decoder."""
MAX_SCANS = 100
"""Scans. Real progressive files have about ten; each makes a decoder go through all coefficients again."""

_DHT, _SOI, _EOI, _SOS, _DQT, _DRI, _COM = 0xC4, 0xD8, 0xD9, 0xDA, 0xDB, 0xDD, 0xFE
_APP0, _APP1, _APP2, _APP14 = 0xE0, 0xE1, 0xE2, 0xEE
_RESTARTS = range(0xD0, 0xD8)
_APPLICATION = range(0xE0, 0xF0)
_FRAMES = frozenset({0xC0, 0xC1, 0xC2})  # baseline, extended sequential, progressive; Huffman-coded
_UNCOMMON = {
    **dict.fromkeys((0xC3, 0xC7, 0xCB, 0xCF), "lossless"),
    **dict.fromkeys((0xC9, 0xCA, 0xCC, 0xCD), "arithmetic coding"),
    **dict.fromkeys((0xC5, 0xC6, 0xC8, 0xCE, 0xDE, 0xDF), "hierarchical"),
}
_COMPONENTS = (1, 3, 4)

_NEXT_MARKER = re.compile(rb"\xff[\x01-\xfe]")
_AFTER_ENTROPY = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""In entropy-coded data FF00 is a byte of data and FFD0–FFD7 are restarts (T.81, B.1.1.2): neither ends the scan."""

_ICC_PREFIX = b"ICC_PROFILE\0"
_ICC_DATA = 4 + len(_ICC_PREFIX) + 2  # marker and length, the prefix, the chunk's number and the count of chunks
_MAX_ICC_PART = 0xFFFF + 2 - _ICC_DATA


def sanitise_jpeg(source: memoryview, limits: Limits) -> Examined:
    """Return what of the JPEG is stored; its first marker is SOI. Raises `Problem`."""
    return _Walk(source, limits).run()


class _Walk:
    def __init__(self, source: memoryview, limits: Limits) -> None:
        self._source = source
        self._limits = limits
        self._kept = Splice(source)
        self._size: tuple[int, int] | None = None
        self._components = b""
        self._orientation: int | None = None
        self._profile: list[tuple[int, int]] = []
        self._profile_places: list[int] = []
        self._scans = 0

    def run(self) -> Examined:
        self._kept.keep(0, 2)
        position = 2
        for _ in range(MAX_SEGMENTS):
            # Like libjpeg: bytes that are no marker are skipped, and of several FF the last belongs to the marker.
            start, marker = self._find(_NEXT_MARKER, position)
            if marker == _EOI:
                return self._finish(start)
            position = start + 2 if marker in _RESTARTS else self._segment(marker, start)
        raise refusal.malformed(Format.JPEG, f"it has more than {MAX_SEGMENTS} segments")

    def _find(self, pattern: re.Pattern[bytes], position: int) -> tuple[int, int]:
        match = pattern.search(self._source, position)
        if match is None:
            raise refusal.truncated(Format.JPEG)
        return match.start(), self._source[match.start() + 1]

    def _segment(self, marker: int, start: int) -> int:
        """Judge the segment at `start`; return where the next one may begin."""
        if marker in _UNCOMMON:
            raise refusal.uncommon_coding(_UNCOMMON[marker])
        if marker < 0xC0 or marker == _SOI or 0xEF < marker < _COM:
            raise refusal.malformed(Format.JPEG, f"marker FF{marker:02X} does not belong in a picture")
        stop = self._end_of(start)
        if marker == _SOS:
            return self._scan(start, stop)
        if marker in _APPLICATION:
            self._application(marker, start, stop)
        elif marker in _FRAMES:
            self._frame(start, stop)
        elif marker in {_DQT, _DHT, _DRI}:
            self._table(marker, start, stop)
        # What is left is COM, and DNL, which decoders do not heed: a height of 0, which it would amend, is refused.
        return stop

    def _end_of(self, start: int) -> int:
        length = int.from_bytes(self._source[start + 2 : start + 4], "big")
        if start + 4 > len(self._source) or start + 2 + length > len(self._source):
            raise refusal.truncated(Format.JPEG)
        if length < 2:
            raise refusal.malformed(Format.JPEG, "a segment has an impossible length")
        return start + 2 + length

    def _finish(self, start: int) -> Examined:
        if self._size is None or not self._scans:
            raise refusal.malformed(Format.JPEG, "it has no picture in it")
        self._kept.keep(start, start + 2)
        width, height = exif.oriented(*self._size, self._orientation or exif.UPRIGHT)
        return Examined(Format.JPEG, width, height, 1, self._kept.pieces(), len(self._source))

    # The picture

    def _frame(self, start: int, stop: int) -> None:
        """Read the frame header (T.81, B.2.2): the first place where the size is known."""
        body = bytes(self._source[start + 4 : stop])
        if self._size is not None:
            raise refusal.malformed(Format.JPEG, "it has two frame headers")
        if len(body) < 6 or len(body) != 6 + 3 * body[5] or body[5] not in _COMPONENTS:
            raise refusal.malformed(Format.JPEG, "its frame header is not one")
        if body[0] != 8:
            raise refusal.uncommon_coding(f"{body[0]} bits per sample")
        height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
        if not width or not height:
            raise refusal.malformed(Format.JPEG, "its width or height is 0")
        refusal.check_pixels(width, height, width * height, self._limits)
        self._size, self._components = (width, height), body[6::3]
        self._kept.keep(start, stop)

    def _table(self, marker: int, start: int, stop: int) -> None:
        fits = {_DQT: _are_quantisation_tables, _DHT: _are_huffman_tables, _DRI: _is_restart_interval}[marker]
        if not fits(bytes(self._source[start + 4 : stop])):
            raise refusal.malformed(Format.JPEG, "a table is not one")
        self._kept.keep(start, stop)

    def _scan(self, start: int, stop: int) -> int:
        """Keep a scan's header (T.81, B.2.3) and the entropy-coded data up to the next marker."""
        body = bytes(self._source[start + 4 : stop])
        if self._size is None:
            raise refusal.malformed(Format.JPEG, "a scan comes before the frame header")
        if not body or body[0] not in range(1, 5) or len(body) != 4 + 2 * body[0]:
            raise refusal.malformed(Format.JPEG, "a scan header is not one")
        if any(component not in self._components for component in body[1:-3:2]):
            raise refusal.malformed(Format.JPEG, "a scan is of a component that the frame does not have")
        if not self._scans:
            self._settle_profile()
        self._scans += 1
        if self._scans > MAX_SCANS:
            raise refusal.malformed(Format.JPEG, f"it has more than {MAX_SCANS} scans")
        end, _ = self._find(_AFTER_ENTROPY, stop)
        if end == stop:
            raise refusal.malformed(Format.JPEG, "a scan has no data")
        self._kept.keep(start, end)
        return end

    # Application segments

    def _application(self, marker: int, start: int, stop: int) -> None:
        if self._scans:  # decoders heed them only before the first scan
            return
        head = bytes(self._source[start + 4 : min(stop, start + 18)])
        if marker == _APP0 and head.startswith(b"JFIF\0") and len(head) == 14:
            self._kept.put(start, stop, _segment(_APP0, head[:12] + b"\0\0"))  # a thumbnail of 0 × 0
        elif marker == _APP1 and head.startswith(b"Exif\0"):
            self._exif(start, stop)
        elif marker == _APP2 and head.startswith(_ICC_PREFIX) and len(head) == 14:
            self._profile.append((start, stop))
            self._profile_places.append(self._kept.keep(start, stop))
        elif marker == _APP14 and head.startswith(b"Adobe") and len(head) >= 12:
            self._kept.put(start, stop, _segment(_APP14, head[:12]))

    def _exif(self, start: int, stop: int) -> None:
        """Rebuild EXIF of its orientation. The first one counts, as for Chromium and libvips (both tried)."""
        if self._orientation is not None:
            return
        self._orientation = exif.orientation_of(self._source[start + 10 : stop])
        if self._orientation != exif.UPRIGHT:
            block = _segment(_APP1, b"Exif\0\0" + exif.orientation_block(self._orientation))
            self._kept.put(start, stop, block)

    def _settle_profile(self) -> None:
        """Keep the chunks of an ICC profile if they are complete (ICC.1:2022, annex B.4) and hold one, and no more."""
        numbered = {self._source[start + _ICC_DATA - 2]: (start, stop) for start, stop in self._profile}
        counts = {self._source[start + _ICC_DATA - 1] for start, _ in self._profile}
        whole = sorted(numbered) == list(range(1, len(self._profile) + 1)) and counts <= {len(self._profile)}
        data = b"".join(self._source[start + _ICC_DATA : stop] for _, (start, stop) in sorted(numbered.items()))
        try:
            profile = icc.profile_in(data) if whole else None
        except icc.ProfileTooLarge:
            raise refusal.malformed(Format.JPEG, icc.TOO_LARGE) from None
        if profile is None or len(profile) < len(data):
            rebuilt = _profile_segments(bytes(profile or b""))
            for place in self._profile_places:
                self._kept.replace(place, rebuilt)
                rebuilt = b""


def _segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2, "big") + body


def _profile_segments(profile: bytes) -> bytes:
    parts = [profile[start : start + _MAX_ICC_PART] for start in range(0, len(profile), _MAX_ICC_PART)]
    return b"".join(
        _segment(_APP2, _ICC_PREFIX + bytes((number, len(parts))) + part) for number, part in enumerate(parts, 1)
    )


def _are_quantisation_tables(body: bytes) -> bool:
    """T.81, B.2.4.1: precision and number, then 64 values of one or two bytes."""
    position = 0
    while position < len(body):
        precision, number = divmod(body[position], 16)
        if precision > 1 or number > 3:
            return False
        position += 1 + 64 * (precision + 1)
    return position == len(body)


def _are_huffman_tables(body: bytes) -> bool:
    """T.81, B.2.4.2: class and number, how many codes of each length, then a value per code."""
    position = 0
    while position < len(body):
        table_class, number = divmod(body[position], 16)
        values = sum(body[position + 1 : position + 17])
        if table_class > 1 or number > 3 or values > 256:
            return False
        position += 17 + values
    return position == len(body)


def _is_restart_interval(body: bytes) -> bool:
    return len(body) == 2
