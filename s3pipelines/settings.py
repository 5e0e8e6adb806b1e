"""The settings, from `S3PIPELINES_*` in the environment or a `.env` file.

Nothing else in the project reads the environment; AWS credentials, regions and endpoints come
from botocore's standard chain.
"""

from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.preview.links import gallery_url
from s3pipelines.core.storage.locations import parse_location


class Settings(BaseSettings):
    """Everything that can be set; each field is `S3PIPELINES_` and its name in capitals."""

    model_config = SettingsConfigDict(
        env_prefix="S3PIPELINES_",
        env_file=".env",
        env_file_encoding="utf-8",
        # Compose files and shells pass on what is not set as an empty text.
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )

    catalog: str = Field(
        default=".s3pipelines/catalog", description="The catalog, `s3://bucket/prefix` or a folder."
    )
    derivatives: str | None = Field(
        default=None,
        description="Where derivatives go, `s3://bucket/prefix`; `{source}` may stand in it. "
        "By default `derivatives/{source}` in the catalog. Move the files along when you change "
        "it: they are not made again.",
    )
    trash: str | None = Field(
        default=None,
        description="Where deleted objects are kept, `s3://bucket/prefix`; `{source}` may stand "
        "in it. By default `trash/{source}` in the catalog; a catalog in a folder needs this "
        "setting to delete from buckets without versions.",
    )
    executor: Literal["in_process", "multiprocess"] = Field(
        default="multiprocess", description="How Dagster runs the steps of a run that has several."
    )
    memory_limit_mb: int = Field(
        default=512,
        ge=64,
        description="What one query or refresh may use before it spills to disk, in MB.",
    )
    listing_requests: int = Field(
        default=48,
        ge=1,
        le=512,
        description="Most requests of one full listing at a time; fewer where the server asks to "
        "slow down. More help where an answer takes longer than 30 ms.",
    )
    keep_versions_days: float = Field(
        default=30,
        ge=1,
        le=3650,
        description="How long files and log of old versions of the tables stay, in days. What "
        "reads or writes for longer may fail.",
    )
    listing_interval_s: int = Field(
        default=30, ge=1, description="Least time between two ticks of the sensor, in seconds."
    )
    listing_budget_s: float = Field(
        default=5, gt=0, le=10, description="How long one tick of the sensor may list, in seconds."
    )
    upload_queue_url: str | None = Field(
        default=None,
        description="The SQS queue that receives S3 event notifications; without it, uploads are "
        "found by listing only. See 's3pipelines buckets configure --help'.",
    )
    events_interval_s: int = Field(
        default=5, ge=1, description="Least time between two looks at the queue, in seconds."
    )
    events_budget_s: float = Field(
        default=5, gt=0, le=20, description="How long one look at the queue may take, in seconds."
    )
    batch_age_s: float = Field(
        default=0,
        ge=0,
        description="An event waits so long for others before a run is requested, in seconds. "
        "While a run of a source is under way, its events wait anyway.",
    )
    batch_changes: int = Field(
        default=1000, ge=1, description="So many events are worth a run at once."
    )
    derive_interval_s: int = Field(
        default=30,
        ge=1,
        description="Least time between two looks at what lacks headers or thumbnails, in seconds.",
    )
    derive_budget_s: float = Field(
        default=300,
        gt=0,
        description="How long one run may work on the images of a source before it lets others "
        "have a turn, in seconds.",
    )
    pyramids_schedule: str = Field(
        default="30 5 * * *",
        description="When `daily_pyramids` makes the pyramids that sources lack, in the words of "
        "cron: minute, hour, day, month, weekday.",
    )
    pyramids_timezone: str = Field(
        default="America/New_York", description="The time zone of that, by its IANA name."
    )
    audit_budget_mb: int = Field(
        default=10_000,
        ge=1,
        description="How much `nightly_audit` reads of each source in a night, in MB.",
    )
    cache: str = Field(
        default="~/.cache/s3pipelines",
        description="The folder where `s3pipelines.open_source` keeps local copies of objects.",
    )
    cache_mb: int = Field(
        default=10_000,
        ge=1,
        description="How much it may hold, in MB; what was used longest ago goes first.",
    )
    viewer_url: str = Field(
        default="http://127.0.0.1:3001",
        description="Where people reach the gallery; links in the Dagster UI lead there.",
    )
    count_check_limit: int = Field(
        default=10_000,
        ge=0,
        description="Sources of up to so many objects are counted afresh by the asset check.",
    )

    @field_validator("pyramids_timezone")
    @classmethod
    def _is_a_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"there is no time zone {value!r}") from error
        return value

    @field_validator("pyramids_schedule")
    @classmethod
    def _has_five_fields(cls, value: str) -> str:
        if len(value.split()) != 5:
            raise ValueError(f"{value!r} has not five fields, as in '30 5 * * *'")
        return value

    @field_validator("viewer_url")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        # Here, so that not each run finds out at its end.
        try:
            gallery_url(value, "source")
        except InvalidInput as error:
            raise ValueError(str(error)) from error
        return value


def catalog_of(settings: Settings) -> Catalog:
    """The catalog that the settings name, with credentials from botocore's standard chain.

    Raises:
        InvalidInput: Its location is not valid.
    """
    return Catalog(
        location=parse_location(settings.catalog),
        derivatives=settings.derivatives,
        trash=settings.trash,
        memory_limit_mb=settings.memory_limit_mb,
        listing_requests=settings.listing_requests,
    )


def load_settings() -> Settings:
    """Read the settings.

    Raises:
        InvalidInput: One of them has a value that it cannot have.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = f"S3PIPELINES_{'_'.join(str(part) for part in first['loc']).upper()}"
        raise InvalidInput(
            f"The setting {name} is not valid: {first['msg']}.",
            hint="Correct it in the environment or in .env.",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(
            f"The file .env cannot be read ({error}).", hint="Write it as UTF-8 text, or remove it."
        ) from error
