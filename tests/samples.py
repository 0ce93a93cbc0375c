"""Images made on the spot: deterministic, every format, every feature, and as much planted metadata as is asked for.

Every builder returns the bytes of a whole file that Pillow and libvips decode. `width` and `height` are pixels *as
seen*: with `orientation` 2–8 the stored raster is turned so that all eight look alike. A `canary` is planted in every
place of the format that can hold metadata, and after its end; `gps=True` plants coordinates as a camera would.
"""

import io
import random
import struct
import zlib
from collections.abc import Iterable
from typing import Any

import pyvips
from PIL import Image, ImageCms, ImageDraw

import exif_samples as exif

_TO_STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How the raster as seen becomes the raster as stored, by EXIF orientation."""


# Pictures


def picture(width: int = 640, height: int = 480, *, mode: str = "RGB", seed: int = 0) -> Image.Image:
    """Return gradients with an arrow and a few shapes: no symmetry, so that a wrong turn shows. `seed` varies it."""
    linear, radial = Image.linear_gradient("L"), Image.radial_gradient("L")
    bands = (linear, linear.transpose(Image.Transpose.ROTATE_90), radial)
    image = Image.merge("RGB", bands).resize((width, height))
    draw = ImageDraw.Draw(image)
    draw.polygon([(0, 0), (width // 2, height // 8), (width // 8, height // 2)], fill=(230, 30, 40))
    dice = random.Random(seed)
    for _ in range(4):
        x, y = dice.randrange(width), dice.randrange(height)
        fill = (dice.randrange(256), dice.randrange(256), dice.randrange(256))
        draw.rectangle([x, y, x + width // 6, y + height // 6], fill=fill)
    if mode in {"RGBA", "LA"}:
        image.putalpha(linear.resize((width, height)))
    return image if image.mode == mode else image.convert(mode)


def noise(width: int, height: int, *, seed: int = 0) -> Image.Image:
    """Return an RGB picture that does not compress: for files of a given size (about 1 byte per pixel as a JPEG)."""
    return Image.frombytes("RGB", (width, height), random.Random(seed).randbytes(width * height * 3))


def _as_stored(seen: Image.Image, orientation: int) -> Image.Image:
    return seen.transpose(_TO_STORED[orientation]) if orientation in _TO_STORED else seen


def icc_profile() -> bytes:
    """Return an sRGB profile, the same on every run."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = struct.pack(">6H", 2026, 1, 1, 0, 0, 0)  # its date of creation
    return bytes(profile)


# JPEG


def jpeg(
    width: int = 640,
    height: int = 480,
    *,
    orientation: int = 1,
    gps: bool = False,
    canary: bytes = b"",
    progressive: bool = False,
    mode: str = "RGB",
    icc: bytes = b"",
    restart_blocks: int = 0,
    quality: int = 85,
    image: Image.Image | None = None,
    seed: int = 0,
) -> bytes:
    """Return a JPEG. `mode` is L, RGB or CMYK (with Adobe's marker); `image` replaces the picture."""
    stored = _as_stored(image or picture(width, height, mode=mode, seed=seed), orientation)
    file = io.BytesIO()
    stored.save(
        file,
        "JPEG",
        quality=quality,
        progressive=progressive,
        icc_profile=icc or None,
        restart_marker_blocks=restart_blocks,
    )
    return with_jpeg_metadata(file.getvalue(), orientation=orientation, gps=gps, canary=canary)


def with_jpeg_metadata(data: bytes, *, orientation: int = 1, gps: bool = False, canary: bytes = b"") -> bytes:
    """Return the JPEG with EXIF as asked for and the canary in every other segment that can hold one."""
    head, rest = data[:2], data[2:]
    if rest[:2] == b"\xff\xe0":  # JFIF stays the first segment
        end = 2 + int.from_bytes(rest[2:4], "big")
        head, rest = head + rest[:end], rest[end:]
    segments = []
    if orientation != 1 or gps or canary:
        segments.append(jpeg_segment(0xE1, b"Exif\0\0" + exif.block(orientation, gps=gps, canary=canary)))
    if canary:
        segments += _jpeg_canaries(canary)
        rest += canary + data
    return head + b"".join(segments) + rest


