import os
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import (
    AccessDenied,
    AlreadyExists,
    Gone,
    InvalidInput,
    NoSuchBucket,
    PreconditionFailed,
    StorageError,
)
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.documents import (
    Documents,
    FolderDocuments,
    S3Documents,
    open_documents,
)
from s3pipelines.core.storage.locations import FolderLocation, S3Location
from tests.core.storage.fake_s3 import bucket_of, fake_s3
from tests.examples import examples

NAMES = [
    "a/b.json",
    "runs/3f/step.sub[0]/result.json",
    "sources/ä b+c%20d&'\"é😀.json",
    "x/.hidden",
]


@pytest.fixture
def documents(catalog: Catalog) -> Documents:
    return open_documents(catalog.location, catalog.access)


@pytest.fixture
def second(catalog: Catalog) -> Documents:
    """The same store, as another process sees it."""
    return open_documents(catalog.location, catalog.access)


@pytest.fixture
def folder(tmp_path: Path) -> FolderDocuments:
    return FolderDocuments(tmp_path / "catalog")


def _at_once(actions: list[Callable[[], object]]) -> list[object]:
    """Run all actions at the same moment; what each returned or raised."""
    barrier = threading.Barrier(len(actions))

    def run(action: Callable[[], object]) -> object:
        barrier.wait()
        try:
            return action()
        except StorageError as error:
            return error
        except AlreadyExists as error:
            return error

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(run, actions))


@pytest.mark.parametrize("name", NAMES)
def test_a_document_is_read_as_it_was_written(documents: Documents, name: str) -> None:
    body = b"\x00 not only text \xff\r\n"
    tag = documents.create(name, body)
    assert documents.read(name).body == body
    assert documents.read(name).tag == tag
    assert documents.names(f"{name.split('/', maxsplit=1)[0]}/" if "/" in name else "x/") == (
        [name] if "/" in name else []
    )
    documents.remove(name)
    with pytest.raises(Gone):
        documents.read(name)


def test_an_empty_document_is_a_document(documents: Documents) -> None:
    documents.create("a/empty", b"")
    assert documents.read("a/empty").body == b""
    with pytest.raises(AlreadyExists):
        documents.create("a/empty", b"")


def test_a_document_is_created_once(documents: Documents) -> None:
    documents.create("a", b"first")
    with pytest.raises(AlreadyExists):
        documents.create("a", b"second")
    assert documents.read("a").body == b"first"


def test_of_many_who_create_at_once_exactly_one_wins(
    catalog: Catalog, documents: Documents
) -> None:
    for attempt in range(5):
        name = f"race/{attempt}"
        stores = [open_documents(catalog.location, catalog.access) for _ in range(4)]
        results = _at_once(
            [lambda s=s, n=name, i=i: s.create(n, b"%d" % i) for i, s in enumerate(stores)]
        )
        winners = [index for index, result in enumerate(results) if isinstance(result, str)]
        assert len(winners) == 1, results
        assert all(isinstance(r, str | AlreadyExists) for r in results)
        assert documents.read(name).body == b"%d" % winners[0]


def test_a_document_is_replaced_only_if_it_is_what_was_read(
    documents: Documents, second: Documents
) -> None:
    first_tag = documents.create("a", b"1")
    second_tag = second.replace("a", b"2", first_tag)
    with pytest.raises(PreconditionFailed):
        documents.replace("a", b"3", first_tag)
    assert documents.read("a").body == b"2"
    documents.replace("a", b"3", second_tag)
    assert second.read("a").body == b"3"


def test_what_was_removed_meanwhile_is_not_replaced(documents: Documents) -> None:
    tag = documents.create("a", b"1")
    documents.remove("a")
    with pytest.raises(PreconditionFailed):
        documents.replace("a", b"2", tag)
    with pytest.raises(Gone):
        documents.read("a")


