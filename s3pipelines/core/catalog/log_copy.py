"""The log of a Delta table on S3, copied to this machine as far as its present version needs it.

deltalake (1.6.6) reads a checkpoint four times to open a table and list its files, with eleven
requests, most of them one after the other. Copied, it is one request, the commits after it are
fetched side by side, and a later look is one listing. What the log means deltalake still tells: it
opens the copy, which has no rows, and need not.
"""

import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from deltalake import DeltaTable

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import TableSchema
from s3pipelines.core.catalog.tables import find_table, require_known_version, table_errors
from s3pipelines.core.errors import Gone

_AT_A_TIME = 16
_COMMIT = re.compile(r"(\d{20})\.json")
# As deltalake writes them: in one part.
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint\.parquet")


@dataclass
class LogCopy:
    """The copy of one log; not for several threads at a time.

    Attributes:
        catalog: A catalog on S3.
        schema: The table.
        folder: Where the copy goes; nothing else may be in it.
    """

    catalog: Catalog
    schema: TableSchema
    folder: Path
    _table: DeltaTable | None = field(default=None, init=False)

    def now(self) -> DeltaTable | None:
        """A handle, for reading, on the table as it is now; None if there is none yet.

        Raises:
            InvalidInput: The table was written by a newer release.
            StorageError: The catalog cannot be read.
        """
        if self._table is None or not self._fetched_since(self._table.version()):
            self._table = self._opened()
        if self._table is not None:
            require_known_version(self._table, self.schema)
        return self._table

    def _opened(self) -> DeltaTable | None:
        shutil.rmtree(self.folder, ignore_errors=True)
        names = self._names(after=self._hinted())
        checkpoint = max((name for name in names if _CHECKPOINT.fullmatch(name)), default="")
        first = f"{int(checkpoint[:20]) + 1:020}.json" if checkpoint else f"{0:020}.json"
        commits = [name for name in names if _COMMIT.fullmatch(name) and name >= first]
        if not checkpoint and first not in commits:
            # No table, or a log that begins with what is not understood here.
            return find_table(self.catalog, self.schema) if names else None
        self._fetch([checkpoint, *commits] if checkpoint else commits)
        with table_errors(self.catalog, self.schema.name):
            return DeltaTable(str(self.folder))

    def _fetched_since(self, version: int) -> bool:
        """Bring the copy up to date; False if the commits up to now are no longer there."""
        assert self._table is not None
        names = self._names(after=f"{version:020}.json")
        commits = [name for name in names if _COMMIT.fullmatch(name)]
        if not commits:
            # A checkpoint without commits before it: those were removed.
            return not any(_CHECKPOINT.fullmatch(name) for name in names)
        if commits[0] != f"{version + 1:020}.json" or not self.folder.exists():
            return False
        self._fetch(commits)
        with table_errors(self.catalog, self.schema.name):
            self._table.update_incremental()
        return True

    def _hinted(self) -> str:
        """What comes before all that belongs to the last checkpoint; empty if there is none."""
        try:
            hint = json.loads(self.catalog.documents.read(f"{self._log}_last_checkpoint").body)
            return f"{int(hint['version']):020}"
        except Gone:
            return ""

    @property
    def _log(self) -> str:
        return f"tables/{self.schema.name}/_delta_log/"

    def _names(self, *, after: str) -> list[str]:
        found = self.catalog.documents.names(self._log, after=after)
        return [name.removeprefix(self._log) for name in found]

    def _fetch(self, names: list[str]) -> None:
        log = self.folder / "_delta_log"
        log.mkdir(parents=True, exist_ok=True)

        def fetch(name: str) -> None:
            (log / name).write_bytes(self.catalog.documents.read(f"{self._log}{name}").body)

        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            list(pool.map(fetch, names))
