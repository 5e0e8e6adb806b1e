"""The partition of each source in a Dagster instance, which follows the registry of sources."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy
from dagster import AssetKey, DagsterEventType, DagsterInstance
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    AssetKeyTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from sqlalchemy.engine import Connection

from s3pipelines.assets.partitions import SOURCES

PARTITIONS_NAME = str(SOURCES.name)

# By name, since an instance may be shared with other projects, whose assets may have a partition
# that happens to be called as a source of ours. A test holds this list to the definitions.
SOURCE_ASSETS = tuple(
    AssetKey(name)
    for name in (
        "uploads",
        "object_index",
        "image_headers",
        "thumbnails",
        "pyramids",
        "hdf5_headers",
    )
)

# The events that Dagster takes the latest run of an asset from.
_RUN_OF_ASSET = [
    DagsterEventType.ASSET_MATERIALIZATION.value,
    DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value,
]


@dataclass(frozen=True)
class Repair:
    """The partitions that a repair added and removed, sorted."""

    added: tuple[str, ...]
    removed: tuple[str, ...]


def add_source_partition(instance: DagsterInstance, source_id: str) -> None:
    """Add the partition of a source; nothing happens if it is there."""
    instance.add_dynamic_partitions(PARTITIONS_NAME, [source_id])


def renew_source_partition(instance: DagsterInstance, source_id: str) -> None:
    """Add the partition of a new source, without what an older source of that id left behind."""
    forget_source(instance, source_id)
    add_source_partition(instance, source_id)


def repair_partitions(instance: DagsterInstance, registered_ids: Iterable[str]) -> Repair:
    """Make the partitions those of the registry.

    The history of a removed partition stays: had the registry of another catalog been given by
    mistake, the next repair would bring everything back. `renew_source_partition` clears it when
    the id is given to a new source.

    Args:
        instance: The instance to repair.
        registered_ids: The ids of all registered sources.
    """
    registered = set(registered_ids)
    present = set(instance.get_dynamic_partitions(PARTITIONS_NAME))
    added = tuple(sorted(registered - present))
    removed = tuple(sorted(present - registered))
    if added:
        instance.add_dynamic_partitions(PARTITIONS_NAME, added)
    for source_id in removed:
        instance.delete_dynamic_partition(PARTITIONS_NAME, source_id)
    return Repair(added, removed)


def forget_source(
    instance: DagsterInstance,
    source_id: str,
    asset_keys: Sequence[AssetKey] = SOURCE_ASSETS,
) -> None:
    """Remove the partition of a source and what the assets remember of it.

    A source that is created anew under the same id then shows nothing of the old one. The runs
    themselves, with their logs, stay.

    `DagsterInstance.wipe_asset_partitions` is the public way, but raises NotImplementedError for
    the SQL event logs (dagster 1.13.27). There, this deletes the rows itself, as `wipe_asset` of
    the same storage does for all partitions, and leans on these private parts: the tables in
    `dagster._core.storage.event_log.schema`, `SqlEventLogStorage.index_transaction` (on SQLite the
    shard that answers questions about assets; on Postgres the one database), and that an empty
    `last_materialization` makes Dagster look for the latest one in the event log.

    Args:
        instance: The instance with the partition.
        source_id: The source to forget; nothing happens if it is unknown.
        asset_keys: The assets with a partition per source.
    """
    if instance.has_dynamic_partition(PARTITIONS_NAME, source_id):
        instance.delete_dynamic_partition(PARTITIONS_NAME, source_id)
    for asset_key in asset_keys:
        try:
            instance.wipe_asset_partitions(asset_key, [source_id])
        except NotImplementedError:
            _delete_history(instance, asset_key, source_id)


def _delete_history(instance: DagsterInstance, asset_key: AssetKey, partition: str) -> None:
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        raise NotImplementedError(f"{type(storage).__name__} cannot forget a partition")
    key = asset_key.to_string()
    with storage.index_transaction() as connection:
        if _delete_events(connection, key, partition):
            _update_latest(connection, key)
        checks = AssetCheckExecutionsTable
        connection.execute(
            checks.delete().where((checks.c.asset_key == key) & (checks.c.partition == partition))
        )
    # The subsets of partitions that the UI shows are kept beside the asset.
    storage.wipe_asset_cached_status(asset_key)


def _delete_events(connection: Connection, key: str, partition: str) -> int:
    """Delete what happened to one partition of one asset; returns how many events those were."""
    events, tags = SqlEventLogStorageTable, AssetEventTagsTable
    of_partition = (events.c.asset_key == key) & (events.c.partition == partition)
    event_ids = sqlalchemy.select(events.c.id).where(of_partition)
    connection.execute(tags.delete().where(tags.c.event_id.in_(event_ids)))
    return connection.execute(events.delete().where(of_partition)).rowcount


def _update_latest(connection: Connection, key: str) -> None:
    """Correct the columns of the asset that may show the partition that is gone."""
    events = SqlEventLogStorageTable
    latest_run = (
        sqlalchemy.select(events.c.run_id)
        .where((events.c.asset_key == key) & events.c.dagster_event_type.in_(_RUN_OF_ASSET))
        .order_by(events.c.id.desc())
        .limit(1)
    )
    connection.execute(
        AssetKeyTable.update()
        .where(AssetKeyTable.c.asset_key == key)
        .values(last_materialization=None, last_run_id=latest_run.scalar_subquery())
    )
