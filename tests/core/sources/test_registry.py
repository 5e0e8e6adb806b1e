"""Sources are registered, found and changed, by many at once."""

import getpass
import json
import os
from dataclasses import replace
from typing import Any

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import (
    AlreadyExists,
    BadCredentials,
    InvalidInput,
    NoSuchBucket,
    NotFound,
    PreconditionFailed,
    Unreachable,
    Unreadable,
)
from s3pipelines.core.sources import registry
from s3pipelines.core.sources.registry import (
    create_source,
    delete_source,
    get_source,
    list_sources,
    sources_table,
    update_source,
    whoami,
)
from s3pipelines.core.sources.source import Source
from s3pipelines.core.storage.documents import Documents, open_documents
from s3pipelines.services.ports import free_port
from tests.core.sources.registering import at_once, document_of, separately


def test_a_source_is_found_as_it_was_registered(catalog: Catalog, bucket: str) -> None:
    made = create_source(
        catalog,
        "maps",
        f"s3://{bucket}/scans/2024",
        description="  Old maps. ",
        tags={"lab": "Größe"},
        include=("*.tif",),
        derive=("headers",),
    )
    assert get_source(separately(catalog), "maps") == made
    assert (made.bucket, made.prefix, made.description) == (bucket, "scans/2024/", "Old maps.")
    assert [entry.message for entry in made.history] == ["created"]
    assert made.created_by == made.history[0].by == whoami()


def test_an_id_is_taken_once(catalog: Catalog, bucket: str) -> None:
    first = create_source(catalog, "maps", f"s3://{bucket}/a")
    with pytest.raises(AlreadyExists, match="There is a source 'maps' already"):
        create_source(catalog, "maps", f"s3://{bucket}/b")
    assert get_source(catalog, "maps") == first


def test_of_many_who_register_an_id_at_once_exactly_one_succeeds(
    catalog: Catalog, bucket: str
) -> None:
    for number in range(3):
        name = f"maps{number}"
        results = at_once(
            [
                lambda n=name, d=d: create_source(
                    separately(catalog), n, f"s3://{bucket}/{d}", description=d
                )
                for d in "abcd"
            ]
        )
        (winner,) = [result for result in results if isinstance(result, Source)]
        assert sum(isinstance(result, AlreadyExists) for result in results) == 3
        assert get_source(catalog, name) == winner


