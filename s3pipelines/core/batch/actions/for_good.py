"""Deleting keys with all their versions, so that nothing is left of them."""

import asyncio
from collections.abc import Callable

from s3pipelines.core.batch.actions.action import Chunk
from s3pipelines.core.batch.looking import look_at
from s3pipelines.core.batch.outcomes import failed, not_as_planned
from s3pipelines.core.batch.removal import remove_versions
from s3pipelines.core.batch.rows import Outcome, Row
from s3pipelines.core.batch.sites import Site
from s3pipelines.core.errors import StorageError
from s3pipelines.core.storage.verbs.versions import list_versions_of_key


async def delete_all_versions(
    site: Site, chunk: Chunk, key_of: Callable[[Row], str]
) -> list[Outcome]:
    """Delete every version and marker of the keys of a chunk, each if it still is as planned.

    Args:
        site: A bucket that keeps versions.
        chunk: The rows.
        key_of: Key of a row in that bucket.

    Raises:
        StorageError: The bucket cannot be asked at all.
    """
    keys = [key_of(row) for row in chunk.rows]
    seen = await look_at(site.client, site.facts.location, keys)

    async def delete(row: Row) -> Outcome:
        key = key_of(row)
        try:
            now = seen[key]
            if now is None and not chunk.is_doubtful(row):
                return not_as_planned(row, "gone", f"{key} was deleted since the plan was made.")
            if now is not None and now.etag != row.etag:
                return not_as_planned(row, "changed", f"{key} was overwritten since the plan.")
            versions = await list_versions_of_key(site.client, key)
            all_ids = [(key, one.version_id) for one in versions]
            errors = [one.error for one in await remove_versions(site, all_ids) if one.error]
        except StorageError as error:
            return failed(row, error)
        return failed(row, errors[0]) if errors else Outcome(row, "done", precondition="listing")

    return list(await asyncio.gather(*map(delete, chunk.rows)))
