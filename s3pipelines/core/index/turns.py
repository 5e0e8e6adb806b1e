"""One writer's turn at the index of a source, and what it does with the ledger in it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

import duckdb
from deltalake.exceptions import CommitFailedError

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import CHANGES, OBJECTS
from s3pipelines.core.catalog.tables import open_table, table_errors
from s3pipelines.core.detection.differences import KINDS
from s3pipelines.core.detection.folding import OPEN_KEYS, STILL_OPEN, UNAPPLIED
from s3pipelines.core.detection.ledger import load_observations
from s3pipelines.core.detection.pending import Pending, note_hints, read_pending, settle
from s3pipelines.core.errors import Busy, NotFound, Unreadable
from s3pipelines.core.index.answers import Answers
from s3pipelines.core.index.commit import Written
from s3pipelines.core.index.comparison import Comparison
from s3pipelines.core.index.snapshot import Snapshot
from s3pipelines.core.index.upkeep import take_in
from s3pipelines.core.preview.wording import counted
from s3pipelines.core.sources.leases import index_lease
from s3pipelines.core.sources.registry import get_source
from s3pipelines.core.sources.source import Source
from s3pipelines.core.storage.leases import Lease, hold

# Writers of one source take turns by the lease, so a conflict is rare: upkeep, or a writer that
# lost its lease in the very moment of its commit.
_ATTEMPTS = 5

T = TypeVar("T")


@dataclass
class Applied:
    """What came of the ledger.

    Attributes:
        answers: What S3 said of the keys that it was asked about, by kind of observation.
        changes: What differed from the index and was applied, by kind.
        wrote: How it was written.
        lag_s: Median and 95th percentile of the seconds from the observation of a hint to its
            being in the index; None if there was no hint.
        waiting: Objects that have not settled, or that S3 gave no answer about.
    """

    answers: dict[str, int] = field(default_factory=dict)
    changes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    wrote: Written = "nothing"
    lag_s: tuple[float, float] | None = None
    waiting: int = 0

    @property
    def asked(self) -> int:
        """How many keys S3 was asked about."""
        return sum(self.answers.values())


def take_turn(
    catalog: Catalog,
    source: Source,
    batch_id: str | None,
    say: Callable[[str], None],
    work: Callable[["Turn", duckdb.DuckDBPyConnection], T],
    *,
    wait_s: float = 600.0,
) -> T:
    """Wait for the turn at the index of a source, and work in it; anew if somebody interferes.

    Args:
        catalog: Where the index is.
        source: The source.
        batch_id: Names the batch in the ledger; made up by default.
        say: Is told of the steps, a line each.
        work: Is given the turn, and a connection for its temporary tables.
        wait_s: How long to wait for another process that has its turn, in seconds.

    Raises:
        Busy: Another process has its turn and went on for all that time, or somebody interfered
            again and again.
    """
    purpose = f"An update of the index of {source.id!r}"
    with hold(catalog.documents, index_lease(source.id), purpose, wait_s=wait_s) as lease:
        for _ in range(_ATTEMPTS):
            turn = Turn(catalog, source, lease, batch_id or new_batch_id(source), say)
            try:
                with (
                    connect(catalog, rereads=False) as connection,
                    table_errors(catalog, OBJECTS.name),
                ):
                    return work(turn, connection)
            except CommitFailedError:
                say("The index was changed meanwhile: beginning again.")
    raise Busy(
        f"The index of {source.id!r} was changed {_ATTEMPTS} times while it was being updated.",
        hint="See what else writes to the table 'objects', and run it again.",
    )


def new_batch_id(source: Source) -> str:
    """A name for a batch that nobody asked for by one."""
    return f"{source.id}/{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"


class Turn:
    """One writer's turn at the index of a source, while it holds the lease.

    Attributes:
        snapshot: The index, opened at the beginning.
    """

    def __init__(
        self,
        catalog: Catalog,
        source: Source,
        lease: Lease,
        batch_id: str,
        say: Callable[[str], None],
    ) -> None:
        self.batch_id = batch_id
        self.snapshot = Snapshot.open(catalog, source.id)
        self.ledger = open_table(catalog, CHANGES)
        self._catalog = catalog
        self._source = source
        self._lease = lease
        self._say = say
        self._applied_to = self.snapshot.applied
        if self._applied_to > self.ledger.version():
            raise Unreadable(
                f"The ledger is older than the index of {source.id!r}: it was replaced.",
                hint="Restore tables/changes in the catalog, or begin with a new catalog.",
            )
        self._seen: Pending | None = None
        self._seen_at = datetime.now(UTC)
        self._up_to = self._own = -1
        self._still_open: Pending | None = None

    def confirm(self) -> None:
        """Make sure that this is still the writer, of this registration, before it writes.

        Raises:
            PreconditionFailed: Somebody else took the lease over.
            NotFound: The source was deleted, or registered anew.
        """
        if get_source(self._catalog, self._source.id).generation != self._source.generation:
            raise NotFound(
                f"The source {self._source.id!r} was deleted and registered anew meanwhile.",
                hint="Refresh it again.",
            )
        self._lease.confirm()

    def apply_pending(
        self, connection: duckdb.DuckDBPyConnection, *, answered_up_to: int = -1
    ) -> Applied:
        """Ask S3 about every open key, and apply what changed; `settle` says so at the end.

        Args:
            connection: Made by `core.catalog.duck.connect`.
            answered_up_to: A listing answers the hints up to this version of the ledger.
        """
        done = Applied()
        self._seen = read_pending(self._catalog, self._source)
        if self._seen is None:
            return done
        self._up_to = self.ledger.version()
        self._load(connection, self._seen.first)
        # What a writer that was killed had confirmed; then the rest is compared with that.
        self.apply_answers(connection, done)
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE open_keys AS {OPEN_KEYS}",
            {"answered_up_to": answered_up_to, "now": datetime.now(UTC)},
        )
        self.ask(connection, done)
        self.apply_answers(connection, done)
        done.lag_s = _lag(connection)
        self.see_what_waits(connection)
        done.waiting = self._still_open.waiting if self._still_open else 0
        return done

    @property
    def first_open(self) -> int:
        """The first version of the ledger with something that was open at the beginning."""
        return self._seen.first if self._seen is not None else self.ledger.version() + 1

    def see_what_waits(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Find out, of the table `observations`, what is to be asked about again."""
        self._still_open = self._what_waits(connection)

    def settle(self) -> None:
        """Say what of the ledger is left; only after everything that answers it is in the index."""
        if self._seen is None and self._own < 0:
            return  # Nothing was open, and nothing was asked about.
        generation = self._source.generation
        seen = self._seen or Pending(generation=generation, first=self._own, last=self._own)
        up_to = self._up_to if self._seen is not None else self._own - 1
        settle(
            self._catalog,
            self._source,
            seen,
            up_to,
            self._still_open,
            own=self._own,
            at=self._seen_at,
        )

    def note_changes(self) -> None:
        """Note that the next commit of the ledger brings changes that are still to be applied.

        Before that commit, so that who is killed after it does not leave them to nobody.
        """
        self._own = self.ledger.version() + 1
        note_hints(self._catalog, self._source, self._own, 0, datetime.now(UTC))

    def ask(self, connection: duckdb.DuckDBPyConnection, done: Applied) -> None:
        """Ask S3 about the keys of the table `open_keys`; the answers are in the ledger then."""
        count = connection.execute("SELECT count(*) FROM open_keys").fetchall()[0][0]
        if not count:
            return
        self._say(f"Asking S3 about {counted(count, 'object')}")
        self.confirm()
        answers = Answers(self._catalog, self._source, self.snapshot, self.ledger, self.batch_id)
        for kind, number in answers.ask(connection).items():
            done.answers[kind] = done.answers.get(kind, 0) + number

    def apply_answers(
        self, connection: duckdb.DuckDBPyConnection, done: Applied, *, merge: bool = False
    ) -> None:
        """Apply the changes of the table `observations` that the index has not got.

        Args:
            connection: The connection with that table.
            done: Is told what was applied.
            merge: Merge them at once, whatever it takes.
        """
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE unapplied AS {UNAPPLIED}",
            {"applied": self._applied_to},
        )
        count, position = connection.execute(
            "SELECT count(*), max(commit_version) FROM unapplied"
        ).fetchall()[0]
        if not count:
            return
        comparison = Comparison(
            connection,
            self._source,
            datetime.now(UTC),
            listed="SELECT key, size_bytes, etag, last_modified, storage_class, "
            "version_id, true AS settled FROM unapplied WHERE kind <> 'deleted'",
            indexed=f"FROM ({self.snapshot.rows}) SEMI JOIN unapplied USING (key)",
        )
        counts = comparison.counts()
        self.confirm()
        done.wrote = take_in(connection, self.snapshot, comparison, position, merge=merge)
        self._applied_to = position
        for kind, number in counts.items():
            done.changes[kind] += number

    def _load(self, connection: duckdb.DuckDBPyConnection, first: int) -> None:
        load_observations(connection, self._catalog, self.ledger, self._source.id, first)

    def _what_waits(self, connection: duckdb.DuckDBPyConnection) -> Pending | None:
        count, first, due_at = connection.execute(STILL_OPEN).fetchall()[0]
        if not count:
            return None
        return Pending(
            generation=self._source.generation,
            first=first,
            last=self.ledger.version(),
            waiting=count,
            due_at=due_at,
        )


def _lag(connection: duckdb.DuckDBPyConnection) -> tuple[float, float] | None:
    seconds = "epoch(now()) - epoch(since)"
    found = connection.execute(
        f"SELECT quantile_cont({seconds}, [0.5, 0.95]) FROM open_keys"
    ).fetchall()[0][0]
    return None if found is None else (max(0.0, found[0]), max(0.0, found[1]))
