# pyright: standard
# pyarrow ships no types.
"""Rows in order, as files of a Delta table that are not part of it yet.

deltalake deals the batches that it is given to several threads, and writes them in whatever order
they come out (1.6.6: of 400,000 sorted rows in batches of 4,096, 4 to 24 went out of order). So
what must be sorted is written here, and the table is told of the files.
"""

import json
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake.transaction import AddAction

from s3pipelines.core.catalog.tables import ROW_GROUP_ROWS, TARGET_FILE_BYTES, ZSTD_LEVEL

# A column of longer texts gets no range in the log.
_LONGEST_TEXT = 1024
# A dictionary of what hardly repeats costs a third of the time, and a tenth of the room.
_UNIQUE = frozenset({"key", "etag", "size_bytes", "last_modified", "sha256", "uri"})
# The largest hundred of a table take 64 ms without these, 47 ms with sizes as differences, and 40
# ms with the lengths of keys apart from their texts, too; all in as much room (see
# `benchmarks/RESULTS.md`).
_ENCODINGS = {"size_bytes": "DELTA_BINARY_PACKED", "key": "DELTA_LENGTH_BYTE_ARRAY"}
_NOT_COMPRESSED = frozenset({"size_bytes"})


def write_sorted_files(
    rows: pa.RecordBatchReader,
    columns: pa.Schema,
    source_id: str,
    folder: Path,
    *,
    data_change: bool,
) -> list[AddAction]:
    """Write the rows of one source in the order in which they come.

    Memory holds one group of rows, of `ROW_GROUP_ROWS`.

    Args:
        rows: Batches of `ROW_GROUP_ROWS` rows, which have these columns.
        columns: The columns of the files; not the source, which is in their path.
        source_id: The source.
        folder: Where to write, as if it were the folder of the table.
        data_change: The rows are others than before, not only in other files.

    Returns:
        What the log is to say of each file.

    Raises:
        OSError: The folder cannot be written.
    """
    target = folder / f"source={source_id}"
    target.mkdir(parents=True, exist_ok=True)
    added = []
    groups = _groups(rows, columns)
    group = next(groups, None)
    while group is not None:
        name = f"part-{len(added):05}-{uuid.uuid4()}.zstd.parquet"
        group = _write(target / name, group, groups)
        added.append(_added(target / name, source_id, data_change))
    return added


def _groups(rows: pa.RecordBatchReader, columns: pa.Schema) -> Iterator[pa.Table]:
    for batch in rows:
        if batch.num_rows:
            yield pa.Table.from_arrays(
                [batch.column(name).cast(columns.field(name).type) for name in columns.names],
                schema=columns,
            )


def _write(path: Path, group: pa.Table, groups: Iterator[pa.Table]) -> pa.Table | None:
    """Write groups until the file is large enough; returns the one that comes after it."""
    with ExitStack() as stack:
        file = stack.enter_context(path.open("xb"))
        writer = stack.enter_context(
            pq.ParquetWriter(
                file,
                group.schema,
                **_layout(group.schema.names),
            )
        )
        following: pa.Table | None = group
        while following is not None:
            before = file.tell()
            writer.write_table(following, row_group_size=ROW_GROUP_ROWS)
            following = next(groups, None)
            # Another one like this would make it too large.
            if 2 * file.tell() - before > TARGET_FILE_BYTES:
                break
    return following


def _layout(names: list[str]) -> dict[str, Any]:
    """How each column is written, in the words of PyArrow's writer."""
    zstd = [name for name in names if name not in _NOT_COMPRESSED]
    return {
        "use_dictionary": [name for name in names if name not in _UNIQUE],
        "column_encoding": {name: _ENCODINGS[name] for name in names if name in _ENCODINGS},
        "compression": {name: "zstd" if name in zstd else "none" for name in names},
        "compression_level": dict.fromkeys(zstd, ZSTD_LEVEL),
    }


def _added(path: Path, source_id: str, data_change: bool) -> AddAction:
    state = path.stat()
    return AddAction(
        path=f"{path.parent.name}/{path.name}",
        size=state.st_size,
        partition_values={"source": source_id},
        modification_time=int(state.st_mtime * 1000),
        data_change=data_change,
        # Not in ASCII: deltalake 1.6 reads the two halves of an escaped letter beyond U+1FFFF as
        # another letter, takes the file for one without the key, and merges its row in twice.
        stats=json.dumps(_statistics(pq.read_metadata(path)), ensure_ascii=False),
    )


def _statistics(metadata: Any) -> dict[str, Any]:
    """What Delta keeps of a file: rows, and for each column its range and how many are NULL."""
    names = metadata.schema.to_arrow_schema().names
    found: dict[str, Any] = {"numRecords": metadata.num_rows}
    found |= {"minValues": {}, "maxValues": {}, "nullCount": {}}
    for index, name in enumerate(names):
        groups = [metadata.row_group(n).column(index) for n in range(metadata.num_row_groups)]
        known = [group.statistics for group in groups]
        if any(one is None or not one.has_null_count for one in known):
            continue
        nulls = sum(one.null_count for one in known)
        found["nullCount"][name] = nulls
        if nulls == metadata.num_rows:
            continue
        ranges = [one for one in known if one.has_min_max]
        if len(ranges) < sum(one.num_values > 0 for one in known):
            continue
        first, last = min(one.min for one in ranges), max(one.max for one in ranges)
        if _has_range(first) and _is_short(last):
            found["minValues"][name], found["maxValues"][name] = _plain(first), _plain(last)
    return found


def _has_range(value: object) -> bool:
    # Delta keeps none of what is true or false.
    return isinstance(value, str | int | float | datetime) and not isinstance(value, bool)


def _is_short(value: object) -> bool:
    return not isinstance(value, str) or len(value) <= _LONGEST_TEXT


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        # Cut off to milliseconds, as Delta has it; its readers add one to the end of a range.
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value
