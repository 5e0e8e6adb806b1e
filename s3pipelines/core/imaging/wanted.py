"""Which sources have images to work on: what the sensor asks, of as many as a tick allows.

The question is the anti-join of `missing`. It takes up to a second for a million objects, so it is
not asked again while everything that the answer "nothing" rests on is the same.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import (
    ANNOTATIONS,
    DERIVATIVES,
    IMAGES,
    OBJECTS,
    OBJECTS_TAIL,
    RERUNS,
    TAGS,
)
from s3pipelines.core.catalog.tables import files_of_source, find_table, table_errors
from s3pipelines.core.errors import S3PipelinesError
from s3pipelines.core.imaging.missing import count_missing
from s3pipelines.core.imaging.wishes import Kind, kinds_on_arrival, work_on
from s3pipelines.core.sources.source import Source
from s3pipelines.core.sources.turns import in_turn

_ASKED = (OBJECTS, OBJECTS_TAIL, IMAGES, DERIVATIVES, RERUNS, ANNOTATIONS, TAGS)
# Some failures are tried again after a while, which no table tells.
_TRUSTED_FOR = timedelta(minutes=10)


class Answers(BaseModel):
    """What is known from earlier ticks: small JSON text that may be lost at any time.

    Attributes:
        next_source: Whose turn it is.
        nothing: By source and kind, what the answer "nothing is missing" rested on.
        since: The time of the oldest of these answers.
        unchecked: Something was made since the checks last ran.
    """

    model_config = ConfigDict(frozen=True)

    next_source: str = ""
    nothing: dict[str, str] = Field(default_factory=dict)
    since: datetime = Field(default_factory=lambda: datetime.now(UTC))
    unchecked: bool = False

    @staticmethod
    def from_cursor(cursor: str | None) -> "Answers":
        """Read a cursor; what cannot be read is asked again, which loses nothing."""
        try:
            return Answers.model_validate_json(cursor) if cursor else Answers()
        except ValidationError:
            return Answers()

    def to_cursor(self) -> str:
        """The text to keep."""
        return self.model_dump_json()

    def trusted_at(self, now: datetime) -> "Answers":
        """These answers without those that are too old."""
        if now - self.since < _TRUSTED_FOR:
            return self
        return self.model_copy(update={"nothing": {}, "since": now})


@dataclass(frozen=True)
class Finding:
    """So many objects of a source lack this."""

    source: Source
    kind: Kind
    objects: int


@dataclass(frozen=True)
class Search:
    """What was found, and what is known now.

    Attributes:
        findings: Where something is missing.
        problems: A line for each source that could not be looked at.
        answers: For the next time.
        quiet: All sources were looked at, nothing is missing and nothing under way.
    """

    findings: tuple[Finding, ...]
    problems: tuple[str, ...]
    answers: Answers
    quiet: bool


def search(
    catalog: Catalog,
    sources: Sequence[Source],
    answers: Answers,
    reader_version: str,
    budget_s: float,
    is_busy: Callable[[str, Kind], bool],
) -> Search:
    """Look for work at as many sources as the time allows, in turn.

    Args:
        catalog: Where the tables are.
        sources: The registered sources; those that ask for nothing are left alone, and so are
            pyramids that are made once a day.
        answers: From the time before.
        reader_version: The libraries that read images here.
        budget_s: Seconds after which no further source is looked at.
        is_busy: Whether this kind of work on a source is queued or running.

    Raises:
        StorageError: The catalog cannot be read.
    """
    wishing = {s.id: s for s in sources if kinds_on_arrival(s)}
    known = answers.trusted_at(datetime.now(UTC))
    tables = _Tables(catalog, reader_version)
    # From here on, and for one source whatever the time, so that a slow catalog gets on as well.
    deadline = time.monotonic() + budget_s
    looked = False
    nothing: dict[str, str] = {}
    found = Search((), (), known, quiet=True)
    next_source = ""
    for source_id in in_turn(wishing, known.next_source):
        source = wishing[source_id]
        if looked and not next_source and time.monotonic() > deadline:
            next_source = source_id
        looked = True
        for kind in kinds_on_arrival(source):
            name = f"{source_id}/{kind}"
            if next_source:
                found = replace(found, quiet=False)
                nothing |= {name: known.nothing[name]} if name in known.nothing else {}
            elif is_busy(source_id, kind):
                found = replace(found, quiet=False)
            else:
                found = _look(catalog, tables, found, (source, kind), nothing)
    kept = {"nothing": nothing, "next_source": next_source}
    return replace(found, answers=known.model_copy(update=kept))


def _look(
    catalog: Catalog,
    tables: "_Tables",
    found: Search,
    what: tuple[Source, Kind],
    nothing: dict[str, str],
) -> Search:
    """`found`, and what is missing of one kind at one source; `nothing` gets that answer."""
    source, kind = what
    name = f"{source.id}/{kind}"
    try:
        rests_on = tables.fingerprint(source)
        if found.answers.nothing.get(name) == rests_on:
            nothing[name] = rests_on
            return found
        work = work_on(source, kind, patient=True)
        objects = count_missing(catalog, work, tables.reader_version)
    except S3PipelinesError as error:
        return replace(found, problems=(*found.problems, f"{source.id}: {error}"), quiet=False)
    if not objects:
        nothing[name] = rests_on
        return found
    finding = Finding(source, kind, objects)
    return replace(found, findings=(*found.findings, finding), quiet=False)


class _Tables:
    """The tables as they are at this tick."""

    def __init__(self, catalog: Catalog, reader_version: str) -> None:
        self._catalog = catalog
        self.reader_version = reader_version
        self._handles = [(s, find_table(catalog, s)) for s in _ASKED]

    def fingerprint(self, source: Source) -> str:
        """Names all that an answer about a source rests on."""
        parts = [self.reader_version, source.generation, source.pyramid.model_dump_json()]
        for schema, table in self._handles:
            if table is not None:
                with table_errors(self._catalog, schema.name):
                    parts += sorted(files_of_source(table, source.id))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
