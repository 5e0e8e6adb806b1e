"""EXIF as flat JSON that people and SQL can read: names, decimal degrees, an ISO capture time."""

import json
import math
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

MAX_BYTES = 64 * 1024
_MAX_TEXT = 1000
_MAX_LIST = 32
_EXIF_IFD = 0x8769
_GPS_IFD = 0x8825
# Where the pixels lie, blobs that are kept elsewhere, and pointers: nothing to read.
_LEFT_OUT = frozenset(
    {
        "MakerNote",
        *("StripOffsets", "StripByteCounts", "TileOffsets", "TileByteCounts", "SubIFDs"),
        *("FreeOffsets", "FreeByteCounts", "JPEGTables", "JpegIFOffset", "JpegIFByteCount"),
        *("InterColorProfile", "XMLPacket", "ImageResources", "IPTCNAA", "PrintImageMatching"),
        *("ExifOffset", "GPSInfo", "ExifInteroperabilityOffset"),
        *("Padding", "ColorMap", "TransferFunction"),
    }
)


def exif_json(exif: Image.Exif) -> str | None:
    """The readable part of `exif` as a JSON object of at most 64 kB, or None for none.

    Beside the tags under their own names it has, where the file tells them, `Latitude` and
    `Longitude` in decimal degrees, `AltitudeMetres`, and `CaptureTime` in ISO 8601 (without a
    zone unless the camera wrote one).
    """
    tags = dict(_named(dict(exif), ExifTags.TAGS))
    tags |= _named(exif.get_ifd(_EXIF_IFD), ExifTags.TAGS)
    gps = dict(_named(exif.get_ifd(_GPS_IFD), ExifTags.GPSTAGS))
    found = tags | {f"GPS{name.removeprefix('GPS')}": value for name, value in gps.items()}
    found |= {name: value for name, value in _derived(tags, gps) if value is not None}
    return _bounded(found) if found else None


def _named(ifd: dict[int, Any], names: dict[int, str]) -> Iterator[tuple[str, Any]]:
    for tag, value in ifd.items():
        name = names.get(tag) or f"Tag{tag}"
        readable = None if name in _LEFT_OUT else _readable(value)
        if readable is not None:
            yield name, readable


def _readable(value: Any) -> Any:
    """`value` as JSON has it; None for what says nothing to a reader."""
    if isinstance(value, bytes) and len(value) == 1:
        return value[0]  # The sign of an altitude, say.
    if isinstance(value, bytes):
        value = value.rstrip(b"\0").decode("latin-1")
        value = value if value.isprintable() else None
    if isinstance(value, str):
        text = value.strip("\0 \t\r\n").replace("\0", " ")
        return text.encode(errors="replace").decode()[:_MAX_TEXT] or None
    if isinstance(value, int):
        return value
    if isinstance(value, float | IFDRational):
        number = _number(value)
        return round(number, 9) if number is not None else None
    if isinstance(value, tuple | list) and len(value) <= _MAX_LIST:
        return [_readable(item) for item in value]
    return None


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) else None


def _derived(tags: dict[str, Any], gps: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    yield "CaptureTime", _capture_time(tags)
    yield "Latitude", _degrees(gps.get("GPSLatitude"), gps.get("GPSLatitudeRef"), "S", 90)
    yield "Longitude", _degrees(gps.get("GPSLongitude"), gps.get("GPSLongitudeRef"), "W", 180)
    altitude = _number(gps.get("GPSAltitude"))
    below = str(gps.get("GPSAltitudeRef")) == "1"
    yield "AltitudeMetres", -altitude if altitude is not None and below else altitude


def _degrees(parts: Any, reference: Any, negative: str, most: int) -> float | None:
    numbers = [_number(part) for part in parts] if isinstance(parts, list) else []
    if not 1 <= len(numbers) <= 3:
        return None
    total = 0.0
    for index, number in enumerate(numbers):
        if number is None:
            return None
        total += number / 60**index
    if not 0 <= total <= most:
        return None
    return round(-total if str(reference).upper().startswith(negative) else total, 7)


def _capture_time(tags: dict[str, Any]) -> str | None:
    for name, suffix in (("DateTimeOriginal", "Original"), ("DateTimeDigitized", "Digitized")):
        text = tags.get(name)
        if not isinstance(text, str):
            continue
        fraction = str(tags.get(f"SubsecTime{suffix}") or "").strip()
        offset = str(tags.get(f"OffsetTime{suffix}") or "").strip()
        try:
            taken = datetime.strptime(text[:19], "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007 - see above
            if fraction.isdigit():
                taken = taken.replace(microsecond=int(f"{fraction:0<6}"[:6]))
            return datetime.fromisoformat(taken.isoformat() + offset).isoformat()
        except ValueError:
            continue
    return None


def _bounded(found: dict[str, Any]) -> str:
    text = json.dumps(found, ensure_ascii=False, sort_keys=True)
    while len(text.encode()) > MAX_BYTES:
        # The longest goes first: what was measured says more than an essay in a comment.
        longest = max(found, key=lambda name: len(json.dumps(found[name], ensure_ascii=False)))
        del found[longest]
        text = json.dumps(found, ensure_ascii=False, sort_keys=True)
    return text
