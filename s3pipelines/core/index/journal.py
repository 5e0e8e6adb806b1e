"""What a listing has finished so far, so that who is killed need not begin anew.

It lies in the folder for temporary files of this machine. On another machine, after some hours, or
where little was done, a listing starts from the beginning. One that is gone on with shows some keys
as they were when it began, and counts as begun then: what events told since is asked about.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.sources.source import Source
from s3pipelines.core.storage.listing.ranges import Span

# What was listed longer ago is listed again: the longer it takes, the more was changed since.
_USABLE_FOR = timedelta(hours=6)
# Fewer are listed anew within seconds, and are then as they are now.
_WORTH_ROWS = 1_000_000
_NAME = "journal.jsonl"


@dataclass(frozen=True)
class Begun:
    """What was known before the first request of a listing.

    Attributes:
        listed_at: When that was.
        ledger_version: Version of the ledger.
        listings: How many listings had been written into the index.
    """

    listed_at: datetime
    ledger_version: int
    listings: int


@dataclass(frozen=True)
class Finished:
    """A span of keys that is listed.

    Attributes:
        start: It begins after this key.
        end: It ends with this key; None for no end.
        file: Name of the file with its objects; empty if it has none.
        size_bytes: Size of that file.
        rows: Its objects.
        waiting: Those of them that have not settled.
    """

    start: str
    end: str | None
    file: str
    size_bytes: int
    rows: int
    waiting: int

    @property
    def span(self) -> Span:
        """The keys that it covers."""
        return Span(self.start, self.end)


class Journal:
    """The folder of one listing: its files, and what they cover.

    Attributes:
        folder: Where the files go.
        begun: What was known when it was begun.
        finished: What is listed already.
        resumed: It goes on with what another process has begun.
    """

    def __init__(self, folder: Path, begun: Begun, finished: list[Finished]) -> None:
        self.folder = folder
        self.begun = begun
        self.finished = finished
        self.resumed = bool(finished)
        self._file = folder / _NAME

    @classmethod
    def start(cls, folder: Path, begun: Begun) -> Self:
        """Begin anew in a folder."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700, parents=True)
        journal = cls(folder, begun, [])
        header = asdict(begun) | {"listed_at": begun.listed_at.isoformat()}
        journal._write(header)
        return journal

    @classmethod
    def go_on(cls, folder: Path, begun: Begun) -> Self:
        """Go on with what is in a folder, if it can be used, or begin anew."""
        try:
            lines = (folder / _NAME).read_text(encoding="utf-8").split("\n")[:-1]
            header = json.loads(lines[0])
            earlier = Begun(
                datetime.fromisoformat(header["listed_at"]),
                header["ledger_version"],
                header["listings"],
            )
            finished = [Finished(**json.loads(line)) for line in lines[1:]]
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            return cls.start(folder, begun)
        usable = (
            earlier.listings == begun.listings
            and earlier.ledger_version <= begun.ledger_version
            and begun.listed_at - earlier.listed_at < _USABLE_FOR
            and sum(one.rows for one in finished) >= _WORTH_ROWS
            and all(_is_there(folder, one) for one in finished)
        )
        return cls(folder, earlier, finished) if usable else cls.start(folder, begun)

    def add(self, finished: Finished) -> None:
        """Note that a span is listed; its file must be complete."""
        self.finished.append(finished)
        self._write(asdict(finished))

    def start_over(self) -> None:
        """Forget what was listed; what was known before stays."""
        self.finished.clear()
        Journal.start(self.folder, self.begun)

    def forget(self) -> None:
        """Let nobody go on with this listing, which could not be used."""
        self.finished.clear()

    def _write(self, line: Mapping[str, object]) -> None:
        # In one write, so that a line is whole or the last one.
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


@contextmanager
def journal_of(catalog: Catalog, source: Source, begun: Begun) -> Iterator[Journal]:
    """The journal of the listing of a source; whoever uses it holds the lease of the listing.

    It is removed when the block ends, but stays, with what is finished, if that was by an error.
    """
    journal = Journal.go_on(_folder_of(catalog, source), begun)
    try:
        yield journal
    except BaseException:
        if not journal.finished:
            shutil.rmtree(journal.folder, ignore_errors=True)
        raise
    shutil.rmtree(journal.folder, ignore_errors=True)


def gaps(finished: list[Finished]) -> list[Span]:
    """What is left to be listed."""
    left: list[Span] = []
    after = ""
    for span in sorted((one.span for one in finished), key=lambda span: span.start):
        if span.start > after:
            left.append(Span(after, span.start))
        if span.end is None:
            return left
        after = max(after, span.end)
    return [*left, Span(after, None)]


def _folder_of(catalog: Catalog, source: Source) -> Path:
    listed = (source.generation, source.location.uri, source.include, source.exclude)
    rules = (*listed, source.versions)
    text = repr((catalog.location.uri, source.id, source.settle_s, *rules))
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir(), f"s3pipelines-listing-{digest}")


def _is_there(folder: Path, finished: Finished) -> bool:
    if not finished.file:
        return True
    with suppress(OSError):
        return (folder / finished.file).stat().st_size == finished.size_bytes
    return False
