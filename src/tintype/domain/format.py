"""The image formats that Tintype reads and writes."""

from enum import StrEnum


class Format(StrEnum):
    """An image format that Tintype reads or writes, by its sniffed bytes."""

    JPEG = "jpeg"
    PNG = "png"
    GIF = "gif"
    WEBP = "webp"

    @property
    def extension(self) -> str:
        """The extension in URLs and keys, without the dot."""
        return "jpg" if self is Format.JPEG else self.value

    @property
    def media_type(self) -> str:
        """The IANA media type."""
        return f"image/{self.value}"

    @classmethod
    def from_extension(cls, extension: str) -> "Format | None":
        """The format that `extension` (`jpg`, `png` …) names in a URL, or None."""
        return _BY_EXTENSION.get(extension)


_BY_EXTENSION = {member.extension: member for member in Format}
