"""Which objects of a bucket are members of versions, and so are not to be taken away.

A version names objects by key and ETag, and holds no bytes: whoever deletes or replaces a member
leaves the version without it.
"""

from collections.abc import Iterator, Sequence

import pyarrow as pa

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.key_ranges import KeyRange, successor
from s3pipelines.core.datasets.versions import Version, list_versions
from s3pipelines.core.sources.registry import list_sources
from s3pipelines.core.sql.quoting import sql_text
from s3pipelines.core.storage.access import Access, same_endpoint
from s3pipelines.core.storage.clients import endpoint_of


def has_versions(catalog: Catalog) -> bool:
    """Whether there is any version of any source; takes one request.

    Raises:
        StorageError: The catalog cannot be read.
    """
    return bool(catalog.documents.names("versions/"))


def versions_in(catalog: Catalog, bucket: str, access: Access) -> list[Version]:
    """The versions of all sources in a bucket, whichever parts of it they are of.

    Args:
        catalog: Where the versions are.
        bucket: The bucket.
        access: How it is reached: two servers may have buckets of one name.

    Raises:
        StorageError: The catalog cannot be read.
    """
    return list(_versions_in(catalog, bucket, access)) if has_versions(catalog) else []


def _versions_in(catalog: Catalog, bucket: str, access: Access) -> Iterator[Version]:
    for source in list_sources(catalog):
        if source.bucket != bucket:
            continue
        own = source.access(catalog.access)
        versions = list_versions(catalog, source)
        if versions and same_endpoint(endpoint_of(access), endpoint_of(own)):
            yield from versions


def members_query(catalog: Catalog, versions: Sequence[Version], first: str, last: str) -> str:
    """A query for `key`, `etag` and `version` of members, from the files that may hold such keys.

    Args:
        catalog: Where the versions are.
        versions: At least one.
        first: No smaller key is wanted.
        last: No greater one.
    """
    keys = KeyRange(first, successor(last))
    return " UNION ALL ".join(
        f"SELECT key, etag, {sql_text(version.name)} AS version "
        f"FROM ({version.index(catalog).rows(keys)})"
        for version in versions
    )


def pinned_members(
    catalog: Catalog, versions: Sequence[Version], keys: Sequence[str]
) -> dict[tuple[str, str], str]:
    """Which of these keys are members of versions: by key and ETag, one of the versions.

    Raises:
        StorageError: The catalog cannot be read.
    """
    if not versions or not keys:
        return {}
    # Here, since most uploads are to where there are no versions.
    from s3pipelines.core.catalog.duck import connect

    members = members_query(catalog, versions, min(keys), max(keys))
    with connect(catalog) as connection:
        connection.register("wanted", pa.table({"key": pa.array(keys, pa.string())}))
        found = connection.execute(
            f"SELECT key, etag, max(version) FROM ({members}) SEMI JOIN wanted USING (key) "
            "GROUP BY ALL"
        ).fetchall()
    return {(key, etag): version for key, etag, version in found}
