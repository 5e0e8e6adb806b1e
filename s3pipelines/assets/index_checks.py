"""The checks of `object_index`; each looks at all sources at once and names the failing ones.

Not one check per partition: Dagster shows the last evaluation of a check, so a good source would
hide a bad one.
"""

from collections.abc import Iterator, Mapping

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
from s3pipelines.core.index.checks import miscounted, repeated_keys, stale
from s3pipelines.core.sources.registry import read_registry
from s3pipelines.resources.catalog import CatalogResource
from s3pipelines.settings import load_settings

_SPECS = [
    AssetCheckSpec(
        "keys_are_unique", asset="object_index", description="No source has a key twice."
    ),
    AssetCheckSpec(
        "counts_agree",
        asset="object_index",
        description="A fresh count of each small source gives as many objects as the index has.",
    ),
    AssetCheckSpec(
        "is_fresh",
        asset="object_index",
        description="Every source was listed in full within the time that it asks for.",
    ),
]


@multi_asset_check(specs=_SPECS, name="index_checks", can_subset=True)
def index_checks(
    context: AssetCheckExecutionContext, catalog: CatalogResource
) -> Iterator[AssetCheckResult]:
    """Check the whole index."""
    where = catalog.get()
    selected = {key.name for key in context.selected_asset_check_keys}
    with clear_failures():
        registry = read_registry(where)
        damaged = {name: str(error) for name, error in registry.unreadable.items()}
        if "keys_are_unique" in selected:
            extra = {name: f"{n:,} rows too many" for name, n in repeated_keys(where).items()}
            yield _result("keys_are_unique", extra, AssetCheckSeverity.ERROR)
        if "counts_agree" in selected:
            limit = load_settings().count_check_limit
            yield _result("counts_agree", miscounted(where, registry.sources, limit))
        if "is_fresh" in selected:
            yield _result("is_fresh", {**damaged, **stale(where, registry.sources)})


def _result(
    name: str,
    failing: Mapping[str, str],
    severity: AssetCheckSeverity = AssetCheckSeverity.WARN,
) -> AssetCheckResult:
    columns = [TableColumn("source", "string"), TableColumn("finding", "string")]
    records = [TableRecord({"source": key, "finding": text}) for key, text in failing.items()]
    return AssetCheckResult(
        check_name=name,
        asset_key="object_index",
        passed=not failing,
        severity=severity,
        description=f"Failing: {', '.join(failing)}" if failing else "Every source passes.",
        metadata={
            "failing_sources": MetadataValue.int(len(failing)),
            "findings": MetadataValue.table(records, TableSchema(columns=columns)),
        },
    )
