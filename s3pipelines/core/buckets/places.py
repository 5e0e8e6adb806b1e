"""Which bucket is meant, and how it is reached."""

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.sources.registry import get_source
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.locations import S3Location, parse_s3_location


def find_bucket(
    catalog: Catalog, bucket: str | None, source_id: str | None
) -> tuple[Access, S3Location]:
    """A bucket, or the bucket and folder of a source.

    Args:
        catalog: Where the registry is; a bucket that is named is reached as the catalog is.
        bucket: Its name, with or without `s3://`; or
        source_id: The source.

    Raises:
        InvalidInput: Neither or both are named, or it is no bucket's name.
        NotFound: There is no such source.
    """
    if (bucket is None) == (source_id is None):
        raise InvalidInput(
            "Which bucket is meant is not clear.", hint="Name either a bucket or a source."
        )
    if bucket is None:
        source = get_source(catalog, source_id or "")
        return source.access(catalog.access), source.location
    location = parse_s3_location(bucket if "://" in bucket else f"s3://{bucket}")
    if location.prefix:
        raise InvalidInput(
            f"{bucket!r} is not the name of a bucket.", hint="Name it without a prefix."
        )
    return catalog.access, location
