"""The demo with the Dagster UI: it goes on uploading for a while, and runs until Ctrl-C."""

import threading
from pathlib import Path

import click

from s3pipelines.demo.collection import first_uploads, later_uploads
from s3pipelines.demo.stage import Stage, register_sources, set_up
from s3pipelines.services.ports import require_free
from s3pipelines.services.session import Ports, project_session

FOLDER = Path(".s3pipelines/demo")
_BEFORE_LATER_UPLOADS_S = 45
_BETWEEN_UPLOADS_S = 10


def run_live(ports: Ports) -> None:
    """Run the demo until Ctrl-C; leaves no process behind."""
    require_free(ports.dagster)
    require_free(ports.viewer, option="--viewer-port")
    with set_up(FOLDER.absolute()) as stage:
        click.echo("Uploading photographs to an embedded S3, and registering two sources …")
        stage.upload(first_uploads())
        register_sources(stage)
        click.echo("Starting Dagster …")
        with project_session(stage.context.catalog, ports) as services:
            _say_what_to_try(stage, ports)
            ended = threading.Event()
            uploading = threading.Thread(target=_upload_more, args=(stage, ended), daemon=True)
            uploading.start()
            try:
                services.wait()
            finally:
                ended.set()
                uploading.join()


def _upload_more(stage: Stage, ended: threading.Event) -> None:
    """What a person would do meanwhile, one thing after the other."""
    pause = _BEFORE_LATER_UPLOADS_S
    for upload in later_uploads():
        if ended.wait(pause):
            return
        pause = _BETWEEN_UPLOADS_S
        stage.upload([upload])
        did = "Deleted " if upload.body is None else "Uploaded"
        click.echo(f"{did} s3://{upload.bucket}/{upload.key}")


def _say_what_to_try(stage: Stage, ports: Ports) -> None:
    environment = stage.write_environment_file()
    click.echo(
        f"""
Dagster UI:  {ports.dagster_url}
Viewer:      {ports.viewer_url}
S3 server:   {stage.environment["AWS_ENDPOINT_URL"]}

Four things to try:
 1. Open {ports.dagster_url}/assets/thumbnails, choose a partition, and "Show Markdown" of its
    contact_sheet; then {ports.viewer_url}/sources/photographs, the whole gallery.
 2. Watch {ports.dagster_url}/assets/object_index: after {_BEFORE_LATER_UPLOADS_S} s the demo
    uploads, overwrites and deletes a few objects.
 3. In another terminal:   . {environment}
    s3pipelines sql "SELECT format, count(*), max(width_px) FROM images GROUP BY ALL"
 4. Upload something of your own there, and see it appear:
    aws s3 cp PICTURE s3://demo-photographs/museum/

Stop it with Ctrl-C.
"""
    )
