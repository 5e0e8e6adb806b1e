"""`create_bucket`, `configure_bucket`, `delete_bucket`, `abort_uploads`, from the Launchpad.

What takes something away only tells what it would do, unless its config says `apply: true`.
"""

from typing import Any

from dagster import (
    Config,
    Failure,
    JobDefinition,
    OpDefinition,
    OpExecutionContext,
    graph,
    in_process_executor,
    op,
)
from pydantic import Field

from s3pipelines.assets.failures import clear_failures
from s3pipelines.core.buckets.abandoned import (
    abort_uploads as abort_open_uploads,
)
from s3pipelines.core.buckets.abandoned import check_age_s, open_uploads, without_read_only
from s3pipelines.core.buckets.bucket_file import wanted_of
from s3pipelines.core.buckets.configuring import apply_differences, compare
from s3pipelines.core.buckets.contents import survey
from s3pipelines.core.buckets.creating import NewBucket
from s3pipelines.core.buckets.creating import create_bucket as create_new_bucket
from s3pipelines.core.buckets.deleting import delete_bucket as empty_and_remove
from s3pipelines.core.buckets.deleting import require_deletable
from s3pipelines.core.buckets.hazards import lifecycle_hazards
from s3pipelines.core.buckets.places import find_bucket
from s3pipelines.core.buckets.uses import require_unused, uses_of
from s3pipelines.core.durations import parse_duration_s
from s3pipelines.core.storage.bucket_settings import BucketSettings
from s3pipelines.jobs.bucket_metadata import (
    comparison_metadata,
    contents_metadata,
    found_metadata,
    reaped_metadata,
    removal_metadata,
)
from s3pipelines.resources.catalog import CatalogResource

_BUCKET = "Name of the bucket; it is reached as the catalog is."
_SOURCE = "In its place the id of a source: its bucket, reached as the source is."


class CreateBucket(Config):
    """What to make; the same as `s3pipelines buckets create`."""

    name: str = Field(description="New name: 3 to 63 lower-case letters, digits and '-'.")
    region: str | None = Field(None, description="Where it is to lie; default: as AWS_REGION says.")
    versioning: bool = Field(False, description="Keep what is overwritten or deleted.")
    encryption: str | None = Field(None, description="AES256, aws:kms or aws:kms:dsse.")
    kms_key: str | None = Field(None, description="The key, for KMS.")
    block_public_access: bool = Field(True, description="Nothing in it can be made public.")
    tags: dict[str, str] = Field({}, description="Names and values.")


class ConfigureBucket(Config):
    """What to set; the same as `s3pipelines buckets configure --file`."""

    bucket: str | None = Field(None, description=_BUCKET)
    source: str | None = Field(None, description=_SOURCE)
    # Dagster refuses a null among plain Any.
    settings: dict[str, Any | None] = Field(
        description="As in a bucket file: versioning, encryption, public_access_block, tags, "
        "lifecycle, cors, policy, notifications. What is not named is left alone; null takes away."
    )
    apply: bool = Field(False, description="Write what differs; otherwise it is only shown.")


class DeleteBucket(Config):
    """What to remove; the same as `s3pipelines buckets delete`."""

    bucket: str = Field(description=_BUCKET)
    with_contents: bool = Field(
        False, description="Delete all objects, versions and uploads in it, too."
    )
    even_though: list[str] = Field(
        [],
        description="What the project uses it for and may go: catalog, derivatives, trash, "
        "source:ID, inbox:ID.",
    )
    apply: bool = Field(False, description="Delete it; otherwise it is only told what would go.")


class AbortUploads(Config):
    """Which uploads to call off; the same as `s3pipelines uploads abort`."""

    bucket: str | None = Field(None, description=_BUCKET)
    source: str | None = Field(None, description=_SOURCE)
    prefix: str = Field("", description="Only of keys that begin so (of a source: below it).")
    older_than: str = Field(
        "7d", description="Only those for which nothing has arrived for so long; at least 1h."
    )
    apply: bool = Field(False, description="Call them off; otherwise they are only counted.")


@op(description="Make the bucket, with public access blocked; again, it changes nothing.")
def make_bucket(
    context: OpExecutionContext, config: CreateBucket, catalog: CatalogResource
) -> None:
    """Make the bucket of the config."""
    said = config.model_dump(exclude={"encryption"})
    with clear_failures():
        made = create_new_bucket(
            catalog.get().access, NewBucket(algorithm=config.encryption, **said)
        )
    if made.failed:
        raise _failure("The bucket is there, but: ", [f"{f.name}: {f.error}" for f in made.failed])
    context.add_output_metadata({"bucket": made.bucket, "made": made.made})


