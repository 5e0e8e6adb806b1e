"""Whether the demo's images are all there: each with its header and thumbnail, or a true reason."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import DERIVATIVES, OBJECTS
from s3pipelines.core.catalog.views import create_source_views
from s3pipelines.core.imaging.checks import lacking
from s3pipelines.core.imaging.reader import reader_version
from s3pipelines.core.sources.registry import list_sources
from s3pipelines.core.storage.documents import open_documents
from s3pipelines.demo.expected import NotAllThere
from s3pipelines.demo.stage import Stage


@dataclass(frozen=True)
class Shown:
    """What one source has to show: thumbnails, and the objects that have none, by reason."""

    source_id: str
    objects: int
    thumbnails: int
    without: dict[str, list[str]]


def wait_until_derived(stage: Stage, timeout_s: float, check: Callable[[], object]) -> None:
    """Wait until no object lacks what its source asks for.

    Args:
        stage: The running demo, whose index is complete.
        timeout_s: How long to wait, in seconds.
        check: Called again and again; raises if a service has died.

    Raises:
        NotAllThere: Some do, after that time.
    """
    catalog = stage.context.catalog
    deadline = time.monotonic() + timeout_s
    while missing := _missing(catalog):
        check()
        if time.monotonic() > deadline:
            raise NotAllThere(
                f"After {timeout_s:.0f} s headers or thumbnails are missing: {missing}.",
                hint=f"See the logs in {stage.folder}.",
            )
        time.sleep(1)


def what_is_shown(stage: Stage) -> list[Shown]:
    """The thumbnails of each source, counted where they lie, and why others have none.

    Raises:
        NotAllThere: A thumbnail that the table names is not there.
    """
    catalog = stage.context.catalog
    return [_shown(catalog, source.id) for source in list_sources(catalog)]


def _missing(catalog: Catalog) -> dict[str, str]:
    sources = list_sources(catalog)
    return {
        f"{source_id} ({kind})": finding
        for kind in ("header", "thumbnail")
        for source_id, finding in lacking(catalog, sources, kind, reader_version()).items()
    }


def _shown(catalog: Catalog, source_id: str) -> Shown:
    location = catalog.derivatives_location(source_id)
    lying = {f"{location.uri.rstrip('/')}/{name}" for name in _names(catalog, source_id)}
    with connect(catalog) as connection:
        create_source_views(connection, catalog, source_id, OBJECTS, DERIVATIVES)
        rows = connection.execute(
            "SELECT key, uri, error FROM objects LEFT JOIN derivatives USING (source, key, etag) "
            "ORDER BY key"
        ).fetchall()
    without: dict[str, list[str]] = {}
    for key, uri, error in rows:
        if uri is None:
            without.setdefault(error or "no image by its header", []).append(key)
        elif uri not in lying:
            raise NotAllThere(f"The thumbnail of {key!r} is not there.", hint=f"Look at {uri}.")
    pictured = len(rows) - sum(map(len, without.values()))
    return Shown(source_id, len(rows), pictured, without)


def _names(catalog: Catalog, source_id: str) -> list[str]:
    documents = open_documents(catalog.derivatives_location(source_id), catalog.access)
    return documents.names("thumbnails/")
