"""`register_source`: register a bucket and prefix as a source, from the Launchpad."""

from typing import Any, Literal

from dagster import Config, OpExecutionContext, job, op
from pydantic import Field

from s3pipelines.assets.failures import clear_failures
from s3pipelines.core.sources.registry import create_source
from s3pipelines.instance.partitions import renew_source_partition
from s3pipelines.resources.catalog import CatalogResource


class RegisterSource(Config):
    """What to register; the same as `s3pipelines sources create`."""

    id: str = Field(description="New id: lower-case letters, digits, '.', '_' and '-'.")
    s3_path: str = Field(description="s3://BUCKET/PREFIX; the prefix means the folder PREFIX/.")
    description: str = Field("", description="What the source holds.")
    tags: dict[str, str] = Field({}, description="Your own names and values.")
    include: list[str] = Field([], description="Globs of keys below the prefix; empty: all.")
    exclude: list[str] = Field([], description="Globs of keys that are left out even so.")
    settle_s: int = Field(0, description="Seconds an object must have rested.")
    derive: list[str] = Field([], description="headers, thumbnails, pyramids, hdf5; empty: none.")
    versions: bool = Field(False, description="Keep the version ids of the objects.")
    pyramids: Literal["on-arrival", "scheduled"] = Field(
        "scheduled", description="When pyramids are made: as images arrive, or once a day."
    )
    pyramid: dict[str, Any] = Field(
        {},
        description="How they are to be: tile_px, compression, quality, subifds, dpi, colour, "
        "max_width_px, max_height_px, key, rules ([{when, max_width_px, max_height_px}]).",
    )
    object_tags: bool = Field(
        False, description="Read all tags after each full listing: a request for each object."
    )
    read_only: bool = Field(False, description="Never write to this source.")
    profile: str | None = Field(None, description="AWS profile of this source.")
    role_arn: str | None = Field(None, description="Role to assume for this source.")
    anonymous: bool = Field(False, description="Ask without credentials (public buckets).")
    endpoint_url: str | None = Field(None, description="Another S3 server; 'aws' for AWS itself.")
    inbox: str | None = Field(None, description="s3://BUCKET/PREFIX of JSON notes of uploads.")
    requester_pays: bool = Field(False, description="Pay for the requests to this bucket.")


@op(description="Write the source's document and add its partition.")
def register(context: OpExecutionContext, config: RegisterSource, catalog: CatalogResource) -> str:
    """Register the source of the config and return its id."""
    options = config.model_dump(exclude={"id", "s3_path"})
    if not config.pyramid:
        del options["pyramid"]
    with clear_failures():
        source = create_source(catalog.get(), config.id, config.s3_path, **options)
    renew_source_partition(context.instance, source.id)
    context.log.info("Registered %r: %s", source.id, source.location.uri)
    return source.id


@job(description="Register a bucket and prefix as a source. Its index follows by the sensor.")
def register_source() -> None:
    """One op: the registration."""
    register()