@op(description="Compare the bucket with what is wanted, and write what differs if `apply`.")
def configure(
    context: OpExecutionContext, config: ConfigureBucket, catalog: CatalogResource
) -> None:
    """Bring the bucket of the config to its settings."""
    with clear_failures():
        access, location = find_bucket(catalog.get(), config.bucket, config.source)
        settings = BucketSettings(access, location.bucket)
        comparison = compare(settings, wanted_of(config.settings, "The config"))
        for line in lifecycle_hazards(catalog.get(), access, comparison):
            context.log.warning(line)
        applied = list(apply_differences(settings, comparison)) if config.apply else []
    metadata = comparison_metadata(comparison, applied)
    failed = [f"{one.name}: {one.error}" for one in applied if one.outcome == "failed"]
    failed += [f"{state.name}: {state.problem}" for state in comparison.in_doubt]
    if failed:
        raise _failure("Some of it could not be done: ", failed, metadata)
    context.add_output_metadata(metadata)


@op(description="Tell what would go with the bucket, and delete all of it if `apply`.")
def remove_bucket(
    context: OpExecutionContext, config: DeleteBucket, catalog: CatalogResource
) -> None:
    """Remove the bucket of the config."""
    with clear_failures():
        access, location = find_bucket(catalog.get(), config.bucket, None)
        bucket = location.bucket
        require_deletable(access, bucket, with_contents=config.with_contents)
        uses = uses_of(catalog.get(), access, bucket)
        require_unused(uses, bucket, tuple(config.even_though))
        if not config.apply:
            context.add_output_metadata(contents_metadata(bucket, survey(access, bucket), uses))
            context.log.info("Nothing was deleted. To do so, launch it with apply: true.")
            return
        removal = empty_and_remove(access, bucket, with_contents=config.with_contents)
    metadata = removal_metadata(removal)
    if not removal.removed:
        raise _failure("The bucket is still there: ", removal.failures, metadata)
    context.add_output_metadata(metadata)


@op(description="Count the uploads that nobody goes on with, and call them off if `apply`.")
def end_uploads(
    context: OpExecutionContext, config: AbortUploads, catalog: CatalogResource
) -> None:
    """Call off the abandoned uploads of the config's bucket."""
    with clear_failures():
        idle_for_s = check_age_s(parse_duration_s(config.older_than))
        access, location = find_bucket(catalog.get(), config.bucket, config.source)
        bucket, prefix = location.bucket, f"{location.prefix}{config.prefix}"
        every = open_uploads(access, bucket, prefix, idle_for_s=idle_for_s)
        found, kept = without_read_only(catalog.get(), access, bucket, every)
        if kept:
            context.log.info("%d uploads in read-only sources are left alone.", len(kept))
        if not config.apply:
            context.add_output_metadata(found_metadata(found))
            return
        reaped = abort_open_uploads(access, bucket, found, idle_for_s=idle_for_s)
    metadata = reaped_metadata(reaped)
    if reaped.failed:
        raise _failure("Some uploads are still there: ", reaped.failures, metadata)
    context.add_output_metadata(metadata)


def _failure(what: str, reasons: list[str], metadata: Any = None) -> Failure:
    return Failure(f"{what}{' '.join(reasons)}", metadata=metadata, allow_retries=False)


def _job(name: str, only: OpDefinition, description: str) -> JobDefinition:
    @graph(name=name, description=description)
    def whole() -> None:
        only()

    # One step: a process of its own would only cost a second.
    return whole.to_job(name=name, description=description, executor_def=in_process_executor)


create_bucket = _job(
    "create_bucket",
    make_bucket,
    "Make a bucket, encrypted and versioned as asked for. Public access is blocked by default.",
)
configure_bucket = _job(
    "configure_bucket",
    configure,
    "Bring a bucket's settings to what is wanted. Only shows what differs unless `apply`.",
)
delete_bucket = _job(
    "delete_bucket",
    remove_bucket,
    "Remove a bucket, if asked with all of its contents. Only tells what would go unless `apply`.",
)
abort_uploads = _job(
    "abort_uploads",
    end_uploads,
    "Call off uploads in parts that nobody goes on with. Only counts them unless `apply`.",
)
bucket_jobs = [create_bucket, configure_bucket, delete_bucket, abort_uploads]
