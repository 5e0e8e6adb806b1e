"""What the project itself has in a bucket, so that it is not taken from under it."""

from collections.abc import Iterator
from dataclasses import dataclass

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.sources.registry import read_registry
from s3pipelines.core.sources.source import Source
from s3pipelines.core.storage.access import Access, same_endpoint
from s3pipelines.core.storage.clients import endpoint_of
from s3pipelines.core.storage.locations import S3Location


@dataclass(frozen=True)
class Use:
    """One thing that lies in a bucket.

    Attributes:
        name: `catalog`, `derivatives`, `trash`, `source:ID` or `inbox:ID`.
        where: Its place, `s3://bucket/prefix/`, or why that is not known.
    """

    name: str
    where: str


def uses_of(catalog: Catalog, access: Access, bucket: str) -> list[Use]:
    """What the project has in a bucket.

    A registration that cannot be read counts: it may be there.

    Args:
        catalog: The catalog, with its registry.
        access: How the bucket is reached.
        bucket: Its name.

    Raises:
        StorageError: The registry cannot be read.
    """
    here = endpoint_of(access)
    return [*_own(catalog, here, bucket), *_of_sources(catalog, here, bucket)]


def require_unused(uses: list[Use], bucket: str, even_though: tuple[str, ...]) -> None:
    """Make sure that whoever removes a bucket has named everything that the project has there.

    Raises:
        InvalidInput: Something was not named, or something was that is not there.
    """
    names = {use.name for use in uses}
    left = [use for use in uses if use.name not in even_though]
    if left:
        shown = ", ".join(f"{use.name} ({use.where})" for use in left)
        flags = " ".join(f"--even-though {use.name}" for use in uses)
        raise InvalidInput(
            f"s3://{bucket} holds what the project uses: {shown}.",
            hint=f"Move it first, or say that it may go: {flags}.",
        )
    if unknown := [name for name in even_though if name not in names]:
        raise InvalidInput(
            f"s3://{bucket} does not hold {unknown[0]!r}.",
            hint=f"Is it the right bucket? It holds: {', '.join(sorted(names)) or 'nothing ours'}.",
        )


def sources_in(catalog: Catalog, access: Access, bucket: str) -> list[Source]:
    """The readable sources whose objects are in a bucket."""
    here = endpoint_of(access)
    return [
        source
        for source in read_registry(catalog).sources
        if source.bucket == bucket and same_endpoint(here, _endpoint(catalog, source))
    ]


def _own(catalog: Catalog, here: str | None, bucket: str) -> Iterator[Use]:
    for what, place in catalog.own_locations().items():
        if not isinstance(place, S3Location) or place.bucket != bucket:
            continue
        if same_endpoint(here, endpoint_of(catalog.access)):
            yield Use(what, place.uri)


def _of_sources(catalog: Catalog, here: str | None, bucket: str) -> Iterator[Use]:
    registry = read_registry(catalog)
    for source in registry.sources:
        inbox = source.inbox_location
        places = [("source", source.location), *([("inbox", inbox)] if inbox else [])]
        for what, place in places:
            if place.bucket == bucket and same_endpoint(here, _endpoint(catalog, source)):
                yield Use(f"{what}:{source.id}", place.uri)
    for source_id in registry.unreadable:
        yield Use(f"source:{source_id}", "its registration cannot be read, it may be there")


def _endpoint(catalog: Catalog, source: Source) -> str | None:
    return endpoint_of(source.access(catalog.access))
