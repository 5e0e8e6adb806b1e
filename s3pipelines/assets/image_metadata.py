"""What runs over images show in the Dagster UI: numbers that plot, tables, the contact sheet."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from dagster import MetadataValue, TableColumn, TableRecord, TableSchema

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import TableSchema as CatalogTable
from s3pipelines.core.errors import printable
from s3pipelines.core.imaging.missing import count_missing
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.report import Report
from s3pipelines.core.imaging.summary import by_format
from s3pipelines.core.imaging.wishes import Kind, Work
from s3pipelines.core.preview.contact_sheet import Tile, contact_sheet
from s3pipelines.core.preview.items import Show
from s3pipelines.core.preview.links import gallery_url
from s3pipelines.core.preview.pyramid_tiles import newest_pyramids
from s3pipelines.core.preview.samples import sample_tiles
from s3pipelines.core.sql.selection import Selection

_MOST_FORMATS = 50
# What the gallery shows of what a kind of work makes.
_SHOWN: dict[Kind, Show] = {"thumbnail": "all", "pyramid": "pyramids"}


def metadata_of(
    catalog: Catalog, work: Work, pool: DecodePool, report: Report, viewer_url: str
) -> Mapping[str, MetadataValue]:
    """The metadata of one materialization of the asset of this kind of work."""
    own = _OF_KIND[work.kind](catalog, work, pool, report)
    shown = _SHOWN.get(work.kind)
    if shown is not None:
        own["gallery"] = MetadataValue.url(gallery_url(viewer_url, work.source_id, shown))
    return {**own, **_numbers(catalog, work, pool, report)}


def _of_headers(catalog: Catalog, work: Work, *_: object) -> dict[str, MetadataValue]:
    groups = by_format(catalog, work.source_id)[:_MOST_FORMATS]
    records = [
        {
            "format": group.format,
            "images": group.images,
            "widest_px": group.widest_px,
            "highest_px": group.highest_px,
            "megapixels": group.megapixels,
        }
        for group in groups
    ]
    return {
        "dagster/partition_row_count": MetadataValue.int(sum(group.images for group in groups)),
        "images": MetadataValue.int(sum(group.images for group in groups)),
        "by_format": _table(records, ("format", "images", "widest_px", "highest_px", "megapixels")),
    }


def _of_thumbnails(
    catalog: Catalog, work: Work, pool: DecodePool, report: Report
) -> dict[str, MetadataValue]:
    return {
        **_sheet(work, pool, report, lambda: sample_tiles(catalog, pool, work.source_id)),
        **_written(catalog, work, report),
    }


def _of_pyramids(
    catalog: Catalog, work: Work, pool: DecodePool, report: Report
) -> dict[str, MetadataValue]:
    images = max(report.made, 1)
    reasons = [{"reason": name, "images": count} for name, count in report.failed.most_common()]
    return {
        **_sheet(work, pool, report, lambda: newest_pyramids(catalog, pool, work.source_id)),
        **_written(catalog, work, report),
        "s_per_image": MetadataValue.float(round(report.work_s / images, 3)),
        "bytes_per_image": MetadataValue.int(report.bytes_written // images),
        "reasons": _table(reasons, ("reason", "images")),
    }


_OF_KIND: dict[Kind, Callable[..., dict[str, MetadataValue]]] = {
    "header": _of_headers,
    "thumbnail": _of_thumbnails,
    "pyramid": _of_pyramids,
}


def _sheet(
    work: Work, pool: DecodePool, report: Report, tiles: Callable[[], Sequence[Tile]]
) -> dict[str, MetadataValue]:
    # Dagster keeps some 440 kB per sheet for ever: none for a try of the sensor that made nothing.
    if not report.made and work.patient:
        return {}
    return {"contact_sheet": MetadataValue.md(contact_sheet(pool, tiles()))}


def _written(catalog: Catalog, work: Work, report: Report) -> dict[str, MetadataValue]:
    return {
        "bytes_written": MetadataValue.int(report.bytes_written),
        "location": MetadataValue.text(catalog.derivatives_location(work.source_id).uri),
    }


def _numbers(
    catalog: Catalog, work: Work, pool: DecodePool, report: Report
) -> dict[str, MetadataValue]:
    # Of the whole source, whatever this run was to do: it is plotted for its partition.
    nothing = {"selection": Selection(), "again": frozenset[str](), "batch": None}
    all_of_it = replace(work, patient=True, **nothing)
    left = count_missing(catalog, all_of_it, pool.reader_version)
    table: CatalogTable = work.table
    failures = [
        {"reason": example.reason, "key": printable(example.key), "detail": example.detail}
        for example in report.examples
    ]
    return {
        "dagster/uri": MetadataValue.text(catalog.table_uri(table.name)),
        "made": MetadataValue.int(report.made),
        "failed": MetadataValue.int(report.failures),
        "archived": MetadataValue.int(report.archived),
        "no_images": MetadataValue.int(report.no_images),
        "still_missing": MetadataValue.int(left),
        "images_per_s": MetadataValue.float(round(report.images_per_s, 1)),
        "bytes_read": MetadataValue.int(report.bytes_read),
        "duration_s": MetadataValue.float(round(report.duration_s, 3)),
        "reader_version": MetadataValue.text(pool.reader_version),
        "failures": _table(failures, ("reason", "key", "detail")),
    }


def _table(records: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> MetadataValue:
    numbers = {"images", "widest_px", "highest_px"}
    types = {name: "int" if name in numbers else "string" for name in columns}
    types |= {"megapixels": "float"} if "megapixels" in types else {}
    return MetadataValue.table(
        [TableRecord(dict(record)) for record in records],
        TableSchema(columns=[TableColumn(name, kind) for name, kind in types.items()]),
    )
