"""The sentences with which a file is refused: what happened, why, and what to do. They are shown to the sender."""

from tintype.domain.errors import Code, Problem
from tintype.domain.format import Format
from tintype.domain.kind import Limits

NAMES = {Format.JPEG: "JPEG", Format.PNG: "PNG", Format.GIF: "GIF", Format.WEBP: "WebP"}
"""Each format as people write it."""


def empty() -> Problem:
    """Return the refusal of a file without a byte."""
    return Problem(Code.UPLOAD_EMPTY, "The file is empty: not one byte arrived. Choose the picture again and send it.")


def unsupported(found: Format | None, accepted: frozenset[Format]) -> Problem:
    """Return the refusal of a file whose first bytes are of no accepted format; `found` is what they are, if known."""
    names = [NAMES[each] for each in Format if each in accepted]
    listed = " or ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
    what = f"This is a {NAMES[found]}, which is" if found else "By its first bytes this is"
    return Problem(Code.IMAGE_UNSUPPORTED_FORMAT, f"{what} not an image that is accepted here. Send it as {listed}.")


def uncommon_coding(what: str) -> Problem:
    """Return the refusal of a JPEG that no browser shows; `what` names the coding."""
    detail = (
        f"This JPEG is coded in a way that browsers do not show ({what}). Save it as an ordinary JPEG and send that."
    )
    return Problem(Code.IMAGE_UNSUPPORTED_FORMAT, detail)


def truncated(image_format: Format) -> Problem:
    """Return the refusal of a file that stops before its end."""
    detail = (
        f"The {NAMES[image_format]} stops before its end: part of it was lost on the way. Send the whole file again."
    )
    return Problem(Code.IMAGE_MALFORMED, detail)


def malformed(image_format: Format, what: str) -> Problem:
    """Return the refusal of a damaged file; `what` completes the sentence “it is damaged: …”."""
    detail = f"The {NAMES[image_format]} is damaged: {what}. Export it again from the program that made it."
    return Problem(Code.IMAGE_MALFORMED, detail)


def check_pixels(width: int, height: int, pixels: int, limits: Limits) -> None:
    """Raise `IMAGE_TOO_MANY_PIXELS` when all frames together have more `pixels` than the limit."""
    if pixels <= limits.max_pixels:
        return
    frames = " a frame" if pixels > width * height else ""
    detail = (
        f"The image is {width} × {height} pixels{frames}, {_mega(pixels)} megapixels in all; "
        f"at most {_mega(limits.max_pixels)} are accepted here. Scale it down and send it again."
    )
    raise Problem(Code.IMAGE_TOO_MANY_PIXELS, detail)


def check_frames(frames: int, limits: Limits) -> None:
    """Raise `IMAGE_TOO_MANY_FRAMES` when there are more than the limit; `frames` may be a count so far."""
    if frames > limits.max_frames:
        detail = (
            f"The animation has more than the {limits.max_frames} frames accepted here. Shorten it and send it again."
        )
        raise Problem(Code.IMAGE_TOO_MANY_FRAMES, detail)


def _mega(pixels: int) -> str:
    return f"{pixels / 1_000_000:,.12g}"
