"""A DuckDB connection that can read the catalog's Delta tables, local or on S3."""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path

import duckdb
import pyarrow as pa

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import TIMESTAMP, TableSchema
from s3pipelines.core.sql.failures import statement_error
from s3pipelines.core.sql.quoting import sql_text
from s3pipelines.core.storage.locations import S3Location
from s3pipelines.core.storage.options import duckdb_secret

_MB_PER_THREAD = 64
_THREADS_OVER_S3 = 8
_TYPES = {
    pa.string(): "VARCHAR",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.bool_(): "BOOLEAN",
    pa.binary(): "BLOB",
    TIMESTAMP: "TIMESTAMPTZ",
}


@contextmanager
def connect(
    catalog: Catalog, *, delta: bool = False, rereads: bool = True
) -> Iterator[duckdb.DuckDBPyConnection]:
    """An in-memory DuckDB that can read where the catalog is.

    The extensions come from their wheels, so nothing is downloaded. What does not fit into the
    catalog's memory limit spills into a temporary folder that is removed at the end.

    Args:
        catalog: The catalog; on S3 its credentials are those of this moment.
        delta: Also know `delta_scan`, which takes 0.2 s to load.
        rereads: Files are read more than once, and worth keeping in memory; those of this machine
            are not, as the system does so already.

    Raises:
        InvalidInput: A statement of the block needs more memory than it may, or is wrong.
        StorageError: The catalog's credentials cannot be had, or its tables not be read.
    """
    # DuckDB makes it when it first spills and removes it at the end, so that a process that is
    # killed leaves nothing unless it was spilling.
    spill = Path(tempfile.gettempdir(), f"s3pipelines-duckdb-{uuid.uuid4().hex}")
    connection = duckdb.connect(
        config={
            "memory_limit": f"{catalog.memory_limit_mb}MB",
            "temp_directory": str(spill),
            "threads": _threads(catalog),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "python_enable_replacements": False,
            "enable_external_file_cache": rereads and isinstance(catalog.location, S3Location),
        }
    )
    try:
        connection.execute("SET TimeZone = 'UTC'")
        if delta:
            load_extension(connection, "delta")
        if isinstance(catalog.location, S3Location):
            _reach(connection, catalog, catalog.location)
        yield connection
    except duckdb.Error as error:
        raise statement_error(error, catalog.memory_limit_mb) from error
    finally:
        connection.close()
        shutil.rmtree(spill, ignore_errors=True)


def _reach(connection: duckdb.DuckDBPyConnection, catalog: Catalog, location: S3Location) -> None:
    # Side by side: the extension takes 60 ms, and botocore 100 ms to find the keys.
    with ThreadPoolExecutor(1) as pool:
        secret = pool.submit(duckdb_secret, catalog.access, location.bucket, location.uri)
        load_extension(connection, "httpfs")
        connection.execute(secret.result())


def _threads(catalog: Catalog) -> int:
    """No more than the memory can feed: each thread holds buffers of its own that do not spill.

    Over S3 most of them wait for an answer: more than there are processors.
    """
    processors = os.cpu_count() or 1
    if isinstance(catalog.location, S3Location):
        processors = max(processors, _THREADS_OVER_S3)
    return max(1, min(processors, catalog.memory_limit_mb // _MB_PER_THREAD))


def load_extension(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Load straight from the wheel: installing would write into the home folder of the user."""
    folder = files(f"duckdb_extension_{name}") / "extensions" / f"v{duckdb.__version__}"
    with as_file(folder / f"{name}.duckdb_extension") as path:
        connection.execute(f"LOAD {sql_text(str(path))}")


def empty_relation(schema: TableSchema) -> str:
    """A query with the columns and types of `schema` and no row, for a table not written yet."""
    typed = (f"NULL::{duckdb_type(column.type)} AS {column.name}" for column in schema.columns)
    return f"SELECT {', '.join(typed)} WHERE false"


def duckdb_type(arrow_type: pa.DataType) -> str:
    """The SQL type that a column of a table has in DuckDB."""
    return _TYPES[arrow_type]