def _jpeg_canaries(canary: bytes) -> list[bytes]:
    photoshop = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + len(canary).to_bytes(4, "big") + canary
    multi_picture = b"MPF\0II*\0\x08\0\0\0" + exif.directory(
        "<", [(0xB001, 4, 1), (0xB002, 7, b"\0" * 16), (0xB003, 7, canary)], 8
    )
    return [
        jpeg_segment(0xE0, b"JFXX\0\x10" + canary),
        jpeg_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + canary),
        jpeg_segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + canary),
        jpeg_segment(0xE2, multi_picture),
        jpeg_segment(0xE2, b"FPXR\0" + canary),
        *(jpeg_segment(marker, canary) for marker in (*range(0xE3, 0xED), 0xEF)),
        jpeg_segment(0xED, photoshop),
        jpeg_segment(0xFE, canary),
    ]


def jpeg_segment(marker: int, body: bytes) -> bytes:
    """Return a JPEG marker segment: FF, the marker's second byte, the length, the body."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


# PNG


def png(
    width: int = 640,
    height: int = 480,
    *,
    mode: str = "RGB",
    bits: int = 8,
    interlaced: bool = False,
    orientation: int = 1,
    canary: bytes = b"",
    icc: bytes = b"",
    seed: int = 0,
) -> bytes:
    """Return a PNG. `mode` is 1, L, LA, P, RGB or RGBA; `bits` 16 is for every mode but 1 and P; P has a tRNS chunk."""
    image = _as_stored(picture(width, height, mode=mode, seed=seed), orientation)
    file = io.BytesIO()
    if bits == 16 or interlaced:
        file.write(_png_by_vips(image, bits=bits, interlaced=interlaced))
    elif mode == "P":
        image.save(file, "PNG", transparency=bytes(range(0, 256, 4)), bits=bits, icc_profile=icc or None)
    else:
        image.save(file, "PNG", icc_profile=icc or None)
    return with_png_metadata(file.getvalue(), orientation=orientation, canary=canary)


def _png_by_vips(image: Image.Image, *, bits: int, interlaced: bool) -> bytes:
    raster = pyvips.Image.new_from_memory(
        image.convert("L").tobytes() if image.mode in {"1", "P"} else image.tobytes(),
        image.width,
        image.height,
        len(image.getbands()),
        "uchar",
    )
    grey = raster.bands < 3
    if bits == 16:
        raster = (raster.cast("ushort") * 257 + 5).cast("ushort")
        raster = raster.copy(interpretation="grey16" if grey else "rgb16")
    else:
        raster = raster.copy(interpretation="b-w" if grey else "srgb")
    return bytes(raster.pngsave_buffer(interlace=interlaced, palette=image.mode == "P", keep="none"))


def with_png_metadata(data: bytes, *, orientation: int = 1, canary: bytes = b"") -> bytes:
    """Return the PNG with eXIf if asked for and the canary in every textual and unknown chunk, and after IEND."""
    chunks = []
    if orientation != 1 or canary:
        chunks.append(png_chunk(b"eXIf", exif.block(orientation, gps=bool(canary), canary=canary)))
    if canary:
        chunks += [
            png_chunk(b"tEXt", b"Comment\0" + canary),
            png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(canary, 0)),
            png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + canary),
            png_chunk(b"tIME", struct.pack(">H5B", 2026, 1, 2, 3, 4, 5)),
            png_chunk(b"prVt", canary),
        ]
    head, rest = data[:33], data[33:]  # the signature and IHDR
    if canary:
        late = png_chunk(b"tEXt", b"Late\0" + canary)
        rest = rest[:-12] + late + rest[-12:] + canary
    return head + b"".join(chunks) + rest


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """Return a PNG chunk: length, type, body, CRC."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def apng(
    width: int = 320, height: int = 240, *, frames: int = 3, hidden_default: bool = False, canary: bytes = b""
) -> bytes:
    """Return an animated PNG; with `hidden_default` its still image is not one of the frames."""
    first, *others = moving(width, height, frames=frames + hidden_default, mode="RGBA")
    file = io.BytesIO()
    first.save(
        file,
        "PNG",
        save_all=True,
        append_images=others,
        default_image=hidden_default,
        duration=[40 + 10 * index for index in range(frames)],
        loop=2,
        disposal=1,
        blend=0,
    )
    return with_png_metadata(file.getvalue(), canary=canary)


# Animations, by GIF and WebP


