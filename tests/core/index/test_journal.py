from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import AccessDenied
from s3pipelines.core.index import journal as journals
from s3pipelines.core.index.journal import Begun, Finished, Journal, gaps
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source, update_source
from s3pipelines.core.storage.listing.ranges import Span
from s3pipelines.core.storage.locations import FolderLocation
from tests.core.index.rows import index_keys, index_rows
from tests.core.storage.fake_s3 import Answer, Asked, FakeS3, bucket_of, error_answer, fake_s3
from tests.core.storage.fake_versions import bucket_of_versions

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
BEGUN = Begun(NOW, ledger_version=7, listings=2)
KEYS = [f"{number:05}.tif" for number in range(6000)]


MANY = 2_000_000


def _finished(start: str, end: str | None, rows: int = MANY) -> Finished:
    return Finished(start, end, "", 0, rows, 0)


def test_a_journal_is_gone_on_with(tmp_path: Path) -> None:
    first = Journal.start(tmp_path / "j", BEGUN)
    first.add(_finished("", "k"))
    later = replace(BEGUN, listed_at=NOW + timedelta(hours=1), ledger_version=9)

    second = Journal.go_on(tmp_path / "j", later)

    assert second.resumed
    assert second.begun == BEGUN  # What was listed first is that old.
    assert second.finished == [_finished("", "k")]


@pytest.mark.parametrize(
    "now",
    [
        replace(BEGUN, listings=3),
        replace(BEGUN, ledger_version=6),
        replace(BEGUN, listed_at=NOW + timedelta(hours=7)),
    ],
)
def test_a_journal_that_fits_no_longer_is_begun_anew(tmp_path: Path, now: Begun) -> None:
    Journal.start(tmp_path / "j", BEGUN).add(_finished("", "k"))
    assert Journal.go_on(tmp_path / "j", now).finished == []
    assert Journal.go_on(tmp_path / "j", now).begun == now


def test_what_is_listed_again_within_seconds_is(tmp_path: Path) -> None:
    Journal.start(tmp_path / "j", BEGUN).add(_finished("", "k", rows=1000))
    assert not Journal.go_on(tmp_path / "j", BEGUN).resumed


@pytest.mark.parametrize("damage", ["", "not JSON\n", '{"listed_at": "yesterday"}\n', "[]\n"])
def test_a_journal_that_cannot_be_read_is_begun_anew(tmp_path: Path, damage: str) -> None:
    Journal.start(tmp_path / "j", BEGUN)
    (tmp_path / "j" / "journal.jsonl").write_text(damage)
    assert not Journal.go_on(tmp_path / "j", BEGUN).resumed


def test_a_line_that_was_cut_off_by_a_crash_is_left_out(tmp_path: Path) -> None:
    journal = Journal.start(tmp_path / "j", BEGUN)
    journal.add(_finished("", "k"))
    with (tmp_path / "j" / "journal.jsonl").open("a") as file:
        file.write('{"start": "k", "en')
    assert Journal.go_on(tmp_path / "j", BEGUN).finished == [_finished("", "k")]


def test_a_file_that_is_not_whole_spoils_the_journal(tmp_path: Path) -> None:
    journal = Journal.start(tmp_path / "j", BEGUN)
    (tmp_path / "j" / "0.parquet").write_bytes(b"1234")
    journal.add(Finished("", "k", "0.parquet", 4, MANY, 0))
    assert Journal.go_on(tmp_path / "j", BEGUN).resumed
    (tmp_path / "j" / "0.parquet").write_bytes(b"123")
    assert not Journal.go_on(tmp_path / "j", BEGUN).resumed


@given(
    cuts=st.lists(st.text("abc", min_size=1, max_size=3), unique=True, max_size=8).map(sorted),
    data=st.data(),
)
def test_what_is_finished_and_what_is_left_are_all_keys(
    cuts: list[str], data: st.DataObject
) -> None:
    spans = [Span(a, b) for a, b in zip(["", *cuts], [*cuts, None], strict=True)]
    done = [span for span in spans if data.draw(st.booleans())]
    left = gaps([_finished(span.start, span.end) for span in done])
    covered = sorted([*done, *left], key=lambda span: span.start)
    assert covered[0].start == ""
    assert covered[-1].end is None
    assert [span.end for span in covered[:-1]] == [span.start for span in covered[1:]]


