"""A job of three shards that Dagster loads by name; a folder tells which fail, and which ran."""

import os
from collections.abc import Iterator
from pathlib import Path

from dagster import DynamicOut, DynamicOutput, JobDefinition, in_process_executor, job, op

from s3pipelines.resources.catalog import CatalogResource
from s3pipelines.resources.references import ReferenceIOManager
from s3pipelines.resources.s3 import CatalogS3Resource

FOLDER = "TEST_FAN_OUT_FOLDER"
CATALOG = "TEST_FAN_OUT_CATALOG"


def _ran(step: str) -> Path:
    folder = Path(os.environ[FOLDER])
    with (folder / "ran").open("a") as log:
        log.write(f"{step}\n")
    return folder


@op(out=DynamicOut())
def plan() -> Iterator[DynamicOutput[dict[str, int]]]:
    _ran("plan")
    for number in range(3):
        yield DynamicOutput({"shard": number}, mapping_key=f"s{number}")


@op
def work(shard: dict[str, int]) -> int:
    number = shard["shard"]
    if (_ran(f"work {number}") / f"fails {number}").exists():
        raise ValueError("This shard fails.")
    return number * 10


@op
def collect(results: list[int]) -> int:
    _ran("collect")
    return sum(results)


def fan_out() -> JobDefinition:
    """The job, with the I/O manager of the project on the catalog of the environment."""
    catalog = CatalogResource(s3=CatalogS3Resource(), location=os.environ[CATALOG])

    @job(
        name="fan_out",
        executor_def=in_process_executor,
        resource_defs={"io_manager": ReferenceIOManager(catalog=catalog)},
    )
    def definition() -> None:
        collect(plan().map(work).collect())

    return definition
