"""Requests for runs that make what is missing of one kind at one source."""

from collections.abc import Mapping

from dagster import RunRequest

from s3pipelines.assets.deriving import ASSETS, DERIVE_TAG, PYRAMIDS_TAG
from s3pipelines.core.imaging.wishes import Kind
from s3pipelines.core.sources.source import Source
from s3pipelines.jobs.derive_images import JOBS

# After the index, which a sensor or a person waits for; what takes least goes first.
_PRIORITY: dict[Kind, str] = {"header": "-1", "thumbnail": "-2", "pyramid": "-3"}


def derive_request(
    source: Source, kind: Kind, moment: str, config: Mapping[str, bool]
) -> RunRequest:
    """A run that makes what is missing of one kind at one source.

    Args:
        source: The source.
        kind: What is made.
        moment: Makes the key of the run a new one.
        config: Of the asset.
    """
    tag = PYRAMIDS_TAG if kind == "pyramid" else DERIVE_TAG
    return RunRequest(
        run_key=f"{source.id}/{source.generation}/{kind}/{moment}",
        job_name=JOBS[kind].name,
        partition_key=source.id,
        run_config={"ops": {ASSETS[kind]: {"config": dict(config)}}},
        tags={tag: kind, "dagster/priority": _PRIORITY[kind]},
    )
