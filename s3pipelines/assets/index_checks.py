"""The checks of `object_index`; each looks at all sources at once and names the failing ones.

Not one check per partition: Dagster shows the last evaluation of a check, so a good source would
hide a bad one.
"""

from collections.abc import Iterator

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    multi_asset_check,
)

from s3pipelines.assets.failures import clear_failures
from s3pipelines.assets.findings import findings_result
from s3pipelines.core.fixity.checks import damaged
from s3pipelines.core.index.checks import miscounted, missed_events, repeated_keys, stale
from s3pipelines.core.preview.wording import counted
from s3pipelines.core.sources.registry import read_registry
from s3pipelines.resources.catalog import CatalogResource
from s3pipelines.settings import load_settings

_UNIQUE = AssetCheckSpec(
    "keys_are_unique", asset="object_index", description="No source has a key twice."
)
_COUNTS = AssetCheckSpec(
    "counts_agree",
    asset="object_index",
    description="A fresh count of each small source gives as many objects as the index has.",
)
_FRESH = AssetCheckSpec(
    "is_fresh",
    asset="object_index",
    description="Every source was listed in full within the time that it asks for.",
)


_MISSED = AssetCheckSpec(
    "missed_events",
    asset="object_index",
    description="The last full listing of each source repaired nothing that an event should have "
    "told of.",
)
_INTACT = AssetCheckSpec(
    "objects_are_intact",
    asset="object_index",
    description="The latest audits found no object of the index or a version damaged or missing.",
)


@multi_asset_check(
    specs=[_UNIQUE, _COUNTS, _FRESH, _MISSED, _INTACT], name="index_checks", can_subset=True
)
def index_checks(
    context: AssetCheckExecutionContext, catalog: CatalogResource
) -> Iterator[AssetCheckResult]:
    """Check the whole index."""
    where = catalog.get()
    selected = {key.name for key in context.selected_asset_check_keys}
    with clear_failures():
        registry = read_registry(where)
        unreadable = {name: str(error) for name, error in registry.unreadable.items()}
        if _UNIQUE.name in selected:
            extra = {
                name: f"{counted(n, 'row')} too many" for name, n in repeated_keys(where).items()
            }
            yield findings_result(_UNIQUE, extra, AssetCheckSeverity.ERROR)
        if _COUNTS.name in selected:
            limit = load_settings().count_check_limit
            yield findings_result(_COUNTS, miscounted(where, registry.sources, limit))
        if _FRESH.name in selected:
            yield findings_result(_FRESH, {**unreadable, **stale(where, registry.sources)})
        if _MISSED.name in selected:
            yield findings_result(_MISSED, missed_events(where, registry.sources))
        if _INTACT.name in selected:
            found = damaged(where, registry.sources)
            yield findings_result(_INTACT, found, AssetCheckSeverity.ERROR)
