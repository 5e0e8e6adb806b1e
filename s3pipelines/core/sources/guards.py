"""What no source may be: what the project itself writes, or registered where nothing is safe."""

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.sources.source import Source
from s3pipelines.core.storage.access import same_endpoint
from s3pipelines.core.storage.clients import endpoint_of
from s3pipelines.core.storage.conditional_writes import require_conditional_writes
from s3pipelines.core.storage.locations import S3Location


def refuse_own_output(catalog: Catalog, source: Source) -> None:
    """Make sure that the source and the project's own folders are apart.

    Checked when a source is registered and again before each listing, since the settings of the
    project can change afterwards.

    Raises:
        InvalidInput: They overlap, so that the project would index its own output for ever.
    """
    for what, place in catalog.own_locations().items():
        if not isinstance(place, S3Location) or not place.overlaps(source.location):
            continue
        if _same_server(catalog, source):
            raise InvalidInput(
                f"The source {source.id!r} ({source.location.uri}) overlaps with the {what} of "
                f"this project ({place.uri}).",
                hint="Choose a prefix that does not hold it, or keep the project's own data in "
                "another bucket or prefix (S3PIPELINES_CATALOG, _DERIVATIVES, _TRASH).",
            )


def refuse_unsafe_catalog(catalog: Catalog) -> None:
    """Make sure, before anything relies on it, that the catalog refuses what it must.

    Raises:
        InvalidInput: Conditional writes do not hold there.
        StorageError: It cannot be read or written.
    """
    if isinstance(catalog.location, S3Location):
        require_conditional_writes(catalog.documents, catalog.location.uri)


def _same_server(catalog: Catalog, source: Source) -> bool:
    here = endpoint_of(catalog.access)
    there = endpoint_of(source.access(catalog.access))
    return same_endpoint(here, there)
