"""What the gallery shows of one object, and why there is no picture where there is none."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from s3pipelines.core.imaging.extensions import NO_IMAGES
from s3pipelines.core.imaging.failures import is_failure
from s3pipelines.core.imaging.thumbnails import ThumbnailParams, thumbnail_name
from s3pipelines.core.sources.source import Source
from s3pipelines.core.storage.ranged_reads import ARCHIVED_CLASSES

Show = Literal["all", "images", "pyramids", "failed"]

NOT_MADE_YET = "not_made_yet"
# EXIF orientations that lay an image on its side.
_LYING = range(5, 9)


@dataclass(frozen=True)
class PublishedPyramid:
    """A pyramid, as its row tells of it.

    Attributes:
        uri: Where it lies.
        sha256: Of its bytes, in hexadecimal; another file has another one.
    """

    uri: str
    size_bytes: int
    width_px: int
    height_px: int
    sha256: str


@dataclass(frozen=True)
class GalleryItem:
    """One object as the gallery shows it.

    Attributes:
        key: Its key, exactly as S3 has it.
        name: The key below the source's prefix.
        format: Short name of its format; None as long as its header was not read.
        width_px: Its width upright, as the thumbnail shows it; None likewise.
        height_px: Its height upright.
        thumbnail: Name of its thumbnail below the derivatives of the source; None if there is none.
        reason: Why there is none, in one word: one of `outcomes.Reason` or `not_made_yet`.
        detail: The same in a sentence; may be empty.
        failed: It is an image that is bad, or could not be had.
        pyramid: Its latest pyramid; None if there is none.
    """

    key: str
    name: str
    size_bytes: int
    last_modified: datetime
    storage_class: str
    format: str | None
    width_px: int | None
    height_px: int | None
    thumbnail: str | None
    reason: str | None
    detail: str
    failed: bool
    pyramid: PublishedPyramid | None = None


def shows(item: GalleryItem, show: Show) -> bool:
    """Whether a gallery of that kind shows the item."""
    if show == "images":
        return item.thumbnail is not None
    if show == "pyramids":
        return item.pyramid is not None
    return item.failed if show == "failed" else True


def item_of(row: Mapping[str, Any], source: Source, params: ThumbnailParams) -> GalleryItem:
    """The item of one row of `gallery_rows.rows_of`."""
    header = row["header"] or {}
    width_px, height_px = header.get("width_px"), header.get("height_px")
    if header.get("orientation") in _LYING:
        width_px, height_px = height_px, width_px
    reason, detail = _why_none(row)
    name = thumbnail_name(params.digest, source.id, row["key"], row["etag"])
    return GalleryItem(
        key=row["key"],
        name=row["key"].removeprefix(source.prefix),
        size_bytes=row["size_bytes"],
        last_modified=row["last_modified"].astimezone(UTC),
        storage_class=row["storage_class"],
        format=header.get("format"),
        width_px=width_px,
        height_px=height_px,
        thumbnail=name if reason is None else None,
        reason=reason,
        detail=detail,
        failed=reason != NOT_MADE_YET and is_failure(reason, row["extension"]),
        pyramid=PublishedPyramid(**row["pyramid"]) if row["pyramid"] else None,
    )


def _why_none(row: Mapping[str, Any]) -> tuple[str | None, str]:
    """The reason and detail why there is no thumbnail; None if there is one."""
    thumbnail, header = row["thumbnail"], row["header"]
    if thumbnail is not None:
        return thumbnail["error"], thumbnail["error_detail"] or ""
    # What its header showed to be no image, or broken, may never be tried for a thumbnail.
    if header is not None and header["error"] is not None:
        return header["error"], header["error_detail"] or ""
    if row["storage_class"] in ARCHIVED_CLASSES:
        return "archived", f"Its storage class is {row['storage_class']}."
    if row["extension"] in NO_IMAGES or row["key"].endswith("/"):
        return "not_an_image", "Its name says that it is no image."
    return NOT_MADE_YET, ""
