"""Whether anything that a camera wrote about a photograph is still in what is served.

Three ways that share nothing: the parts of the served file (`file_parts`), what Pillow finds in it, and a search for
the words that stood in the source's metadata.
"""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from PIL import ExifTags, Image

from file_parts import Part, Role, Unreadable, parts_of

WORD_CHARACTERS: Final = 6
"""Shorter runs of printable bytes turn up in compressed data by chance."""

NAME_CHARACTERS: Final = 4
"""A camera's own name is looked for even when it is as short as “Sony”."""

_RUN: Final = re.compile(rb"[\x20-\x7e]{%d,}" % WORD_CHARACTERS)
_WIDE_RUN: Final = re.compile(rb"(?:[\x20-\x7e]\0){%d,}" % WORD_CHARACTERS)  # UTF-16, as in the tags of Windows
_EMBEDDED_JPEG: Final = re.compile(rb"\xff\xd8\xff.*?\xff\xd9", re.DOTALL)

_OF_THE_PICTURE: Final = (
    *("jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi", "adobe", "adobe_transform", "progressive"),
    *("progression", "gamma", "srgb", "chromaticity", "aspect", "interlace", "transparency", "background", "version"),
    *("extension", "loop", "duration", "timestamp", "disposal", "blend", "bbox", "default_image"),
)
"""What Pillow's `info` may tell of a file without metadata; originals may have a profile and an orientation too."""
_OF_ORIGINALS: Final = ("icc_profile", "exif")


@dataclass(frozen=True)
class Traces:
    """What to look for: words of the source's metadata that are not in its picture as well."""

    words: frozenset[bytes]

    def found_in(self, served: bytes) -> list[str]:
        """Return the words that `served` still has."""
        return [repr(word) for word in sorted(self.words) if word in served]


def traces_of(source: bytes) -> Traces:
    """Return the words of the source's EXIF, XMP, IPTC, comments and texts, and its camera's names.

    A word that stands in the picture's own part too (a table of Huffman codes, a profile) would prove nothing.
    """
    parts = list(_readable_parts(source))
    foreign = [_EMBEDDED_JPEG.sub(b"", part.body) for part in parts if _is_metadata(part)]
    words = {word.strip() for body in foreign for run in (_RUN, _WIDE_RUN) for word in run.findall(body)}
    words = {word for word in words if len(word) >= WORD_CHARACTERS} | set(_camera_names(source))
    picture = b"\xff".join(part.body for part in parts if part.role is not Role.FOREIGN)
    return Traces(frozenset(word for word in words if word not in picture))


def _readable_parts(source: bytes) -> Iterator[Part]:
    """Yield what can be walked: a camera's odd file is not this command's to judge."""
    try:
        yield from parts_of(source)
    except Unreadable:
        return


def _is_metadata(part: Part) -> bool:
    """What follows the end marker is mostly other pictures, whose bytes are no words."""
    return part.role is Role.FOREIGN and "after the end" not in part.name


def _camera_names(source: bytes) -> Iterator[bytes]:
    with Image.open(io.BytesIO(source)) as image:
        exif = image.getexif()
    for tag in (ExifTags.Base.Make, ExifTags.Base.Model):
        name = str(exif.get(tag, "")).strip(" \0").encode("utf-8", "replace")
        if len(name) >= NAME_CHARACTERS:
            yield name


def metadata_in(served: bytes, *, original: bool) -> list[str]:
    """Return what of metadata a served file has, a sentence each; an original may have a profile and an orientation."""
    return [*_foreign_parts(served, original=original), *_found_by_pillow(served, original=original)]


def _foreign_parts(served: bytes, *, original: bool) -> Iterator[str]:
    allowed = {Role.PICTURE, Role.PROFILE, Role.ORIENTATION} if original else {Role.PICTURE}
    try:
        for part in parts_of(served):
            if part.role not in allowed:
                yield f"{part.role}: {part.name}"
    except Unreadable as error:
        yield f"cannot be walked: {error}"


def _found_by_pillow(served: bytes, *, original: bool) -> Iterator[str]:
    with Image.open(io.BytesIO(served)) as image:
        image.load()
        allowed = _OF_THE_PICTURE + (_OF_ORIGINALS if original else ())
        unknown = sorted(set(map(str, image.info)).difference(allowed))
        tags = sorted(set(image.getexif()) - ({ExifTags.Base.Orientation} if original else set()))
        coordinates = dict(image.getexif().get_ifd(ExifTags.IFD.GPSInfo))
    if unknown:
        yield f"Pillow finds {', '.join(unknown)}"
    if tags or coordinates:
        yield f"Pillow finds EXIF tags {tags} and coordinates {coordinates}"
