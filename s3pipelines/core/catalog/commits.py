"""The log of a Delta table: which commit touched which source, when, and how.

Read from the log's own files rather than through `DeltaTable.history`, which does not tell whose
rows a commit changed: that stands in the actions, whoever wrote them.
"""

import json
from bisect import bisect_left, bisect_right
from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import TableSchema
from s3pipelines.core.errors import Gone

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAME_DIGITS = 20
# Each commit is a request of its own to S3.
_READ_AT_A_TIME = 16


@dataclass(frozen=True)
class FilesChanged:
    """What a commit did to the rows of one source.

    Attributes:
        added: Files that it wrote.
        removed: Files that hold no longer.
        rows: Rows of the files that it wrote, those that it merely copied included.
    """

    added: int = 0
    removed: int = 0
    rows: int = 0


@dataclass(frozen=True)
class Commit:
    """One version of a table.

    Attributes:
        version: Its number, from 0.
        at: When it was written, by the clock of the writer.
        operation: Delta's word for what was done, for example `MERGE`.
        mode: Of a `WRITE`: `Append` or `Overwrite`.
        metrics: Numbers of rows and files, as far as the writer tells.
        changed: By source; without what only put the same rows into other files.
    """

    version: int
    at: datetime
    operation: str
    mode: str | None
    metrics: Mapping[str, Any]
    changed: Mapping[str, FilesChanged]


@dataclass
class CommitLog:
    """The commits of one table of the catalog that its log still has; each is read once."""

    catalog: Catalog
    schema: TableSchema
    _read: dict[int, Commit] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def versions(self) -> list[int]:
        """The versions that have a commit in the log, ascending; none if there is no table.

        Raises:
            StorageError: The catalog cannot be read.
        """
        names = [name.rpartition("/")[2] for name in self.catalog.documents.names(self._folder)]
        stems = [name.removesuffix(".json") for name in names if name.endswith(".json")]
        return [int(stem) for stem in stems if len(stem) == _NAME_DIGITS and stem.isdigit()]

    @property
    def is_whole(self) -> bool:
        """Nothing was removed from it."""
        return self.versions[:1] in ([], [0])

    def commit(self, version: int) -> Commit:
        """One commit.

        Raises:
            Gone: The log does not have it.
            StorageError: The catalog cannot be read.
        """
        if version not in self._read:
            name = f"{self._folder}{version:0{_NAME_DIGITS}}.json"
            text = self.catalog.documents.read(name).body.decode()
            self._read[version] = commit_of_text(version, text)
        return self._read[version]

    def newest_first(self) -> Generator[Commit, None, None]:
        """All commits; read on as far as they are asked for.

        Raises:
            StorageError: The catalog cannot be read.
        """
        downward = self.versions[::-1]
        with ThreadPoolExecutor(_READ_AT_A_TIME) as pool:
            for start in range(0, len(downward), _READ_AT_A_TIME):
                some = downward[start : start + _READ_AT_A_TIME]
                try:
                    yield from pool.map(self.commit, some)
                except Gone:  # Removed meanwhile, and so is all that came before.
                    return

    def last_until(self, at: datetime) -> int | None:
        """The version that was the newest at a time, or None for a time before the log begins.

        Raises:
            StorageError: The catalog cannot be read.
        """
        found = bisect_right(self.versions, at, key=lambda version: self.commit(version).at)
        return self.versions[found - 1] if found else None

    def last_before(self, at: datetime) -> int | None:
        """The same without what was written at that very time."""
        found = bisect_left(self.versions, at, key=lambda version: self.commit(version).at)
        return self.versions[found - 1] if found else None

    @property
    def _folder(self) -> str:
        return f"tables/{self.schema.name}/_delta_log/"


def commit_of_text(version: int, text: str) -> Commit:
    """A commit from its file in the log: one action a line, as JSON."""
    info: dict[str, Any] = {}
    changed: dict[str, FilesChanged] = {}
    for line in text.splitlines():
        for kind, action in json.loads(line).items():
            if kind == "commitInfo":
                info = action
            elif kind in ("add", "remove") and action.get("dataChange", True):
                source = _source_of(action)
                before = changed.get(source, FilesChanged())
                changed[source] = _one_more(before, kind, action)
    return Commit(
        version=version,
        at=_EPOCH + timedelta(milliseconds=info.get("timestamp", 0)),
        operation=info.get("operation", "unknown"),
        mode=info.get("operationParameters", {}).get("mode"),
        metrics=info.get("operationMetrics", {}),
        changed=changed,
    )


def _source_of(action: Mapping[str, Any]) -> str:
    values = action.get("partitionValues")
    if values:
        return values["source"]
    # What is removed need not say it again.
    return action["path"].partition("/")[0].removeprefix("source=")


def _one_more(before: FilesChanged, kind: str, action: Mapping[str, Any]) -> FilesChanged:
    if kind == "remove":
        return FilesChanged(before.added, before.removed + 1, before.rows)
    rows = json.loads(action.get("stats") or "{}").get("numRecords", 0)
    return FilesChanged(before.added + 1, before.removed, before.rows + rows)
