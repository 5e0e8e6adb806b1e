import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from s3pipelines.core.sources.source import SOURCE_ID, HistoryEntry, Source
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.locations import S3Location


def _source(**options: object) -> Source:
    return Source.model_validate({"id": "maps", "bucket": "bucket", "prefix": "p/", **options})


def test_a_source_lies_at_its_bucket_and_prefix() -> None:
    assert _source().location == S3Location("bucket", "p/")
    assert _source(prefix="").location == S3Location("bucket")


@pytest.mark.parametrize("prefix", ["p", "p/q", "p/\n"])
def test_a_prefix_that_means_no_folder_is_refused(prefix: str) -> None:
    with pytest.raises(ValidationError):
        _source(prefix=prefix)


@pytest.mark.parametrize("source_id", ["a", "0", "maps", "a.b-c_d", "007", "null", "x" * 63])
def test_ids_are_lower_case_names(source_id: str) -> None:
    assert _source(id=source_id).id == source_id


@pytest.mark.parametrize(
    "source_id", ["", "A", "-a", ".a", "_a", "a b", "a/b", "a'b", "ä", "a\n", "x" * 64, "../a"]
)
def test_other_ids_are_refused(source_id: str) -> None:
    assert not SOURCE_ID.fullmatch(source_id)
    with pytest.raises(ValidationError):
        _source(id=source_id)


@given(st.text(max_size=5))
def test_an_id_is_valid_for_the_registry_if_it_is_for_the_source(source_id: str) -> None:
    try:
        _source(id=source_id)
        valid = True
    except ValidationError:
        valid = False
    assert valid == bool(SOURCE_ID.fullmatch(source_id))


@pytest.mark.parametrize(
    "wrong",
    [
        {"settle_s": -1},
        {"settle_s": 7 * 24 * 3600 + 1},
        {"fresh_within_hours": 0},
        {"fresh_within_hours": float("inf")},
        {"fresh_within_hours": float("nan")},
        {"fresh_within_hours": 1e12},
        {"derive": ("thumbs",)},
        {"pyramids": "sometimes"},
        {"description": "x" * 4097},
        {"tags": {str(n): "" for n in range(51)}},
        {"tags": {"a": None}},
        {"bucket": ""},
        {"anonymous": True, "profile": "lab"},
        {"anonymous": True, "role_arn": "arn:x"},
    ],
)
def test_options_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        _source(**wrong)


@pytest.mark.parametrize(
    "url",
    ["minio:9000", "ftp://minio", "https://", "http://user:password@minio", "AWS", "http://a?b=c"],
)
def test_an_endpoint_is_an_address_without_secrets(url: str) -> None:
    with pytest.raises(ValidationError) as caught:
        _source(endpoint_url=url)
    assert "endpoint" in caught.value.errors()[0]["msg"]
    assert "password" not in caught.value.errors()[0]["msg"].replace("user, password or", "")


def test_an_endpoint_is_kept_without_a_slash_at_its_end() -> None:
    assert _source(endpoint_url="https://minio:9000/").endpoint_url == "https://minio:9000"
    assert _source(endpoint_url="aws").endpoint_url == "aws"


def test_empty_takes_a_value_away() -> None:
    source = _source(profile="", role_arn=" ", endpoint_url="")
    assert (source.profile, source.role_arn, source.endpoint_url) == (None, None, None)


def test_a_derivative_is_asked_for_once() -> None:
    assert _source(derive=("hdf5", "headers", "hdf5")).derive == ("hdf5", "headers")


def test_each_registration_is_a_generation_of_its_own() -> None:
    assert _source().generation != _source().generation


def test_what_a_newer_release_wrote_survives() -> None:
    entry = {"at": "2024-05-06T07:08:09Z", "by": "a", "message": "b", "ticket": 7}
    written = _source(colour="red", history=[entry]).model_dump_json()
    again = Source.model_validate_json(written)
    assert again.model_extra == {"colour": "red"}
    assert isinstance(again.history[0], HistoryEntry)
    assert again.history[0].model_extra == {"ticket": 7}
    assert again.model_dump_json() == written


def test_what_a_source_leaves_open_it_takes_from_the_catalog() -> None:
    catalog = Access(endpoint_url="http://minio", region="eu-1")
    assert _source().access(catalog) == catalog
    own = _source(profile="lab", endpoint_url="aws", requester_pays=True).access(catalog)
    assert own == Access(profile="lab", endpoint_url="aws", requester_pays=True)
