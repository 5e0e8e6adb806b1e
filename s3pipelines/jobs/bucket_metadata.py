"""What a run shows of buckets: numbers that plot, and differences as a page."""

from collections.abc import Mapping, Sequence

from dagster import MetadataValue

from s3pipelines.core.buckets.abandoned import OpenUpload, Reaped
from s3pipelines.core.buckets.configuring import Applied, Comparison
from s3pipelines.core.buckets.contents import Contents
from s3pipelines.core.buckets.deleting import Removal
from s3pipelines.core.buckets.uses import Use
from s3pipelines.core.errors import printable

Metadata = Mapping[str, MetadataValue]
# Longer than any that a setting would hold by accident.
_FENCE = "`" * 12


def comparison_metadata(comparison: Comparison, applied: Sequence[Applied]) -> Metadata:
    """What differed, line by line, and how much of it was written."""
    lines: list[str] = []
    for difference in comparison.differences:
        lines.append(f"  {difference.name}:")
        lines += (printable(line) for line in difference.lines())
    text = "\n".join([f"{_FENCE}diff", *lines, _FENCE]) if lines else "All is as wanted."
    return {
        "bucket": MetadataValue.text(comparison.bucket),
        "differences": MetadataValue.int(len(comparison.differences)),
        "applied": MetadataValue.int(sum(one.outcome == "applied" for one in applied)),
        "difference": MetadataValue.md(text),
    }


def contents_metadata(bucket: str, contents: Contents, uses: Sequence[Use]) -> Metadata:
    """What would go with a bucket."""
    return {
        "bucket": MetadataValue.text(bucket),
        "objects": MetadataValue.int(contents.objects),
        "old_versions": MetadataValue.int(contents.old_versions),
        "delete_markers": MetadataValue.int(contents.delete_markers),
        "size_bytes": MetadataValue.int(contents.size_bytes),
        "uploads": MetadataValue.int(contents.uploads),
        "samples": MetadataValue.json([printable(key) for key in contents.samples]),
        "uses": MetadataValue.json([use.name for use in uses]),
    }


def removal_metadata(removal: Removal) -> Metadata:
    """What became of a bucket."""
    return {
        "bucket": MetadataValue.text(removal.bucket),
        "deleted_versions": MetadataValue.int(removal.versions),
        "aborted_uploads": MetadataValue.int(removal.uploads),
        "failed": MetadataValue.int(removal.failed),
        "removed": MetadataValue.bool(removal.removed),
    }


def found_metadata(found: Sequence[OpenUpload]) -> Metadata:
    """What would be called off."""
    return {
        "uploads": MetadataValue.int(len(found)),
        "size_bytes": MetadataValue.int(sum(one.size_bytes for one in found)),
    }


def reaped_metadata(reaped: Reaped) -> Metadata:
    """What became of the uploads."""
    return {
        "aborted": MetadataValue.int(reaped.aborted),
        "freed_bytes": MetadataValue.int(reaped.freed_bytes),
        "resumed": MetadataValue.int(reaped.resumed),
        "failed": MetadataValue.int(reaped.failed),
    }
