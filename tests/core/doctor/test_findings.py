"""What single checks make of what they see."""

import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NoReturn

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.doctor import queue_checks, source_checks
from s3pipelines.core.doctor.catalog_checks import documents_finding
from s3pipelines.core.doctor.examination import run_checks
from s3pipelines.core.doctor.findings import Check, Finding
from s3pipelines.core.doctor.image_checks import (
    formats_findings,
    image_checks,
    tiff_finding,
    writers_finding,
)
from s3pipelines.core.doctor.machine_checks import clock_finding, disk_finding
from s3pipelines.core.errors import AccessDenied, AlreadyExists, PreconditionFailed, StorageError
from s3pipelines.core.imaging.conversion.outputs import OUTPUTS
from s3pipelines.core.imaging.formats import PILLOW_FORMATS, VIPS_FORMATS
from s3pipelines.core.sources.source import Source
from s3pipelines.core.storage.documents import FolderDocuments
from s3pipelines.core.storage.locations import S3Location
from s3pipelines.core.storage.probes import Rule, is_queue
from tests.servers import on_every_catalog

MAPS = Source(id="maps", bucket="b", prefix="maps/")
QUEUE_URL = "https://sqs.eu-west-1.amazonaws.com/123/q"
QUEUE_ARN = "arn:aws:sqs:eu-west-1:123:q"
EVERY = frozenset({"s3:ObjectCreated:*", "s3:ObjectRemoved:*"})


def test_a_finding_holds_no_control_characters():
    finding = Finding("source a", "listing", "failed", "key\n\x1b[31m", "do\rthis")

    assert finding.detail == "key\\n\\x1b[31m"
    assert finding.hint == "do\\rthis"


@pytest.mark.parametrize(
    ("skew_s", "state"), [(0, "ok"), (299, "ok"), (-299, "ok"), (301, "failed"), (-301, "failed")]
)
def test_a_clock_that_is_far_off_fails(skew_s: int, state: str):
    assert clock_finding(timedelta(seconds=skew_s)).state == state


def test_a_server_that_does_not_tell_the_time_fails_nothing():
    assert clock_finding(None).state == "skipped"


def test_little_room_for_temporary_files_is_a_warning(monkeypatch: pytest.MonkeyPatch):
    from s3pipelines.core.doctor import machine_checks

    monkeypatch.setattr(machine_checks, "_LEAST_FREE_BYTES", 1 << 60)

    assert disk_finding().state == "warning"


def test_no_folder_for_temporary_files_fails(monkeypatch: pytest.MonkeyPatch):
    def none() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", none)

    assert disk_finding().state == "failed"


def test_formats_that_come_with_the_installation_are_missed():
    every = {name: ["vips", "pillow"] for name in VIPS_FORMATS | set(PILLOW_FORMATS)}

    assert [f.state for f in formats_findings(every)] == ["ok"]
    without = {**every, "tiff": ["pillow"], "psd": [], "heic": []}
    formats, heic = formats_findings(without)
    assert formats.state == "warning"
    assert "nothing reads psd; libvips has no loader for tiff" in formats.detail
    assert (heic.name, heic.state) == ("heic", "skipped")


def test_codecs_are_told_with_who_reads_and_writes_them():
    both = {name: ["vips", "pillow"] for name in ("none", "lzw", "jpeg", "deflate")}
    tiff = tiff_finding({**both, "zstd": ["pillow"], "webp": []})
    assert (tiff.state, tiff.detail) == (
        "ok",
        "libvips reads none, lzw, jpeg, deflate; Pillow alone zstd; nothing webp.",
    )
    black = tiff_finding({**both, "lzw": ["pillow"]})
    assert black.state == "warning"
    assert "expected to read lzw" in black.detail

    written = writers_finding(["jpeg", "deflate", "none"], {name: [] for name in OUTPUTS})
    assert written.state == "ok"
    assert "has no webp, lzw, zstd, jp2k" in written.detail
    assert "jp2 (by Pillow)" in written.detail
    lacking = {name: [] for name in OUTPUTS if name != "png"}
    assert (
        "But png cannot be written" in writers_finding(["jpeg", "deflate", "none"], lacking).detail
    )


def test_codecs_of_this_machine_are_tried():
    found = {finding.name: finding for check in image_checks() for finding in check.found()}

    assert {"libraries", "formats", "TIFF", "writers"} <= set(found)
    assert found["TIFF"].state == found["writers"].state == "ok"
    assert (
        "libvips reads none, group3, group4, lzw, jpeg, deflate, packbits" in found["TIFF"].detail
    )
    assert "Pyramids: jpeg, webp, deflate" in found["writers"].detail


@pytest.mark.parametrize(
    ("arn", "url", "same"),
    [
        ("arn:aws:sqs:eu-west-1:123:q", "https://sqs.eu-west-1.amazonaws.com/123/q", True),
        ("arn:aws:sqs:eu-west-1:123:q", "https://sqs.eu-west-1.amazonaws.com/124/q", False),
        ("arn:aws:sqs:eu-west-1:123:q", "https://sqs.eu-west-1.amazonaws.com/123/qq", False),
        ("arn:aws:sqs:elasticmq:000:q", "http://localhost:9324/queue/q", True),
        ("arn:aws:sns:eu-west-1:123:q", "https://sqs.eu-west-1.amazonaws.com/123/q", False),
        ("", "https://sqs.eu-west-1.amazonaws.com/123/q", False),
    ],
)
def test_a_queue_is_known_by_account_and_name(arn: str, url: str, same: bool):
    assert is_queue(arn, url) == same