def test_of_many_who_replace_at_once_exactly_one_wins(
    catalog: Catalog, documents: Documents
) -> None:
    tag = documents.create("a", b"-")
    for _ in range(5):
        stores = [open_documents(catalog.location, catalog.access) for _ in range(4)]
        bodies = [os.urandom(8) for _ in stores]
        results = _at_once(
            [
                lambda s=s, b=b, t=tag: s.replace("a", b, t)
                for s, b in zip(stores, bodies, strict=True)
            ]
        )
        (winner,) = [index for index, result in enumerate(results) if isinstance(result, str)]
        assert all(isinstance(r, str | PreconditionFailed) for r in results)
        found = documents.read("a")
        assert found.body == bodies[winner]
        tag = found.tag


def test_a_count_kept_by_compare_and_swap_loses_nothing(catalog: Catalog) -> None:
    documents = open_documents(catalog.location, catalog.access)
    documents.create("count", b"0")

    def add_five() -> None:
        mine = open_documents(catalog.location, catalog.access)
        for _ in range(5):
            while True:
                found = mine.read("count")
                try:
                    mine.replace("count", b"%d" % (int(found.body) + 1), found.tag)
                    break
                except PreconditionFailed:
                    continue

    _at_once([add_five] * 3)
    assert documents.read("count").body == b"15"


def test_a_reader_never_sees_a_half_written_document(catalog: Catalog) -> None:
    documents = open_documents(catalog.location, catalog.access)
    bodies = {letter * 200_000 for letter in (b"a", b"b", b"c")}
    documents.put("a/big", b"a" * 200_000)
    done = threading.Event()
    seen: set[bytes] = set()
    names: set[str] = set()

    def look() -> None:
        mine = open_documents(catalog.location, catalog.access)
        while not done.is_set():
            seen.add(mine.read("a/big").body)
            names.update(mine.names("a/"))

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(look) for _ in range(2)]
        for body in sorted(bodies) * 10:
            documents.put("a/big", body)
        done.set()
        for reader in readers:
            reader.result()
    assert seen <= bodies
    assert names == {"a/big"}


def test_names_are_those_below_the_prefix_in_order(documents: Documents) -> None:
    for name in ("sources/b.json", "sources/a.json", "sources/deep/er.json", "sourcesX/c.json"):
        documents.put(name, b"")
    assert documents.names("sources/") == [
        "sources/a.json",
        "sources/b.json",
        "sources/deep/er.json",
    ]
    assert documents.names("nothing/") == []


def test_more_names_than_one_page_of_a_listing_are_all_found() -> None:
    expected = [f"many/{number:04}" for number in range(2001)]
    with fake_s3(bucket_of([f"state/{name}" for name in expected])) as server:
        documents = open_documents(S3Location("bucket", "state/"), server.access())
        assert documents.names("many/") == expected
    assert len(server.asked) == 3


def test_what_does_not_exist_may_be_removed(documents: Documents) -> None:
    documents.remove("no/such/document")


@pytest.mark.parametrize(
    "name",
    [
        *("", "/", "/etc/passwd", "../outside", "a/../../b", "a//b", "./a", "a/.", "a\0b"),
        *(".documents.lock", "a/.unfinished-b"),
    ],
)
def test_a_name_never_leads_elsewhere(documents: Documents, name: str) -> None:
    for action in (
        lambda: documents.create(name, b"x"),
        lambda: documents.put(name, b"x"),
        lambda: documents.read(name),
        lambda: documents.remove(name),
        lambda: documents.names(name),
    ):
        with pytest.raises(InvalidInput, match="cannot be the name of a document"):
            action()


@examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(st.characters(codec="utf-8"), min_size=1, max_size=30), body=st.binary())
def test_any_other_name_and_body_goes_in_and_comes_out(
    folder: FolderDocuments, name: str, body: bytes
) -> None:
    name = f"any/{name.replace('/', '_')}.json"
    try:
        folder.put(name, body)
    except InvalidInput:
        assert "\0" in name or "/.unfinished-" in name
        return
    assert folder.read(name).body == body
    assert folder.names("any/") == [name]
    folder.remove(name)


