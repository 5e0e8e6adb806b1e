"""The checks of images; each looks at all sources at once, as those of the index do."""

from collections.abc import Iterator, Sequence

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    MetadataValue,
    TableColumn,
    TableRecord,
    TableSchema,
    multi_asset_check,
)

from s3pipelines.assets.failures import clear_failures
from s3pipelines.assets.findings import findings_result
from s3pipelines.core.errors import printable
from s3pipelines.core.imaging.checks import Unreadable, lacking, unreadable
from s3pipelines.core.imaging.orphans import orphans
from s3pipelines.core.imaging.reader import reader_version
from s3pipelines.core.imaging.wishes import Kind
from s3pipelines.core.sources.registry import read_registry
from s3pipelines.resources.catalog import CatalogResource

_READABLE = AssetCheckSpec(
    "images_are_readable",
    asset="image_headers",
    description="Every image of every source can be read; else the reasons, with an example each.",
)
_HEADERS = AssetCheckSpec(
    "headers_are_complete",
    asset="image_headers",
    description="No object lacks its header at a source that asks for headers.",
)
_THUMBNAILS = AssetCheckSpec(
    "thumbnails_are_complete",
    asset="thumbnails",
    description="No object lacks its thumbnail at a source that asks for thumbnails.",
)
_PYRAMIDS = AssetCheckSpec(
    "pyramids_are_complete",
    asset="pyramids",
    description="No object lacks its pyramid at a source that asks for pyramids.",
)
_ORPHANS = AssetCheckSpec(
    "pyramids_have_objects",
    asset="pyramids",
    description="No pyramid is left of an object that was deleted.",
)
_COMPLETE: dict[Kind, AssetCheckSpec] = {
    "header": _HEADERS,
    "thumbnail": _THUMBNAILS,
    "pyramid": _PYRAMIDS,
}


@multi_asset_check(
    specs=[_READABLE, *_COMPLETE.values(), _ORPHANS], name="image_checks", can_subset=True
)
def image_checks(
    context: AssetCheckExecutionContext, catalog: CatalogResource
) -> Iterator[AssetCheckResult]:
    """Check the images of all sources."""
    where = catalog.get()
    selected = {key.name for key in context.selected_asset_check_keys}
    with clear_failures():
        sources = read_registry(where).sources
        if _READABLE.name in selected:
            yield _readable(unreadable(where, sources))
        for kind, spec in _COMPLETE.items():
            if spec.name in selected:
                yield findings_result(spec, lacking(where, sources, kind, reader_version()))
        if _ORPHANS.name in selected:
            yield findings_result(_ORPHANS, orphans(where, sources, "pyramid"))


def _readable(found: Sequence[Unreadable]) -> AssetCheckResult:
    images = sum(reason.images for reason in found)
    names = ("source", "reason", "images", "example", "detail")
    columns = [TableColumn(name, "int" if name == "images" else "string") for name in names]
    records = [
        TableRecord(
            {
                "source": row.source_id,
                "reason": row.reason,
                "images": row.images,
                "example": printable(row.example),
                "detail": row.detail,
            }
        )
        for row in found
    ]
    return AssetCheckResult(
        check_name=_READABLE.name,
        asset_key=_READABLE.asset_key,
        passed=not found,
        severity=AssetCheckSeverity.WARN,
        description=f"{images:,} images cannot be read." if found else "Every image can be read.",
        metadata={
            "unreadable_images": MetadataValue.int(images),
            "reasons": MetadataValue.table(records, TableSchema(columns=columns)),
        },
    )
