"""What a plan would take away from versions of sources, which are to stay as they are.

A version names objects by key and ETag, and holds no bytes. So a plan that deletes, moves or writes
over one of them is refused, when it is made and again when it is opened, unless it says that it
may (`break_versions`).
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import duckdb

from s3pipelines.core.batch.actions.action import Action
from s3pipelines.core.batch.manifests import local_manifest
from s3pipelines.core.batch.plans import Flag, Plan
from s3pipelines.core.batch.selecting import frugal
from s3pipelines.core.batch.targets import target_access
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.datasets.pins import has_versions, members_query, versions_in
from s3pipelines.core.datasets.versions import Version
from s3pipelines.core.errors import InvalidInput, printable
from s3pipelines.core.sources.source import Source
from s3pipelines.core.sql.quoting import sql_text
from s3pipelines.core.storage.access import Access

_EXAMPLES = 3
# What a plan takes away of its rows, as a query for `key` and `etag` over a relation {rows}.
_TAKEN = {
    "key": "SELECT key, etag FROM {rows} WHERE verdict IS NULL",
    "target": "SELECT target AS key, target_etag AS etag FROM {rows} "
    "WHERE verdict IS NULL AND target_etag IS NOT NULL",
    "made": "SELECT target AS key, previous ->> '$.made[0]' AS etag FROM {rows} "
    "WHERE verdict IS NULL AND target IS NOT NULL",
}


@dataclass(frozen=True)
class Broken:
    """What a plan would take away.

    Attributes:
        objects: How many members of versions.
        versions: Of which versions.
        examples: A few of their keys.
    """

    objects: int
    versions: tuple[str, ...]
    examples: tuple[str, ...]

    @property
    def flag(self) -> Flag:
        """For the summary of a plan that may do so."""
        return Flag(
            name="breaks_versions",
            objects=self.objects,
            meaning=f"They are members of {', '.join(self.versions)}, which will miss them.",
            examples=self.examples,
        )

    def refusal(self) -> InvalidInput:
        """For a plan that may not."""
        return InvalidInput(
            f"{self.objects:,} of the objects that would be taken away are members of "
            f"{', '.join(self.versions)} ({'; '.join(map(printable, self.examples))}).",
            hint="Leave them out, or make the plan with --break-versions if those versions may "
            "miss them. Nothing was changed.",
        )


def broken_by(
    connection: duckdb.DuckDBPyConnection,
    catalog: Catalog,
    source: Source,
    action: Action,
    rows: str,
) -> Broken | None:
    """Which members of versions an action would take away; None if none.

    Args:
        connection: Made by `core.catalog.duck.connect`.
        catalog: Where the versions are.
        source: Whose objects the rows are.
        action: What is done to them.
        rows: A relation with the columns of a manifest.

    Raises:
        StorageError: The catalog cannot be read.
    """
    found: list[Broken] = []
    for what in sorted(action.takes_away):
        bucket, access = _place(catalog, source, action, what)
        pinned = versions_in(catalog, bucket, access) if bucket else []
        if pinned:
            taken = _TAKEN[what].replace("{rows}", rows)
            found += _broken(connection, catalog, taken, pinned)
    if not found:
        return None
    return Broken(
        sum(one.objects for one in found),
        tuple(sorted({name for one in found for name in one.versions})),
        tuple(key for one in found for key in one.examples)[:_EXAMPLES],
    )


def refuse_broken_versions(catalog: Catalog, source: Source, plan: Plan, action: Action) -> None:
    """Make sure that a plan takes nothing away from a version that was made since.

    Raises:
        InvalidInput: It would, and may not.
        StorageError: The catalog cannot be read.
    """
    if action.breaks_versions or not action.takes_away or not has_versions(catalog):
        return
    with connect(frugal(catalog)) as connection, ExitStack() as stack:
        paths = [stack.enter_context(local_manifest(catalog, plan, one)) for one in plan.shards]
        listed = ", ".join(sql_text(str(path)) for path in paths)
        broken = broken_by(connection, catalog, source, action, f"read_parquet([{listed}])")
    if broken is not None:
        raise broken.refusal()


def _place(
    catalog: Catalog, source: Source, action: Action, what: str
) -> tuple[str | None, Access]:
    own = source.access(catalog.access)
    if what == "key":
        return source.bucket, own
    if action.mapping is None:
        return None, own
    return action.mapping.to.bucket, target_access(catalog, source, action.mapping.to)


def _broken(
    connection: duckdb.DuckDBPyConnection,
    catalog: Catalog,
    taken: str,
    pinned: Sequence[Version],
) -> list[Broken]:
    first, last = connection.execute(f"SELECT min(key), max(key) FROM ({taken})").fetchall()[0]
    if first is None:
        return []
    members = members_query(catalog, pinned, first, last)
    count, versions, examples = connection.execute(f"""
        SELECT count(DISTINCT key), list(DISTINCT version ORDER BY version),
            list(DISTINCT key ORDER BY key)[1:{_EXAMPLES}]
        FROM ({taken}) AS taken JOIN ({members}) AS members USING (key, etag)
    """).fetchall()[0]
    return [Broken(count, tuple(versions), tuple(examples))] if count else []