# A source whose listing breaks off.


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeS3]:
    with fake_s3(bucket_of(KEYS)) as server:
        for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
            monkeypatch.setenv(f"AWS_{name}", "x")
        yield server


@pytest.fixture
def catalog(tmp_path: Path, server: FakeS3, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(journals, "_WORTH_ROWS", 1000)
    # Ranges of a few pages, as if the bucket were large.
    monkeypatch.setattr("s3pipelines.core.storage.listing.ranges._LONGEST_RANGE_PAGES", 1)
    catalog = Catalog(FolderLocation(tmp_path / "catalog"), listing_requests=1)
    create_source(catalog, "maps", "s3://bucket", endpoint_url=server.url)
    server.asked.clear()
    return catalog


def _fails_after(server: FakeS3, requests: int) -> None:
    whole = bucket_of(KEYS)

    def answer(asked: Asked) -> Answer:
        listed = sum("start-after" in one.query for one in server.asked)
        return error_answer(403, "AccessDenied") if listed >= requests else whole(asked)

    server.answer = answer


def _left(tmp_path: Path) -> list[Path]:
    return list(tmp_path.glob("s3pipelines-listing-*"))


def test_a_listing_that_broke_off_is_gone_on_with(
    catalog: Catalog, server: FakeS3, tmp_path: Path
) -> None:
    _fails_after(server, 4)
    with pytest.raises(AccessDenied):
        refresh_index(catalog, "maps")
    assert len(_left(tmp_path)) == 1

    server.asked.clear()
    server.answer = bucket_of(KEYS)
    said: list[str] = []
    refresh = refresh_index(catalog, "maps", say=said.append)

    assert any(line.endswith("UTC, after 4,000 objects") for line in said)
    assert refresh.requests == 2
    assert refresh.rows == len(KEYS)
    assert index_keys(catalog, "maps") == KEYS
    assert _left(tmp_path) == []


def test_a_listing_that_was_used_leaves_nothing(
    catalog: Catalog, server: FakeS3, tmp_path: Path
) -> None:
    refresh_index(catalog, "maps")
    assert _left(tmp_path) == []


def test_what_was_listed_for_hours_is_listed_again(
    catalog: Catalog, server: FakeS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fails_after(server, 4)
    with pytest.raises(AccessDenied):
        refresh_index(catalog, "maps")
    monkeypatch.setattr(journals, "_USABLE_FOR", timedelta(0))
    server.answer = bucket_of(KEYS)
    assert refresh_index(catalog, "maps").requests >= 6


def test_a_server_without_start_after_is_listed_serially(catalog: Catalog, server: FakeS3) -> None:
    whole = bucket_of(KEYS)

    def answer(asked: Asked) -> Answer:
        query = {name: value for name, value in asked.query.items() if name != "start-after"}
        return whole(replace(asked, query=query))

    server.answer = answer
    assert refresh_index(catalog, "maps").rows == len(KEYS)
    assert index_keys(catalog, "maps") == KEYS


def test_the_folder_is_for_this_user_alone(tmp_path: Path) -> None:
    journal = Journal.start(tmp_path / "j", BEGUN)
    assert journal.folder.stat().st_mode & 0o077 == 0


def test_a_listing_without_versions_is_not_gone_on_with_by_versions(
    catalog: Catalog, server: FakeS3, tmp_path: Path
) -> None:
    _fails_after(server, 3)
    with pytest.raises(AccessDenied):
        refresh_index(catalog, "maps")
    assert len(_left(tmp_path)) == 1
    server.answer = bucket_of_versions({key: [False, False] for key in KEYS})
    update_source(catalog, "maps", "ids are wanted", versions=True)

    refresh_index(catalog, "maps")

    ids = {row["key"]: row["version_id"] for row in index_rows(catalog, "maps")}
    assert ids == {key: f"{key.encode().hex()}.1" for key in KEYS}
