"""Which object a presigned URL is for, and whether the project may let anybody write there."""

from dataclasses import dataclass

from s3pipelines.core.buckets.uses import sources_in
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.sources.registry import get_source
from s3pipelines.core.storage.access import Access, same_endpoint
from s3pipelines.core.storage.clients import endpoint_of
from s3pipelines.core.storage.locations import S3Location, parse_s3_location

_LONGEST_KEY_BYTES = 1024


@dataclass(frozen=True)
class Target:
    """One key of a bucket, and how the bucket is reached."""

    access: Access
    bucket: str
    key: str

    @property
    def uri(self) -> str:
        """`s3://bucket/key`."""
        return f"s3://{self.bucket}/{self.key}"


def find_target(catalog: Catalog, name: str, source_id: str | None) -> Target:
    """The object that is meant.

    Args:
        catalog: Where the registry is.
        name: A key below the prefix of the source; without a source, `s3://BUCKET/KEY`.
        source_id: The source.

    Raises:
        InvalidInput: `name` cannot be that.
        NotFound: There is no such source.
    """
    if source_id is not None:
        if "://" in name:
            raise InvalidInput(
                f"{name!r} is not a key of a source.",
                hint="Name a key below the source's prefix, or leave out --source.",
            )
        source = get_source(catalog, source_id)
        access, key = source.access(catalog.access), name
        bucket, prefix = source.bucket, source.prefix
    else:
        if "://" not in name:
            raise InvalidInput(
                f"{name!r} is not an S3 path.", hint="Write s3://BUCKET/KEY, or add --source ID."
            )
        bucket = parse_s3_location(name).bucket
        access, prefix, key = catalog.access, "", name.partition("://")[2].partition("/")[2]
    _check_key(key, f"{prefix}{key}")
    return Target(access, bucket, f"{prefix}{key}")


def require_writable(catalog: Catalog, target: Target) -> None:
    """Make sure that a key is neither in a read-only source nor among the project's own files.

    Raises:
        InvalidInput: It is.
    """
    WriteGuard(catalog, target.access, target.bucket).require_writable(target.key)


class WriteGuard:
    """Knows which keys of a bucket are not to be written; made once for many.

    Args:
        catalog: Where the registry is.
        access: How the bucket is reached.
        bucket: Its name.

    Raises:
        StorageError: The registry cannot be read.
    """

    def __init__(self, catalog: Catalog, access: Access, bucket: str) -> None:
        self._bucket = bucket
        sources = sources_in(catalog, access, bucket)
        self._read_only = [source for source in sources if source.read_only]
        is_same = same_endpoint(endpoint_of(access), endpoint_of(catalog.access))
        self._own = [
            (what, place.prefix)
            for what, place in catalog.own_locations().items()
            if isinstance(place, S3Location) and place.bucket == bucket and is_same
        ]

    def require_writable(self, key: str) -> None:
        """Make sure that a key is neither in a read-only source nor among the project's own files.

        Raises:
            InvalidInput: It is.
        """
        uri = f"s3://{self._bucket}/{key}"
        for source in self._read_only:
            if key.startswith(source.prefix):
                raise InvalidInput(
                    f"{uri} lies in the source {source.id!r}, which is read-only.",
                    hint="It may only be read, unless 'sources update --writable' changes it.",
                )
        for what, prefix in self._own:
            if key.startswith(prefix):
                raise InvalidInput(
                    f"{uri} lies in the {what} of this project.",
                    hint="Nobody else writes there; name another key.",
                )


def _check_key(name: str, key: str) -> None:
    try:
        size = len(key.encode())
    except UnicodeEncodeError as error:
        raise InvalidInput(f"{key!r} cannot be a key.", hint="Keys are UTF-8 text.") from error
    if not name:
        raise InvalidInput("No key is named.", hint="Write s3://BUCKET/KEY, or a key of a source.")
    if size > _LONGEST_KEY_BYTES:
        raise InvalidInput(
            f"The key has {size:,} bytes.", hint=f"S3 takes {_LONGEST_KEY_BYTES:,} at the most."
        )
    if {".", ".."} & set(key.split("/")):
        raise InvalidInput(
            f"The key {key!r} cannot be asked for by a URL.",
            hint="Browsers and curl take '.' and '..' between slashes away, and ask for another.",
        )