# A folder of this machine.


def test_locks_and_unfinished_files_are_no_documents(
    folder: FolderDocuments, tmp_path: Path
) -> None:
    folder.create("a/b.json", b"x")
    (tmp_path / "catalog" / "a" / ".unfinished-0123").write_bytes(b"half")
    assert folder.names("a/") == ["a/b.json"]
    every = {path.name for path in (tmp_path / "catalog").rglob("*") if path.is_file()}
    assert every == {"b.json", ".unfinished-0123", ".documents.lock"}


def test_a_write_that_fails_leaves_the_old_document_and_no_other_file(
    folder: FolderDocuments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.create("a/b", b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"cannot be used \(No space left on device\)"):
        folder.put("a/b", b"new")
    assert folder.read("a/b").body == b"old"
    assert [path.name for path in (tmp_path / "catalog" / "a").iterdir()] == ["b"]


def test_documents_can_be_read_by_whoever_may_read_the_folder(
    folder: FolderDocuments, tmp_path: Path
) -> None:
    before = os.umask(0o027)
    try:
        folder.create("a/b", b"x")
    finally:
        os.umask(before)
    mode = (tmp_path / "catalog" / "a" / "b").stat().st_mode
    assert stat.S_IMODE(mode) == 0o640


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_not_an_empty_one(
    folder: FolderDocuments, tmp_path: Path
) -> None:
    folder.create("a/b", b"x")
    (tmp_path / "catalog" / "a").chmod(0)
    try:
        with pytest.raises(AccessDenied, match="Permission denied"):
            folder.names("a/")
        with pytest.raises(AccessDenied, match="Permission denied"):
            folder.read("a/b")
    finally:
        (tmp_path / "catalog" / "a").chmod(0o755)


def test_a_listing_that_the_system_refuses_is_not_an_empty_one(
    folder: FolderDocuments, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.create("a/b", b"x")

    def refuse(_: object) -> object:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(AccessDenied, match="Permission denied"):
        folder.names("a/")


def test_a_file_in_the_place_of_the_folder_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "catalog").write_text("I am a file.")
    documents = open_documents(FolderLocation(tmp_path / "catalog"), Access())
    for action in (lambda: documents.create("a/b", b""), lambda: documents.read("a/b")):
        with pytest.raises(AccessDenied, match="S3PIPELINES_CATALOG"):
            action()


def test_nothing_is_made_by_reading(tmp_path: Path) -> None:
    documents = FolderDocuments(tmp_path / "catalog")
    assert documents.names("sources/") == []
    with pytest.raises(Gone):
        documents.read("sources/a.json")
    assert not (tmp_path / "catalog").exists()


# A bucket.


def test_documents_lie_below_the_prefix(bucket: str, s3) -> None:
    documents = open_documents(S3Location(bucket, "team/state/"), Access())
    documents.create("sources/a.json", b"x")
    found = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert [entry["Key"] for entry in found] == ["team/state/sources/a.json"]
    assert documents.names("sources/") == ["sources/a.json"]


def test_a_bucket_that_is_not_there_is_named(moto: object) -> None:
    documents = open_documents(S3Location("no-such-bucket"), Access())
    for action in (
        lambda: documents.create("a", b""),
        lambda: documents.names("a/"),
        lambda: documents.read("a"),
        lambda: documents.put("a", b""),
    ):
        with pytest.raises(NoSuchBucket, match="'no-such-bucket'"):
            action()


def test_the_location_decides_which_store_it_is(tmp_path: Path) -> None:
    assert isinstance(open_documents(FolderLocation(tmp_path), Access()), FolderDocuments)
    assert isinstance(open_documents(S3Location("bucket"), Access(anonymous=True)), S3Documents)
