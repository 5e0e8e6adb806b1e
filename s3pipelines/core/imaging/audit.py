"""Whether what was made is still what it was: fetched, reopened, and compared with its row."""

import tempfile
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect, sql_text
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
from s3pipelines.core.storage.derived_files import DerivedFiles, open_derived_files

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
    """Look at the files of one kind that belong to the objects as they are now.

    Args:
        catalog: Where the tables are.
        work: Which kind, of which objects; of pyramids with the parameters of the source.
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
    done = Audit()

    def look(made: Made) -> str | None:
        return _fault(files, made, base, work, pool)

    rows = made_of(catalog, work)
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
    """The rows of the files, by key."""
    prefix = get_source(catalog, work.source_id).prefix
    asked = dict.fromkeys((OBJECTS, DERIVATIVES, *work.selection.asked_tables))
    with connect(catalog) as connection:
        create_source_views(connection, catalog, work.source_id, *asked)
        condition = work.selection.condition(connection, prefix)
        limit = work.selection.limit
        # The digest of a pyramid begins with that of the parameters of its source.
        digest = f"starts_with(params_digest, {sql_text(work.digest)})"
        found = connection.execute(
            f"""
            WITH selected AS (
                SELECT key, etag FROM objects WHERE {condition} ORDER BY key
                {"" if limit is None else f"LIMIT {int(limit)}"}
            ), newest AS (
                SELECT * FROM derivatives
                WHERE kind = {sql_text(work.kind)} AND {digest} AND error IS NULL
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


def _fault(files: DerivedFiles, made: Made, base: str, work: Work, pool: DecodePool) -> str | None:
    if not made.uri.startswith(base):
        return f"It lies elsewhere than below {base}."
    with tempfile.TemporaryFile() as file:
        try:
            files.fetch(made.uri.removeprefix(base), file)
        except Gone:
            return "It is gone."
        sha256, size_bytes = sha256_of(file)
        if size_bytes != made.size_bytes:
            return f"It has {size_bytes:,} bytes and not {made.size_bytes:,}."
        if sha256 != made.sha256:
            return "Its bytes are not those that were written."
        return _structural_fault(file, made, work, pool) if work.kind == "pyramid" else None


def _structural_fault(file: BinaryIO, made: Made, work: Work, pool: DecodePool) -> str | None:
    try:
        found = structure_of(pool, file)
    except Refused as refused:
        return refused.failure.detail
    params = work.pyramid.params
    expected = expected_structure(made.width_px, made.height_px, found.bands, found.bits, params)
    return found.difference(expected)
