"""Deleting objects, each only if it still is what the plan says."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from s3pipelines.core.batch.looking import look_at
from s3pipelines.core.batch.rows import Precondition
from s3pipelines.core.batch.sites import Site
from s3pipelines.core.errors import Gone, PreconditionFailed, StorageError
from s3pipelines.core.storage.verbs.delete import Deleted, Doomed, delete_many, delete_one


@dataclass(frozen=True, slots=True)
class Removed:
    """What became of one object.

    Attributes:
        key: Its key.
        marker: Version id of the delete marker, in a bucket with versions.
        precondition: How its ETag was compared.
        error: Why it is still there; `Gone` if it was not there any more.
    """

    key: str
    marker: str | None = None
    precondition: Precondition | None = None
    error: StorageError | None = None


async def remove(site: Site, etags: dict[str, str]) -> list[Removed]:
    """Delete objects; in a bucket with versions, their current version becomes an older one.

    Args:
        site: The bucket.
        etags: ETag of each, by key; of one that has another by now nothing is deleted.

    Raises:
        StorageError: The bucket cannot be asked at all.
    """
    enforced = site.facts.enforced
    if enforced.delete_many_etags:
        doomed = [Doomed(key, etag=etag) for key, etag in etags.items()]
        return await _natively(site, await delete_many(site.client, doomed))
    if enforced.delete_if_match:
        one_by_one = (delete_one(site.client, Doomed(key, etag=e)) for key, e in etags.items())
        return await _natively(site, await asyncio.gather(*one_by_one))
    looks = await look_at(site.client, site.facts.location, list(etags))
    seen = looks.seen
    removed = [Removed(key, error=error) for key, error in looks.refused.items()]
    removed += [_not_there(site, key) for key, state in seen.items() if state is None]
    removed += [
        _changed(site, key)
        for key, state in seen.items()
        if state is not None and state.etag != etags[key]
    ]
    alike = [key for key, state in seen.items() if state is not None and state.etag == etags[key]]
    by: dict[str, Precondition] = {
        key: state.by for key, state in seen.items() if state is not None
    }
    for one in await delete_many(site.client, [Doomed(key) for key in alike]):
        removed.append(_removed(one, by[one.doomed.key]))
    return removed


async def remove_versions(site: Site, versions: Sequence[tuple[str, str]]) -> list[Removed]:
    """Delete single versions, or delete markers, for good.

    Args:
        site: The bucket.
        versions: Keys, each with a version id.
    """
    doomed = [Doomed(key, version_id=version) for key, version in versions]
    return [_removed(one, None) for one in await delete_many(site.client, doomed)]


async def _natively(site: Site, deleted: Sequence[Deleted]) -> list[Removed]:
    """What became of them, where the server compares ETags.

    What is not there is refused by some servers as what has changed. And a deletion whose answer
    was lost is repeated, and finds nothing.
    """
    refused = [
        one.doomed.key for one in deleted if isinstance(one.error, (Gone, PreconditionFailed))
    ]
    looks = await look_at(site.client, site.facts.location, refused)
    missing = {key for key, state in looks.seen.items() if state is None}

    def became(one: Deleted) -> Removed:
        if one.doomed.key not in missing:
            return _removed(one, "native")
        if one.error is not None and one.error.retried:
            return Removed(one.doomed.key, precondition="native")
        return _not_there(site, one.doomed.key)

    return [became(one) for one in deleted]


def _removed(deleted: Deleted, precondition: Precondition | None) -> Removed:
    return Removed(deleted.doomed.key, deleted.marker, precondition, deleted.error)


def _not_there(site: Site, key: str) -> Removed:
    error = Gone(f"s3://{site.bucket}/{key} does not exist (any more).", hint="Refresh the index.")
    return Removed(key, error=error)


def _changed(site: Site, key: str) -> Removed:
    error = PreconditionFailed(
        f"s3://{site.bucket}/{key} was overwritten since the plan was made.",
        hint="Make a new plan for it.",
    )
    return Removed(key, error=error)
