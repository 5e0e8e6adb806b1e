"""How many objects of a plan the index has otherwise by now."""

from pathlib import Path

from s3pipelines.core.batch.manifests import local_manifest
from s3pipelines.core.batch.plans import Plan
from s3pipelines.core.batch.selecting import frugal
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import OBJECTS
from s3pipelines.core.catalog.views import create_source_views
from s3pipelines.core.sql.quoting import sql_text


def count_changed(catalog: Catalog, plan: Plan) -> int:
    """Count planned objects that were overwritten or deleted since, as far as the index knows.

    Of a plan that was applied in part, those that it changed itself are among them.

    Raises:
        StorageError: The catalog cannot be read.
    """
    changed = 0
    with connect(frugal(catalog)) as connection:
        create_source_views(connection, catalog, plan.source_id, OBJECTS)
        for shard in plan.shards:
            with local_manifest(catalog, plan, shard) as path:
                changed += connection.execute(_query(path)).fetchall()[0][0]
    return changed


def _query(manifest: Path) -> str:
    rows = f"read_parquet({sql_text(str(manifest))})"
    # The keys of a shard follow each other, so that the range skips files of the index.
    return f"""
        SELECT count(*) FROM {rows} AS planned LEFT JOIN (
            SELECT key, etag FROM objects
            WHERE key >= (SELECT min(key) FROM {rows}) AND key <= (SELECT max(key) FROM {rows})
        ) AS now ON now.key = planned.key
        WHERE planned.verdict IS NULL AND now.etag IS DISTINCT FROM planned.etag
    """