def _rules(*rules: Rule) -> Callable[..., list[Rule]]:
    return lambda *_: list(rules)


def _refused(*_: object) -> NoReturn:
    raise AccessDenied("Access is denied.", hint="Grant it.")


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (_rules(Rule("", "", "", frozenset({"s3:*"}))), "skipped"),  # EventBridge
        (_rules(Rule(QUEUE_ARN, "maps/", "", EVERY)), "ok"),
        (_rules(Rule(QUEUE_ARN, "maps/old/", "", EVERY)), "warning"),
        (_rules(Rule(QUEUE_ARN, "", ".tif", EVERY)), "warning"),
        (_rules(), "warning"),
        (_refused, "skipped"),
    ],
)
def test_notifications_count_if_they_are_about_the_whole_source(
    local_catalog: Catalog, monkeypatch: pytest.MonkeyPatch, answer: Callable[..., Any], state: str
):
    monkeypatch.setattr(queue_checks, "notification_rules", answer)

    finding = queue_checks.notifications_finding(local_catalog, MAPS, QUEUE_URL, "source maps")

    assert finding.state == state


def test_an_object_that_may_not_be_read_is_a_warning_that_names_the_permission(
    local_catalog: Catalog, s3, bucket: str, put_objects, monkeypatch: pytest.MonkeyPatch
):
    put_objects("maps/a.tif")
    monkeypatch.setattr(source_checks, "ask_for", _refused)
    source = MAPS.model_copy(update={"bucket": bucket})

    checks = source_checks.source_checks(local_catalog, source, None)
    found = {finding.name: finding for check in checks for finding in check.found()}

    assert found["listing"].state == "ok"
    assert found["reading"].state == "warning"
    assert f"s3:GetObject (and kms:Decrypt, if its key is yours) on arn:aws:s3:::{bucket}" in str(
        found["reading"].hint
    )


def test_a_source_that_holds_the_catalog_fails(s3_catalog: Catalog):
    assert isinstance(s3_catalog.location, S3Location)
    source = MAPS.model_copy(update={"bucket": s3_catalog.location.bucket, "prefix": ""})

    checks = source_checks.source_checks(s3_catalog, source, None)
    found = {finding.name: finding for check in checks for finding in check.found()}

    assert found["output"].state == "failed"
    assert "overlaps" in found["output"].detail


class _IgnoresIfNoneMatch(FolderDocuments):
    def create(self, name: str, body: bytes) -> str:
        try:
            return super().create(name, body)
        except AlreadyExists:
            self.put(name, body)
            return self.read(name).tag


class _IgnoresIfMatch(FolderDocuments):
    def replace(self, name: str, body: bytes, tag: str) -> str:
        self.put(name, body)
        return self.read(name).tag


class _NeverReplaces(FolderDocuments):
    def replace(self, name: str, body: bytes, tag: str) -> str:
        raise PreconditionFailed("It changed.", hint="Repeat.")


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (_IgnoresIfNoneMatch, "ignores If-None-Match"),
        (_IgnoresIfMatch, "ignores If-Match"),
        (_NeverReplaces, "refuses to replace"),
    ],
)
def test_a_server_without_conditional_writes_is_found_out(
    local_catalog: Catalog, tmp_path, kind: type[FolderDocuments], says: str
):
    documents = kind(tmp_path)
    vars(local_catalog)["documents"] = documents

    finding = documents_finding(local_catalog)

    assert finding.state == "failed"
    assert says in finding.detail
    assert documents.names("doctor/") == []


@on_every_catalog
def test_conditional_writes_hold_in_a_folder_and_on_s3(catalog: Catalog):
    assert documents_finding(catalog).state == "ok"


def test_a_check_that_fails_or_hangs_stops_no_other():
    def fails() -> list[Finding]:
        raise StorageError("It is broken.", hint="Mend it.")

    def hangs() -> list[Finding]:
        time.sleep(60)
        return []

    fine = Finding("a", "fine", "ok", "Well.")
    checks = [Check("a", "f", fails), Check("a", "h", hangs), Check("a", "fine", lambda: [fine])]

    started = time.monotonic()
    failed, hung, well = run_checks(checks, 0.5)

    assert time.monotonic() - started < 30
    assert (failed.detail, failed.hint) == ("It is broken.", "Mend it.")
    assert (hung.state, well) == ("failed", fine)


def test_a_check_that_hangs_does_not_keep_the_process_from_ending():
    program = (
        "import time\n"
        "from s3pipelines.core.doctor.examination import run_checks\n"
        "from s3pipelines.core.doctor.findings import Check\n"
        "[f] = run_checks([Check('a', 'n', lambda: time.sleep(60))], 0.1)\n"
        "assert f.state == 'failed'\n"
    )

    ended = subprocess.run([sys.executable, "-c", program], timeout=30, check=False)

    assert ended.returncode == 0
