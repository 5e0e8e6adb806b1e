"""`s3pipelines.open_source`: a source for Python programs, with the settings of this machine."""

from dataclasses import replace
from pathlib import Path

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.datasets.file_cache import FileCache
from s3pipelines.core.datasets.opened import OpenedSource
from s3pipelines.core.datasets.states import source_state
from s3pipelines.core.storage.locations import parse_location
from s3pipelines.settings import catalog_of, load_settings


def open_source(
    name: str,
    *,
    catalog: Catalog | str | None = None,
    cache: Path | str | None = None,
    cache_mb: int | None = None,
) -> OpenedSource:
    """Open a source, or a version of it.

    What is not given comes from the settings (`S3PIPELINES_*`).

    Args:
        name: `ID` for the index as it is at this moment, `ID@VERSION` for a version.
        catalog: `s3://bucket/prefix`, a folder, or a `Catalog`.
        cache: The folder of local copies.
        cache_mb: How much they may have together, in MB.

    Raises:
        NotFound: There is no such source, or version of it.
        InvalidInput: The name or a setting is not valid.
        StorageError: The catalog cannot be read.

    Example:
        >>> maps = open_source("maps@3")
        >>> maps.objects(where="size_bytes > 1000000").num_rows
        >>> with maps.open("scans/a.tif") as file:
        ...     header = file.read(16)
    """
    settings = load_settings()
    found = catalog if isinstance(catalog, Catalog) else catalog_of(settings)
    if isinstance(catalog, str):
        found = replace(found, location=parse_location(catalog))
    folder = Path(cache if cache is not None else settings.cache).expanduser()
    megabytes = settings.cache_mb if cache_mb is None else cache_mb
    kept = FileCache(folder, megabytes * 1_000_000)
    return OpenedSource(found, source_state(found, name), kept)
