"""The stage of the demo: its own S3 server, settings and sources, apart from those of the user."""

import os
import shlex
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from s3pipelines.cli.context import CliContext
from s3pipelines.core.sources.registry import create_source
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.bucket_events import notify_queue
from s3pipelines.core.storage.clients import s3_client
from s3pipelines.demo.collection import LABORATORY, PHOTOGRAPHS, Upload
from s3pipelines.services.moto import MotoServer

# A folder, as the catalog of the demo is one, cannot keep objects that are deleted.
TRASH = "trash"
SOURCES = {
    "photographs": (f"s3://{PHOTOGRAPHS}/museum", "Photographs that scikit-image ships."),
    "laboratory": (f"s3://{LABORATORY}/inbox", "Odd names and broken files, as found."),
}


@dataclass(frozen=True)
class Stage:
    """What the demo runs on; `environment` is what another terminal needs to join in."""

    folder: Path
    context: CliContext
    environment: dict[str, str]

    def upload(self, uploads: Iterable[Upload]) -> None:
        """Write and delete objects, many at a time."""
        client = s3_client(Access())

        def write(upload: Upload) -> None:
            if upload.body is None:
                client.delete_object(Bucket=upload.bucket, Key=upload.key)
            else:
                client.put_object(Bucket=upload.bucket, Key=upload.key, Body=upload.body)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(write, uploads))

    def write_environment_file(self) -> Path:
        """A file to be sourced by the shell of another terminal."""
        path = self.folder / "environment.sh"
        lines = (f"export {key}={shlex.quote(value)}\n" for key, value in self.environment.items())
        path.write_text("unset AWS_PROFILE\n" + "".join(lines))
        return path


@contextmanager
def set_up(folder: Path) -> Iterator[Stage]:
    """Start the S3 server, make buckets that notify a queue, and point this process there.

    The folder belongs to the demo: what an earlier one left in it is removed, since its objects
    were gone with its server.
    """
    for name in ("catalog", "dagster"):
        shutil.rmtree(folder / name, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    with MotoServer() as server:
        environment = {
            **server.environment(),
            "S3PIPELINES_CATALOG": str(folder / "catalog"),
            "S3PIPELINES_TRASH": f"s3://{TRASH}/kept",
            "S3PIPELINES_LISTING_INTERVAL_S": "15",
            "S3PIPELINES_DERIVE_INTERVAL_S": "5",
            "DAGSTER_HOME": str(folder / "dagster"),
        }
        for name in [*os.environ]:
            if name.startswith(("AWS_", "S3PIPELINES_")):
                del os.environ[name]
        os.environ.update(environment)
        client = s3_client(Access())
        client.create_bucket(Bucket=TRASH)
        for bucket in (PHOTOGRAPHS, LABORATORY):
            client.create_bucket(Bucket=bucket)
            queue_url = notify_queue(Access(), bucket).queue_url
            environment["S3PIPELINES_UPLOAD_QUEUE_URL"] = queue_url
        os.environ.update(environment)
        yield Stage(folder, CliContext(), environment)


def register_sources(stage: Stage) -> None:
    """Register the two sources of the demo."""
    for source_id, (path, description) in SOURCES.items():
        options = {"description": description, "derive": ("headers", "thumbnails")}
        create_source(stage.context.catalog, source_id, path, **options)
