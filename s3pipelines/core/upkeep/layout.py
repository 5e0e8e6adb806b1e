"""How the files of a source lie, and which of them are worth writing anew.

A reader skips a file, and in it a group of rows, whose range of keys does not hold what it looks
for. So the ranges should not overlap, and files should be few.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from s3pipelines.core.catalog.tables import TARGET_FILE_BYTES

# Well below what a writer makes of the target: what was written anew is never small again, but for
# the last file.
SMALL_FILE_BYTES = TARGET_FILE_BYTES // 4


@dataclass(frozen=True)
class Span:
    """The first and the last key of a group of rows, as UTF-8, the order of S3 and of DuckDB."""

    first: bytes
    last: bytes


@dataclass(frozen=True)
class DataFile:
    """One file of a table.

    Attributes:
        path: Where it lies below the table, as the log has it.
        spans: One per group of rows, in their order; empty if the file does not tell.
    """

    path: str
    size_bytes: int
    rows: int
    spans: tuple[Span, ...]

    @property
    def first(self) -> bytes:
        """No key goes before this one."""
        return min((span.first for span in self.spans), default=b"")

    @property
    def last(self) -> bytes:
        """No key goes behind this one."""
        return max((span.last for span in self.spans), default=b"\xff")

    @property
    def is_sorted(self) -> bool:
        """Its groups of rows follow one another; a single group serves a reader in any order."""
        follow = zip(self.spans, self.spans[1:], strict=False)
        return bool(self.spans) and all(one.last <= other.first for one, other in follow)


def worth_rewriting(files: Sequence[DataFile]) -> list[list[DataFile]]:
    """The runs of neighbouring files that are each to become sorted files of the target size.

    Files that overlap belong together, and small files that are neighbours. What lies well is left
    alone, so that a second run finds nothing to do.
    """
    runs: list[list[DataFile]] = []
    run: list[DataFile] = []
    for group in _overlapping(files):
        if _lies_well(group):
            runs.append(run)
            run = []
        else:
            run += group
    return [run for run in [*runs, run] if len(run) > 1 or any(not f.is_sorted for f in run)]


def overlap_depth(files: Sequence[DataFile]) -> int:
    """In how many files, at most, one key is to be looked for."""
    # At one place, ends go before beginnings: neighbours may share a key.
    edges = sorted([(f.first, 1) for f in files] + [(f.last, -1) for f in files])
    depth = deepest = 0
    for _, step in edges:
        depth += step
        deepest = max(deepest, depth)
    return deepest


def _overlapping(files: Sequence[DataFile]) -> list[list[DataFile]]:
    """The files in groups whose ranges of keys do not overlap, in the order of keys."""
    groups: list[list[DataFile]] = []
    reached = b""
    for file in sorted(files, key=lambda f: (f.first, f.last)):
        if groups and file.first < reached:
            groups[-1].append(file)
        else:
            groups.append([file])
        reached = max(reached, file.last)
    return groups


def _lies_well(group: list[DataFile]) -> bool:
    return len(group) == 1 and group[0].is_sorted and group[0].size_bytes >= SMALL_FILE_BYTES
