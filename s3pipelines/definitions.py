"""The one place where the parts are wired together: `defs`, which Dagster loads."""

from collections.abc import Mapping
from typing import Any

from dagster import Definitions, ExecutorDefinition, in_process_executor, multiprocess_executor

from s3pipelines.assets.image_checks import image_checks
from s3pipelines.assets.image_headers import image_headers
from s3pipelines.assets.index_checks import index_checks
from s3pipelines.assets.object_index import object_index
from s3pipelines.assets.pyramids import pyramids
from s3pipelines.assets.thumbnails import thumbnails
from s3pipelines.assets.uploads import uploads
from s3pipelines.jobs.audit_source import audit_source, build_nightly_audit
from s3pipelines.jobs.batch_operations import apply_plan, batch_jobs, undo_plan
from s3pipelines.jobs.buckets import bucket_jobs
from s3pipelines.jobs.daily_pyramids import build_daily_pyramids
from s3pipelines.jobs.derive_images import JOBS, check_images, nightly_image_check
from s3pipelines.jobs.optimize_catalog import nightly_optimize, optimize_catalog
from s3pipelines.jobs.process_uploads import process_uploads
from s3pipelines.jobs.refresh_index import (
    check_index,
    nightly_check,
    nightly_reindex,
    refresh_index,
)
from s3pipelines.jobs.register_source import register_source
from s3pipelines.jobs.remove_orphans import remove_orphan_files
from s3pipelines.jobs.rerun_images import rerun_images
from s3pipelines.resources.catalog import CatalogResource
from s3pipelines.resources.duckdb import DuckDBResource
from s3pipelines.resources.references import ReferenceIOManager
from s3pipelines.resources.s3 import CatalogS3Resource
from s3pipelines.sensors.missing_derivatives import build_missing_derivatives
from s3pipelines.sensors.upload_events import build_upload_events
from s3pipelines.sensors.upload_listing import build_upload_listing
from s3pipelines.settings import Settings, load_settings

_EXECUTORS: dict[str, ExecutorDefinition] = {
    "in_process": in_process_executor,
    "multiprocess": multiprocess_executor,
}


def build_definitions(
    settings: Settings | None = None, *, resource_overrides: Mapping[str, Any] | None = None
) -> Definitions:
    """Fresh definitions, so that a test can swap parts without patching.

    Args:
        settings: By default those of the environment.
        resource_overrides: Resources by key, in place of those of the settings.
    """
    settings = settings or load_settings()
    return Definitions(
        assets=[uploads, object_index, image_headers, thumbnails, pyramids],
        asset_checks=[index_checks, image_checks],
        jobs=[
            process_uploads,
            refresh_index,
            *JOBS.values(),
            rerun_images,
            remove_orphan_files,
            check_index,
            check_images,
            register_source,
            optimize_catalog,
            audit_source,
            *batch_jobs,
            apply_plan,
            undo_plan,
            *bucket_jobs,
        ],
        schedules=[
            nightly_reindex,
            nightly_optimize,
            nightly_check,
            nightly_image_check,
            build_daily_pyramids(settings),
            build_nightly_audit(settings),
        ],
        sensors=[
            build_upload_events(settings),
            build_upload_listing(settings),
            build_missing_derivatives(settings),
        ],
        executor=_EXECUTORS[settings.executor],
        resources={**build_resources(settings), **(resource_overrides or {})},
    )


def build_resources(settings: Settings) -> dict[str, Any]:
    """The resources that the settings describe, by key."""
    s3 = CatalogS3Resource()
    catalog = CatalogResource.from_settings(settings, s3)
    return {
        "s3": s3,
        "catalog": catalog,
        "duckdb": DuckDBResource(catalog=catalog),
        "io_manager": ReferenceIOManager(catalog=catalog),
    }


defs = build_definitions()
