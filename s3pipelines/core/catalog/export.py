"""Taking the rows of one source out of the catalog, as a file that any tool reads."""

import tempfile
from pathlib import Path

import duckdb

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import OBJECTS
from s3pipelines.core.catalog.tables import open_table, source_predicate
from s3pipelines.core.catalog.views import index_now
from s3pipelines.core.errors import InvalidInput, StorageError
from s3pipelines.core.sql.quoting import sql_text
from s3pipelines.core.storage.locations import parse_s3_location
from s3pipelines.core.storage.upload import upload_file
from s3pipelines.core.storage.whole_files import whole_file

_FORMAT = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 131072, USE_TMP_FILE false"


def export_objects(catalog: Catalog, source_id: str, target: Path | str) -> int:
    """Write the rows of a source as one Parquet file (zstd), sorted by key.

    The file is there whole or not at all. More rows than fit into the catalog's memory limit are
    sorted on disk.

    Args:
        catalog: Where the table `objects` is.
        source_id: Id of the source.
        target: A local path, or `s3://bucket/key.parquet`, which is written with the catalog's
            credentials.

    Returns:
        The number of rows.

    Raises:
        InvalidInput: The target cannot be written to.
        NotFound: The catalog has no table `objects` yet.
        StorageError: The catalog cannot be read, or the bucket not be written.
    """
    open_table(catalog, OBJECTS)
    if "://" not in str(target):
        with whole_file(Path(target).expanduser()) as part:
            return _write(catalog, source_id, part)
    bucket, key = _object(str(target))
    with tempfile.TemporaryDirectory(prefix="s3pipelines-export-") as folder:
        part = Path(folder) / "objects.parquet"
        rows = _write(catalog, source_id, part)
        upload_file(catalog.access, part, bucket, key)
    return rows


def _object(uri: str) -> tuple[str, str]:
    location = parse_s3_location(uri)
    if not location.prefix or uri.endswith("/"):
        raise InvalidInput(
            f"{uri!r} names no object.", hint="Write s3://BUCKET/KEY, for example …/maps.parquet."
        )
    return location.bucket, location.prefix.removesuffix("/")


def _write(catalog: Catalog, source_id: str, path: Path) -> int:
    columns = ", ".join(f'"{name}"' for name in OBJECTS.column_names)
    rows = (
        f"SELECT {columns} FROM ({index_now(catalog)}) "
        f"WHERE {source_predicate(source_id)} ORDER BY key"
    )
    with connect(catalog, delta=True) as connection:
        try:
            written = connection.execute(f"COPY ({rows}) TO {sql_text(str(path))} ({_FORMAT})")
            return int((written.fetchone() or (0,))[0])
        except duckdb.Error as error:
            raise StorageError(
                f"The rows of {source_id!r} cannot be exported ({' '.join(str(error).split())}).",
                hint="Check the catalog's permissions, and the room on the disk.",
            ) from error
