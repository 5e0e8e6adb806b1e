"""Whether what was made is still what it was: fetched, reopened, and compared with its row."""

import tempfile
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import DERIVATIVES, OBJECTS
from s3pipelines.core.catalog.views import create_source_views
from s3pipelines.core.errors import Gone
from s3pipelines.core.imaging.outcomes import Refused
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.publishing import sha256_of
from s3pipelines.core.imaging.pyramids import structure_of
from s3pipelines.core.imaging.structure import expected_structure
from s3pipelines.core.imaging.wishes import Work
from s3pipelines.core.sources.registry import get_source
from s3pipelines.core.sql.quoting import sql_text
from s3pipelines.core.sql.selection import Selection
from s3pipelines.core.storage.derived_files import open_derived_files

GONE = "It is gone."
_AT_A_TIME = 8
_ROWS_AT_A_TIME = 10_000


@dataclass(frozen=True)
class Made:
    """What a row says of a file."""

    key: str
    uri: str
    size_bytes: int
    sha256: str
    width_px: int
    height_px: int


@dataclass(frozen=True)
class Fault:
    """A file that is not what its row says."""

    key: str
    uri: str
    fault: str


@dataclass
class Audit:
    """What came of looking.

    Attributes:
        files: How many were looked at.
        size_bytes: Their size together.
        faults: Those that are not what they were.
    """

    files: int = 0
    size_bytes: int = 0
    faults: list[Fault] = field(default_factory=list)


def audit(
    catalog: Catalog,
    work: Work,
    pool: DecodePool,
    progress: Callable[[int], None] = lambda _: None,
) -> Audit:
    """Look at the pyramids that belong to the objects as they are now.

    Args:
        catalog: Where the tables are.
        work: Of which objects, and with which parameters.
        pool: Where they are opened.
        progress: Is told how many are done.

    Raises:
        InvalidInput: The selection is wrong.
        NotFound: There is no such source.
        StorageError: The catalog, or the place for derivatives, cannot be read.
    """
    location = catalog.derivatives_location(work.source_id)
    files = open_derived_files(location, catalog.access, connections=_AT_A_TIME)
    base = f"{location.uri.rstrip('/')}/"

    def look(made: Made) -> str | None:
        if not made.uri.startswith(base):
            return f"It lies elsewhere than below {base}."
        with tempfile.TemporaryFile() as file:
            try:
                files.fetch(made.uri.removeprefix(base), file)
            except Gone:
                return GONE
            return byte_fault(file, made) or _structural_fault(file, made, work, pool)

    return each(made_of(catalog, work), look, progress)


def each(
    rows: Iterator[Made], look: Callable[[Made], str | None], progress: Callable[[int], None]
) -> Audit:
    """Look at several files at a time; `look` says what is wrong with one."""
    done = Audit()
    with ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="audit") as threads:
        while batch := list(islice(rows, _ROWS_AT_A_TIME)):
            for made, fault in zip(batch, threads.map(look, batch), strict=True):
                done.files += 1
                done.size_bytes += made.size_bytes
                if fault is not None:
                    done.faults.append(Fault(made.key, made.uri, fault))
                progress(done.files)
    return done


def made_of(catalog: Catalog, work: Work) -> Generator[Made, None, None]:
    """The rows of the files of a kind, by key."""
    # The digest of a pyramid begins with that of the parameters of its source.
    digest = f"starts_with(params_digest, {sql_text(work.digest)})"
    which = f"kind = {sql_text(work.kind)} AND {digest}"
    return files_of(catalog, work.source_id, work.selection, which)


def files_of(
    catalog: Catalog, source_id: str, selection: Selection, which: str
) -> Generator[Made, None, None]:
    """The rows of files that belong to the selected objects as they are now, by key.

    Args:
        catalog: Where the tables are.
        source_id: A registered source.
        selection: Of which objects.
        which: Of which files: an SQL condition over `derivatives`.
    """
    prefix = get_source(catalog, source_id).prefix
    asked = dict.fromkeys((OBJECTS, DERIVATIVES, *selection.asked_tables))
    with connect(catalog) as connection:
        create_source_views(connection, catalog, source_id, *asked)
        condition = selection.condition(connection, prefix)
        limit = selection.limit
        found = connection.execute(
            f"""
            WITH selected AS (
                SELECT key, etag FROM objects WHERE {condition} ORDER BY key
                {"" if limit is None else f"LIMIT {int(limit)}"}
            ), newest AS (
                SELECT * FROM derivatives WHERE {which} AND error IS NULL AND uri IS NOT NULL
                QUALIFY row_number() OVER (PARTITION BY uri ORDER BY made_at DESC) = 1
            )
            SELECT key, uri, size_bytes, sha256, width_px, height_px
            FROM newest JOIN selected USING (key, etag) ORDER BY key, uri
            """
        )
        while rows := found.fetchmany(_ROWS_AT_A_TIME):
            yield from (Made(*row) for row in rows)


def count_made(catalog: Catalog, work: Work) -> int:
    """How many files `audit` would look at."""
    return sum(1 for _ in made_of(catalog, work))


def byte_fault(file: BinaryIO, made: Made) -> str | None:
    """Whether a file has the bytes that its row says it has."""
    sha256, size_bytes = sha256_of(file)
    if size_bytes != made.size_bytes:
        return f"It has {size_bytes:,} bytes and not {made.size_bytes:,}."
    return None if sha256 == made.sha256 else "Its bytes are not those that were written."


def _structural_fault(file: BinaryIO, made: Made, work: Work, pool: DecodePool) -> str | None:
    try:
        found = structure_of(pool, file)
    except Refused as refused:
        return refused.failure.detail
    params = work.pyramid.params
    expected = expected_structure(made.width_px, made.height_px, found.bands, found.bits, params)
    return found.difference(expected)
