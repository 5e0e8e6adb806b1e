"""Uploading and downloading folders, each in one process, which imports what its command does."""

import time
from pathlib import Path
from typing import Any

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.storage.locations import parse_location


def upload_files(catalog: str, folder: str, to: str) -> dict[str, Any]:
    """As `s3pipelines upload FOLDER/. s3://…` does; `work_s` is without the imports."""
    from s3pipelines.core.datasets.uploading import Upload, upload

    began = time.perf_counter()
    done = upload(Catalog(parse_location(catalog)), Upload(to, [f"{folder}/."]))
    return {"files": done.counts.get("uploaded", 0), "work_s": time.perf_counter() - began}


def register_files(catalog: str, source_id: str, folder: str) -> dict[str, Any]:
    """As `s3pipelines data register` does, with the index brought up to date."""
    from s3pipelines.core.datasets.registering import Wanted, register
    from s3pipelines.core.index.apply import apply_changes

    began, place = time.perf_counter(), Catalog(parse_location(catalog))
    done = register(place, Wanted(source_id, [f"{folder}/."]))
    apply_changes(place, source_id)
    return {"files": done.counts.get("uploaded", 0), "work_s": time.perf_counter() - began}


def download_files(catalog: str, source_id: str, folder: str) -> dict[str, Any]:
    """As `s3pipelines data download` does."""
    from s3pipelines.core.datasets.downloading import Wanted, download

    began = time.perf_counter()
    done = download(Catalog(parse_location(catalog)), Wanted(source_id, Path(folder)))
    return {"files": done.downloaded, "work_s": time.perf_counter() - began}