def moving(width: int, height: int, *, frames: int, mode: str = "RGB") -> list[Image.Image]:
    """Return frames in which a square walks over the picture; no two are equal."""
    result = []
    for index in range(frames):
        frame = picture(width, height, mode=mode)
        x = index * width // (frames + 1)
        fill = (255 - index % 256, index % 256, 128, 200)[: 4 if mode == "RGBA" else 3]
        ImageDraw.Draw(frame).rectangle([x, height // 3, x + width // 5, height // 2], fill=fill)
        result.append(frame)
    return result


def gif(
    width: int = 320,
    height: int = 240,
    *,
    frames: int = 1,
    loop: int | None = 0,
    transparent: bool = False,
    disposal: int = 1,
    interlaced: bool = False,
    canary: bytes = b"",
) -> bytes:
    """Return a GIF; an animated one has a different delay per frame. `loop` None has no NETSCAPE block."""
    images = [frame.quantize(64) for frame in moving(width, height, frames=frames)]
    options: dict[str, Any] = {"interlace": int(interlaced)}
    if loop is not None:
        options["loop"] = loop
    if transparent:
        options["transparency"] = 3
    if frames > 1:
        delays = [40 + 10 * index for index in range(frames)]
        options |= {"save_all": True, "append_images": images[1:], "duration": delays, "disposal": disposal}
    file = io.BytesIO()
    images[0].save(file, "GIF", **options)
    return with_gif_metadata(file.getvalue(), canary) if canary else file.getvalue()


def with_gif_metadata(data: bytes, canary: bytes) -> bytes:
    """Return the GIF with the canary in a comment, XMP, an unknown application's block, and after the trailer."""
    start = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    magic_trailer = b"\x01" + bytes(range(255, -1, -1)) + b"\0"  # XMP specification part 3, section 1.1.2
    blocks = (
        gif_extension(0xFE, [canary]),
        gif_extension(0xFF, [b"ICCRGBG1012", canary]),
        b"!\xff\x0bXMP DataXMP" + canary + magic_trailer,
    )
    return b"GIF89a" + data[6:start] + b"".join(blocks) + data[start:] + canary


def gif_extension(label: int, sub_blocks: Iterable[bytes]) -> bytes:
    """Return a GIF extension: the introducer, its label, sub-blocks of 1–255 bytes, the terminator."""
    return bytes([0x21, label]) + b"".join(bytes([len(block)]) + block for block in sub_blocks) + b"\0"


def webp(
    width: int = 320,
    height: int = 240,
    *,
    frames: int = 1,
    mode: str = "RGB",
    lossless: bool = False,
    loop: int = 0,
    icc: bytes = b"",
    orientation: int = 1,
    canary: bytes = b"",
) -> bytes:
    """Return a WebP; `mode` RGBA has alpha; an animated one has a different delay per frame."""
    first, *others = (_as_stored(frame, orientation) for frame in moving(width, height, frames=frames, mode=mode))
    options: dict[str, Any] = {"lossless": lossless, "quality": 70, "method": 2}
    if icc:
        options["icc_profile"] = icc
    if orientation != 1 or canary:
        options["exif"] = exif.block(orientation, gps=bool(canary), canary=canary)
    if canary:
        options["xmp"] = canary
    if others:
        delays = [40 + 10 * index for index in range(frames)]
        options |= {"save_all": True, "append_images": others, "duration": delays, "loop": loop}
    file = io.BytesIO()
    first.save(file, "WEBP", **options)
    return with_webp_tail(file.getvalue(), canary) if canary else file.getvalue()


def with_webp_tail(data: bytes, canary: bytes) -> bytes:
    """Return the (extended) WebP with the canary in an unknown chunk, and after its end."""
    body = data[12:] + riff_chunk(b"prVt", canary)
    return riff_chunk(b"RIFF", b"WEBP" + body) + canary


def riff_chunk(fourcc: bytes, body: bytes) -> bytes:
    """Return a RIFF chunk: code, little-endian length, body, and a byte of padding when the length is odd."""
    return fourcc + struct.pack("<I", len(body)) + body + b"\0" * (len(body) & 1)


def undecodable_png() -> bytes:
    """Return a PNG whose chunks are in order, and whose pixels only a decoder finds to be none."""
    header = struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", b"no stream of zlib"), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)
