"""All buckets, with what the index knows of those that sources lie in."""

from dataclasses import dataclass
from datetime import datetime
from itertools import combinations

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import StorageError
from s3pipelines.core.sources.registry import read_registry
from s3pipelines.core.sources.source import Source
from s3pipelines.core.sql.quoting import sql_text
from s3pipelines.core.sql.session import Session, open_session
from s3pipelines.core.storage.access import same_endpoint
from s3pipelines.core.storage.bucket_admin import OwnBucket, list_own_buckets
from s3pipelines.core.storage.clients import endpoint_of


@dataclass(frozen=True)
class BucketOverview:
    """One bucket.

    Attributes:
        name: Its name.
        created_at: When it was made; None if it is not one of this account.
        region: Where it lies, if the server says so.
        sources: Ids of the sources whose objects are in it.
        covers: The index counts the `whole` bucket, a `part` of it, or `none`.
        objects: Objects that the index knows there; None if no source is there.
        size_bytes: Their size together.
    """

    name: str
    created_at: datetime | None
    region: str | None
    sources: tuple[str, ...]
    covers: str
    objects: int | None
    size_bytes: int | None


@dataclass(frozen=True)
class Overview:
    """The buckets by name; `problem` says why those of the account are not among them."""

    buckets: tuple[BucketOverview, ...]
    problem: str = ""


def list_buckets(catalog: Catalog) -> Overview:
    """The buckets of the account, and any other one that a source lies in.

    Raises:
        StorageError: The registry or the index cannot be read.
    """
    problem = ""
    own: dict[str, OwnBucket] = {}
    try:
        own = {bucket.name: bucket for bucket in list_own_buckets(catalog.access)}
    except StorageError as error:
        problem = str(error)
    by_place = _sources_by_place(catalog)
    with open_session(catalog) as session:
        rows = [
            _overview(session, own, place, by_place.get(place, []))
            for place in _places(own, by_place)
        ]
    return Overview(tuple(rows), problem)


# A bucket's name, and the endpoint if it is another one than the catalog's.
_Place = tuple[str, str | None]


def _places(own: dict[str, OwnBucket], by_place: dict[_Place, list[Source]]) -> list[_Place]:
    return sorted({(name, None) for name in own} | set(by_place), key=lambda p: (p[0], p[1] or ""))


def _sources_by_place(catalog: Catalog) -> dict[_Place, list[Source]]:
    here = endpoint_of(catalog.access)
    found: dict[_Place, list[Source]] = {}
    for source in read_registry(catalog).sources:
        there = endpoint_of(source.access(catalog.access))
        elsewhere = None if same_endpoint(here, there) else (there or "aws")
        found.setdefault((source.bucket, elsewhere), []).append(source)
    return found


def _overview(
    session: Session, own: dict[str, OwnBucket], place: _Place, sources: list[Source]
) -> BucketOverview:
    name, elsewhere = place
    bucket = own.get(name) if elsewhere is None else None
    objects, size_bytes = _count(session, sources) if sources else (None, None)
    return BucketOverview(
        name=name,
        created_at=bucket.created_at if bucket else None,
        region=bucket.region if bucket else elsewhere,
        sources=tuple(source.id for source in sources),
        covers=_covers(sources),
        objects=objects,
        size_bytes=size_bytes,
    )


def _covers(sources: list[Source]) -> str:
    if not sources:
        return "none"
    whole = any(not (s.prefix or s.include or s.exclude) for s in sources)
    return "whole" if whole else "part"


def _count(session: Session, sources: list[Source]) -> tuple[int, int]:
    """Objects and bytes; an object of two sources counts once."""
    if _are_apart(sources):
        counts = [_sums(session, f"objects WHERE source = {sql_text(s.id)}") for s in sources]
        return sum(objects for objects, _ in counts), sum(size for _, size in counts)
    ids = ", ".join(sql_text(source.id) for source in sources)
    once = (
        "SELECT max_by(size_bytes, indexed_at) AS size_bytes "
        f"FROM objects WHERE source IN ({ids}) GROUP BY key"
    )
    return _sums(session, f"({once})")


def _sums(session: Session, rows: str) -> tuple[int, int]:
    statement = f"SELECT count(*), coalesce(sum(size_bytes), 0)::BIGINT FROM {rows}"
    [row] = session.run(statement).read_all().to_pylist()
    objects, size_bytes = row.values()
    return int(objects), int(size_bytes)


def _are_apart(sources: list[Source]) -> bool:
    pairs = combinations((source.location for source in sources), 2)
    return not any(one.overlaps(other) for one, other in pairs)
