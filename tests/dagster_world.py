"""The project on an ephemeral Dagster instance, as the tests of the faces use it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dagster import (
    DagsterInstance,
    ExecuteInProcessResult,
    RepositoryDefinition,
    build_schedule_context,
    build_sensor_context,
)
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.definitions.sensor_definition import SensorExecutionData

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.definitions import build_definitions, build_resources
from s3pipelines.settings import Settings


@dataclass(frozen=True)
class DagsterWorld:
    """Jobs, sensors and schedules over one catalog, run in this process."""

    instance: DagsterInstance
    repository: RepositoryDefinition
    resources: Mapping[str, Any]
    catalog: Catalog

    def run(self, job: str, **options: Any) -> ExecuteInProcessResult:
        """Run a job; a failed run is a result and no exception."""
        return self.repository.get_job(job).execute_in_process(
            instance=self.instance, raise_on_error=False, **options
        )

    def tick(self, cursor: str | None = None, name: str = "upload_listing") -> SensorExecutionData:
        """Evaluate a sensor once."""
        sensor = self.repository.get_sensor_def(name)
        with (
            partition_loading_context(dynamic_partitions_store=self.instance),
            build_sensor_context(
                instance=self.instance,
                cursor=cursor,
                repository_def=self.repository,
                resources={"catalog": self.resources["catalog"]},
            ) as context,
        ):
            return sensor.evaluate_tick(context)

    def schedule(self, name: str, **options: Any) -> Any:
        """Evaluate a schedule once."""
        schedule = self.repository.get_schedule_def(name)
        with (
            partition_loading_context(dynamic_partitions_store=self.instance),
            build_schedule_context(
                instance=self.instance,
                repository_def=self.repository,
                resources={"catalog": self.resources["catalog"]},
                **options,
            ) as context,
        ):
            return schedule.evaluate_tick(context)


@contextmanager
def dagster_world(catalog: Catalog, **options: Any) -> Iterator[DagsterWorld]:
    """The definitions with `catalog` as their catalog, and other settings."""
    chosen = {"catalog": catalog.location.uri, "executor": "in_process", **options}
    settings = Settings(**chosen)
    repository = build_definitions(settings).get_repository_def()
    with DagsterInstance.ephemeral() as instance:
        yield DagsterWorld(instance, repository, build_resources(settings), catalog)
