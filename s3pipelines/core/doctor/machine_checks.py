"""The machine: Python, DuckDB, room for temporary files, and its clock."""

import platform
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import duckdb

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect, load_extension
from s3pipelines.core.doctor.findings import Check, Finding
from s3pipelines.core.preview.wording import human_bytes
from s3pipelines.core.sources.source import Source
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.locations import FolderLocation, S3Location
from s3pipelines.core.storage.probes import clock_skew

_AREA = "machine"
_LEAST_FREE_BYTES = 2_000_000_000
# AWS refuses signatures that are 15 minutes off; a clock that is this far off goes on drifting.
_MOST_SKEW = timedelta(minutes=5)
_ROOM = "Make room there, or set TMPDIR to another folder: listings and queries spill into it."


def machine_checks(catalog: Catalog, sources: Iterable[Source]) -> list[Check]:
    """The checks of this machine; its clock is compared with that of the first S3 in use."""
    checks = [
        Check(_AREA, "python", lambda: [Finding(_AREA, "python", "ok", _python())]),
        Check(_AREA, "duckdb", lambda: [_duckdb(catalog)]),
        Check(_AREA, "disk", lambda: [disk_finding()]),
    ]
    asked = _an_s3(catalog, sources)
    if asked is not None:
        access, bucket = asked
        checks.append(Check(_AREA, "clock", lambda: [clock_finding(clock_skew(access, bucket))]))
    return checks


def clock_finding(skew: timedelta | None) -> Finding:
    """What it means that this machine's clock is so far ahead of that of S3."""
    name = "clock"
    if skew is None:
        return Finding(_AREA, name, "skipped", "The S3 server does not say what time it is.")
    direction = "ahead of" if skew > timedelta(0) else "behind"
    detail = f"{abs(skew.total_seconds()):,.0f} s {direction} that of the S3 server."
    if abs(skew) > _MOST_SKEW:
        hint = "Set this machine's clock by NTP: S3 refuses signatures of another time."
        return Finding(_AREA, name, "failed", detail, hint)
    return Finding(_AREA, name, "ok", detail)


def disk_finding() -> Finding:
    """How much room there is for temporary files."""
    try:
        folder = tempfile.gettempdir()
        free = shutil.disk_usage(folder).free
    except OSError as error:  # Also when every candidate is full or read-only.
        detail = f"There is no usable folder for temporary files ({error.strerror or error})."
        return Finding(_AREA, "disk", "failed", detail, _ROOM)
    detail = f"{human_bytes(free)} free in {folder}."
    if free < _LEAST_FREE_BYTES:
        return Finding(_AREA, "disk", "warning", detail, _ROOM)
    return Finding(_AREA, "disk", "ok", detail)


def _python() -> str:
    return f"Python {platform.python_version()} on {platform.system()} {platform.machine()}."


def _duckdb(catalog: Catalog) -> Finding:
    # In a folder, so that only the extensions count here and not the credentials.
    here = replace(catalog, location=FolderLocation(Path(tempfile.gettempdir())))
    try:
        with connect(here, delta=True) as connection:
            load_extension(connection, "httpfs")
            loaded = connection.execute(
                "SELECT string_agg(extension_name, ', ' ORDER BY extension_name) "
                "FROM duckdb_extensions() WHERE loaded AND extension_name IN ('httpfs', 'delta')"
            ).fetchall()[0][0]
    except (ImportError, OSError) as error:
        hint = "Install what requirements.lock has (make setup): the extensions come as wheels."
        return Finding(_AREA, "duckdb", "failed", f"DuckDB does not start ({error}).", hint)
    return Finding(_AREA, "duckdb", "ok", f"DuckDB {duckdb.__version__} with {loaded}.")


def _an_s3(catalog: Catalog, sources: Iterable[Source]) -> tuple[Access, str] | None:
    if isinstance(catalog.location, S3Location):
        return catalog.access, catalog.location.bucket
    first = next(iter(sources), None)
    return (first.access(catalog.access), first.bucket) if first is not None else None
