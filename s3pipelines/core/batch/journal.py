"""What a shard notes while it works, for whoever goes on if its process is killed.

An outcome reaches the table `operations` after the object was changed. Between the two, nobody but
the process knows. So it notes, before it begins with some rows, which they are; and before it
changes what cannot be read back afterwards, what that was. The next process takes a second look at
these rows alone. When their outcomes are in the table, the notes are removed.
"""

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from s3pipelines.core.batch.rows import Row
from s3pipelines.core.catalog.catalog import Catalog


@dataclass(frozen=True)
class Noted:
    """What earlier processes noted of a shard.

    Attributes:
        begun: Numbers of the rows that they had begun with.
        facts: What they noted of single rows, by number.
    """

    begun: frozenset[int]
    facts: dict[int, dict[str, Any]]


class Notes:
    """The notes of one chunk of rows."""

    def __init__(self, journal: "Journal", chunk: int) -> None:
        self._journal = journal
        self._chunk = chunk
        self._count = 0

    async def begin(self, rows: Iterable[Row]) -> None:
        """Note that these rows are about to be changed."""
        await self._write({"begun": [row.number for row in rows]})

    async def note(self, facts: dict[int, dict[str, Any]]) -> None:
        """Note something of single rows, by number, before it is relied on."""
        if facts:
            await self._write({"facts": facts})

    async def clear(self) -> None:
        """The outcomes are in the table."""
        for number in range(self._count):
            await asyncio.to_thread(self._journal.remove, self._chunk, number)

    async def _write(self, body: dict[str, Any]) -> None:
        number, self._count = self._count, self._count + 1
        await asyncio.to_thread(self._journal.write, self._chunk, number, body)


class Journal:
    """The notes of one shard, as documents of the catalog.

    Args:
        catalog: Where they are kept.
        plan_id: The plan.
        shard: Number of the shard.
        epoch: Each application has one of its own.
        confirm: Makes sure that no other process has taken the shard over; what is noted is about
            to be done.
    """

    def __init__(
        self,
        catalog: Catalog,
        plan_id: str,
        shard: int,
        epoch: int,
        confirm: Callable[[], None],
    ) -> None:
        self._documents = catalog.documents
        self._confirm = confirm
        self._folder = f"plan_files/{plan_id}/journal/{shard:05d}/"
        self._epoch = epoch

    def chunk(self, number: int) -> Notes:
        """The notes of a chunk."""
        return Notes(self, number)

    def read(self) -> Noted:
        """What earlier processes noted and did not remove.

        Raises:
            StorageError: The catalog cannot be read.
        """
        begun: set[int] = set()
        facts: dict[int, dict[str, Any]] = {}
        for name in self._documents.names(self._folder):
            body = json.loads(self._documents.read(name).body)
            begun.update(body.get("begun", ()))
            for number, fact in body.get("facts", {}).items():
                facts[int(number)] = facts.get(int(number), {}) | fact
        return Noted(frozenset(begun), facts)

    def clear(self) -> None:
        """Every row of the shard has an outcome."""
        for name in self._documents.names(self._folder):
            self._documents.remove(name)

    def write(self, chunk: int, number: int, body: dict[str, Any]) -> None:
        """Write one note, if the shard is still this process's."""
        self._confirm()
        self._documents.put(self._name(chunk, number), json.dumps(body).encode())

    def remove(self, chunk: int, number: int) -> None:
        """Remove one note."""
        self._documents.remove(self._name(chunk, number))

    def _name(self, chunk: int, number: int) -> str:
        return f"{self._folder}{self._epoch:06d}-{chunk:05d}-{number:03d}.json"
