"""What a lifecycle would do to the project and to its sources, said before it is set."""

from collections.abc import Iterator
from typing import Any

from s3pipelines.core.buckets.configuring import Comparison
from s3pipelines.core.buckets.uses import uses_of
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.locations import parse_s3_location

# What lies there must be restored before it can be read, which takes hours.
_ARCHIVES = ("GLACIER", "DEEP_ARCHIVE")


def lifecycle_hazards(catalog: Catalog, access: Access, comparison: Comparison) -> Iterator[str]:
    """What rules that are about to be set would delete or archive, one line each.

    The trash is left out: to empty it after some time is what a rule is good for.

    Args:
        catalog: The catalog, with its registry.
        access: How the bucket is reached.
        comparison: What is about to be written.

    Raises:
        StorageError: The registry cannot be read.
    """
    wanted = [each.wanted for each in comparison.differences if each.name == "lifecycle"]
    rules = [rule for rule in (wanted[0] if wanted else None) or [] if rule.get("enabled", True)]
    if not rules:
        return
    for use in uses_of(catalog, access, comparison.bucket):
        if use.name == "trash" or not use.where.startswith("s3://"):
            continue
        below = parse_s3_location(use.where).prefix
        for rule in rules:
            does = _does(rule, is_source=use.name.startswith("source:"))
            if does and _overlap(rule.get("prefix", ""), below):
                yield f"The lifecycle rule {rule['id']!r} {does} of {use.name} ({use.where})."


def _does(rule: dict[str, Any], *, is_source: bool) -> str:
    if rule.get("expire_after_days") or rule.get("expire_on"):
        return "deletes objects"
    moves = {move["storage_class"] for move in rule.get("transitions", [])}
    # The project reads its own files all the time; sources may well be archived.
    return "" if is_source or not moves & set(_ARCHIVES) else "archives files"


def _overlap(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)
