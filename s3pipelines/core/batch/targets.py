"""Where objects may go, and how that place is reached."""

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.sources.registry import list_sources
from s3pipelines.core.sources.source import Source
from s3pipelines.core.storage.access import Access, same_endpoint
from s3pipelines.core.storage.clients import endpoint_of
from s3pipelines.core.storage.locations import S3Location


def source_at(catalog: Catalog, location: S3Location) -> Source | None:
    """The registered source that holds a place; the innermost, if there are several."""
    holders = [source for source in list_sources(catalog) if source.location.contains(location)]
    return max(holders, key=lambda source: len(source.prefix), default=None)


def target_access(catalog: Catalog, source: Source, target: S3Location) -> Access:
    """How a target is reached: as the source that holds it, or else as the plan's own source."""
    return (source_at(catalog, target) or source).access(catalog.access)


def require_writable(catalog: Catalog, source: Source, target: S3Location) -> None:
    """Make sure that the project may write to a target.

    Raises:
        InvalidInput: A source that is read-only, or the project's own data, is there.
    """
    holder = source_at(catalog, target)
    if holder is not None and holder.read_only:
        raise InvalidInput(
            f"The target {target.uri} lies in the source {holder.id!r}, which is read-only.",
            hint="Choose another target.",
        )
    access = target_access(catalog, source, target)
    for what, place in catalog.own_locations().items():
        if (
            isinstance(place, S3Location)
            and place.overlaps(target)
            and same_endpoint(endpoint_of(catalog.access), endpoint_of(access))
        ):
            raise InvalidInput(
                f"The target {target.uri} overlaps with the {what} of this project ({place.uri}).",
                hint="Choose another target.",
            )


def trash_location(catalog: Catalog, source: Source) -> S3Location:
    """Where the trash of a source is.

    Raises:
        InvalidInput: It would be a folder of this machine.
    """
    location = catalog.trash_location(source.id)
    if not isinstance(location, S3Location):
        raise InvalidInput(
            f"The bucket {source.bucket!r} keeps no versions, and the trash of this project is the "
            f"folder {location.uri}, where no objects can be kept.",
            hint="Set S3PIPELINES_TRASH to s3://BUCKET/PREFIX, enable versioning for the bucket, "
            "or delete for good with --permanent.",
        )
    return location