@pytest.mark.parametrize("source_id", ["", "Maps", "a/b", "../x", "a b", "x" * 64])
def test_an_id_that_is_not_valid_is_refused(catalog: Catalog, source_id: str) -> None:
    for action in (
        lambda: create_source(catalog, source_id, "s3://bucket"),
        lambda: get_source(catalog, source_id),
        lambda: update_source(catalog, source_id, "why"),
        lambda: delete_source(catalog, source_id),
    ):
        with pytest.raises(InvalidInput, match="is not a source id"):
            action()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"colour": "red"}, "A source has no option 'colour'"),
        ({"settle_s": "soon"}, "The option 'settle_s' is not valid"),
        ({"derive": ("nonsense",)}, "The option 'derive.0' is not valid"),
        ({"endpoint_url": "minio:9000"}, "'endpoint_url' is not valid: an endpoint is written"),
        ({"anonymous": True, "profile": "lab"}, "The options are not valid: a source is anonymous"),
        ({"id": "other"}, "A source has no option 'id'"),
        ({"state": "deleting"}, "A source has no option 'state'"),
    ],
)
def test_an_option_that_is_not_valid_is_named(
    local_catalog: Catalog, bucket: str, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        create_source(local_catalog, "maps", f"s3://{bucket}", **options)
    assert said in str(caught.value)
    assert str(caught.value).isprintable()
    assert list_sources(local_catalog) == []


def test_a_bucket_that_cannot_be_listed_is_not_registered(
    local_catalog: Catalog, bucket: str
) -> None:
    with pytest.raises(NoSuchBucket):
        create_source(local_catalog, "maps", "s3://no-such-bucket")
    with pytest.raises(BadCredentials):
        create_source(local_catalog, "maps", f"s3://{bucket}", profile="nobody")
    unreachable = replace(local_catalog, access=replace(local_catalog.access, max_attempts=1))
    with pytest.raises(Unreachable):
        create_source(
            unreachable, "maps", f"s3://{bucket}", endpoint_url=f"http://127.0.0.1:{free_port()}"
        )
    assert list_sources(local_catalog) == []


def test_an_empty_prefix_may_be_registered_before_anything_is_there(
    catalog: Catalog, bucket: str
) -> None:
    assert create_source(catalog, "maps", f"s3://{bucket}/not/yet").prefix == "not/yet/"


class _LostAnswers:
    """A store whose writes arrive, and are refused when they are tried again."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    def create(self, name: str, body: bytes) -> str:
        self._documents.create(name, body)
        return self._documents.create(name, body)

    def replace(self, name: str, body: bytes, tag: str) -> str:
        self._documents.replace(name, body, tag)
        return self._documents.replace(name, body, tag)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._documents, name)


def test_a_write_whose_answer_was_lost_is_not_taken_for_somebody_elses(
    catalog: Catalog, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shaky = separately(catalog)
    lost = _LostAnswers(open_documents(catalog.location, catalog.access))
    monkeypatch.setitem(shaky.__dict__, "documents", lost)
    made = create_source(shaky, "maps", f"s3://{bucket}")
    assert get_source(catalog, "maps") == made
    assert update_source(shaky, "maps", "why", description="x") == get_source(catalog, "maps")
    delete_source(shaky, "maps")
    assert list_sources(catalog) == []
    again = create_source(shaky, "maps", f"s3://{bucket}")
    assert get_source(catalog, "maps") == again


def test_what_is_not_registered_is_not_found(catalog: Catalog) -> None:
    for action in (
        lambda: get_source(catalog, "maps"),
        lambda: update_source(catalog, "maps", "why"),
        lambda: delete_source(catalog, "maps"),
    ):
        with pytest.raises(NotFound, match="There is no source 'maps'"):
            action()
    assert list_sources(catalog) == []


def test_sources_are_listed_by_id(catalog: Catalog, bucket: str) -> None:
    for name in ("b", "a.json", "a", "a-1"):
        create_source(catalog, name, f"s3://{bucket}/{name}")
    assert [source.id for source in list_sources(catalog)] == sorted(["a", "a-1", "a.json", "b"])


def test_other_documents_are_no_sources(catalog: Catalog, bucket: str) -> None:
    create_source(catalog, "a", f"s3://{bucket}")
    catalog.documents.put("sources/README.txt", b"Hello.")
    catalog.documents.put("leases/b.json", b"{}")
    assert [source.id for source in list_sources(catalog)] == ["a"]


BROKEN = {
    "not-json": b"this is not JSON",
    "empty": b"",
    "of-another": Source(id="other", bucket="b", prefix="").model_dump_json().encode(),
    "from-the-future": Source(id="from-the-future", bucket="b", prefix="")
    .model_dump_json()
    .replace('"derive":[]', '"derive":["embeddings"]')
    .encode(),
    "odd-prefix": b'{"id": "odd-prefix", "bucket": "b", "prefix": "no-folder"}',
}


@pytest.mark.parametrize("name", list(BROKEN))
def test_a_damaged_registration_is_named_and_hides_no_other(
    catalog: Catalog, bucket: str, name: str
) -> None:
    for good in ("a", "z"):
        create_source(catalog, good, f"s3://{bucket}/{good}")
    catalog.documents.put(f"sources/{name}.json", BROKEN[name])
    for action in (
        lambda: get_source(catalog, name),
        lambda: update_source(catalog, name, "why"),
        lambda: delete_source(catalog, name),
        lambda: create_source(catalog, name, f"s3://{bucket}"),
        lambda: list_sources(catalog),
    ):
        with pytest.raises(Unreadable) as caught:
            action()
        assert f"The registration of {name!r} cannot be read" in caught.value.message
        assert f"sources/{name}.json" in caught.value.hint
        assert str(caught.value).isprintable()
    told: dict[str, str] = {}
    found = list_sources(catalog, on_unreadable=lambda key, error: told.update({key: str(error)}))
    assert [source.id for source in found] == ["a", "z"]
    assert list(told) == [name]
    assert catalog.documents.read(f"sources/{name}.json").body == BROKEN[name]


def test_a_store_that_fails_is_an_error_and_no_empty_registry(
    catalog: Catalog, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_source(catalog, "a", f"s3://{bucket}")

    def fail(_: Documents, __: str) -> None:
        raise Unreachable("Nobody answers.", hint="Wait.")

    monkeypatch.setattr(registry, "read_entry", fail)
    with pytest.raises(Unreachable):
        list_sources(catalog, on_unreadable=lambda *_: None)


def test_a_source_that_is_deleted_while_all_are_listed_is_left_out(
    catalog: Catalog, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_source(catalog, "a", f"s3://{bucket}")
    monkeypatch.setattr(registry, "registered_ids", lambda _: ["a", "gone"])
    assert [source.id for source in list_sources(catalog)] == ["a"]


def test_the_registry_can_be_asked_as_a_table(catalog: Catalog, bucket: str) -> None:
    made = create_source(catalog, "maps", f"s3://{bucket}/p", tags={"a": "b"}, description="x")
    assert sources_table(catalog).to_pylist() == [
        {
            "id": "maps",
            "bucket": bucket,
            "prefix": "p/",
            "description": "x",
            "tags": '{"a": "b"}',
            "generation": made.generation,
            "created_at": made.created_at,
        }
    ]
    assert sources_table(catalog).schema == registry.SOURCES_COLUMNS


def test_an_update_changes_what_is_given_and_tells_why(catalog: Catalog, bucket: str) -> None:
    made = create_source(catalog, "maps", f"s3://{bucket}", description="x", settle_s=5)
    update_source(catalog, "maps", " first ", settle_s=7)
    updated = update_source(catalog, "maps", "second", tags={"a": "b"})
    assert get_source(catalog, "maps") == updated
    assert (updated.description, updated.settle_s, updated.tags) == ("x", 7, {"a": "b"})
    assert [entry.message for entry in updated.history] == ["created", "first", "second"]
    assert updated.history[0] == made.history[0]
    assert updated.generation == made.generation
    assert updated.created_at == made.created_at


def test_an_update_needs_a_reason_and_valid_options(catalog: Catalog, bucket: str) -> None:
    made = create_source(catalog, "maps", f"s3://{bucket}")
    with pytest.raises(InvalidInput, match="The message is empty"):
        update_source(catalog, "maps", " \n")
    with pytest.raises(InvalidInput, match="has no option 'generation'"):
        update_source(catalog, "maps", "why", generation="x")
    with pytest.raises(InvalidInput, match="'settle_s' is not valid"):
        update_source(catalog, "maps", "why", settle_s=-1)
    assert get_source(catalog, "maps") == made


def test_an_update_keeps_what_a_newer_release_wrote(catalog: Catalog, bucket: str) -> None:
    create_source(catalog, "maps", f"s3://{bucket}")
    fields = document_of(catalog, "maps")
    fields["colour"] = {"of": ["the", "future"]}
    fields["history"][0]["ticket"] = 7
    catalog.documents.put("sources/maps.json", json.dumps(fields).encode())
    update_source(catalog, "maps", "why", description="x")
    updated = document_of(catalog, "maps")
    assert updated["colour"] == {"of": ["the", "future"]}
    assert updated["history"][0]["ticket"] == 7
    assert updated["description"] == "x"


def test_of_two_updates_at_once_none_is_lost_unnoticed(catalog: Catalog, bucket: str) -> None:
    create_source(catalog, "maps", f"s3://{bucket}")
    results = at_once(
        [lambda n=n: update_source(separately(catalog), "maps", f"by {n}") for n in range(4)]
    )
    done = {r.history[-1].message for r in results if isinstance(r, Source)}
    assert all(isinstance(r, Source | PreconditionFailed) for r in results)
    assert done
    messages = {entry.message for entry in get_source(catalog, "maps").history}
    assert messages == {"created", *done}


def test_new_credentials_are_tried_before_they_are_kept(catalog: Catalog, bucket: str) -> None:
    made = create_source(catalog, "maps", f"s3://{bucket}")
    with pytest.raises(BadCredentials):
        update_source(catalog, "maps", "why", profile="nobody")
    assert get_source(catalog, "maps") == made


def test_a_new_identity_takes_the_place_of_the_old_one(catalog: Catalog, bucket: str) -> None:
    role = "arn:aws:iam::123456789012:role/reader"
    create_source(catalog, "maps", f"s3://{bucket}", role_arn=role)
    anonymous = update_source(catalog, "maps", "public now", anonymous=True)
    assert (anonymous.anonymous, anonymous.role_arn) == (True, None)
    private = update_source(catalog, "maps", "private again", role_arn=role)
    assert (private.anonymous, private.role_arn) == (False, role)
    assert update_source(catalog, "maps", "none", role_arn="").role_arn is None


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert whoami().startswith(f"{os.getuid()}@")
