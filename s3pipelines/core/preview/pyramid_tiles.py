"""The newest pyramids of a source as tiles of a contact sheet, read as they were published."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import DERIVATIVES, OBJECTS
from s3pipelines.core.catalog.views import create_source_views
from s3pipelines.core.errors import StorageError
from s3pipelines.core.imaging.failures import failure_condition
from s3pipelines.core.imaging.outcomes import Refused
from s3pipelines.core.imaging.partly import make_thumbnail_partly
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.thumbnails import ThumbnailParams, make_thumbnail
from s3pipelines.core.preview.contact_sheet import MOST_TILES, Tile
from s3pipelines.core.preview.wording import human_bytes, reason_text
from s3pipelines.core.storage.derived_files import DerivedFiles, open_derived_files

_AT_A_TIME = 8
# Of what is larger, the level that suffices is read.
_WHOLE_BYTES = 1024 * 1024
_PARAMS = ThumbnailParams(200, 80)


@dataclass(frozen=True)
class _Row:
    key: str
    uri: str | None
    size_bytes: int
    width_px: int
    height_px: int
    error: str | None
    error_detail: str | None


@dataclass(frozen=True)
class _Published:
    """A file among the derivatives as something to read ranges of."""

    files: DerivedFiles
    name: str
    size_bytes: int

    def read_range(self, offset: int, length: int) -> bytes:
        return self.files.read(self.name, offset, length)


def newest_pyramids(catalog: Catalog, pool: DecodePool, source_id: str) -> list[Tile]:
    """The pyramids that were made last, and what failed last, as they are published now.

    Args:
        catalog: Where the tables are.
        pool: Where they are drawn.
        source_id: A registered source.

    Raises:
        StorageError: The catalog cannot be read.
    """
    location = catalog.derivatives_location(source_id)
    files = open_derived_files(location, catalog.access, connections=_AT_A_TIME)
    base = f"{location.uri.rstrip('/')}/"
    with ThreadPoolExecutor(_AT_A_TIME) as threads:
        rows = _newest(catalog, source_id)
        return list(threads.map(lambda row: _tile(row, files, base, pool), rows))


def _newest(catalog: Catalog, source_id: str) -> list[_Row]:
    with connect(catalog) as connection:
        create_source_views(connection, catalog, source_id, OBJECTS, DERIVATIVES)
        rows = connection.execute(
            f"""
            SELECT key, uri, derivatives.size_bytes, width_px, height_px, error, error_detail
            FROM objects JOIN derivatives USING (source, key, etag)
            WHERE kind = 'pyramid' AND (error IS NULL OR {failure_condition()})
            QUALIFY row_number() OVER (PARTITION BY key ORDER BY made_at DESC) = 1
            ORDER BY made_at DESC, key LIMIT {MOST_TILES}
            """
        ).fetchall()
    return [_Row(*row) for row in rows]


def _tile(row: _Row, files: DerivedFiles, base: str, pool: DecodePool) -> Tile:
    if row.uri is None:
        why = f"{reason_text(row.error or '')}: {row.error_detail}"
        return Tile(row.key, "", reason=why)
    size = f"{row.width_px} x {row.height_px}, {human_bytes(row.size_bytes)}"
    published = _Published(files, row.uri.removeprefix(base), row.size_bytes)
    try:
        return Tile(row.key, size, webp=_drawn(published, pool))
    except (StorageError, Refused) as error:
        return Tile(row.key, size, reason=f"Its pyramid cannot be read: {error}")


def _drawn(published: _Published, pool: DecodePool) -> bytes:
    if published.size_bytes > _WHOLE_BYTES:
        made = make_thumbnail_partly(pool, published, "tif", _PARAMS, lambda _: nullcontext())
        if made is not None:
            return made.webp
    data = published.read_range(0, published.size_bytes)
    return make_thumbnail(pool, data, "tif", _PARAMS).webp
