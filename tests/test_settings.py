import os
import re
from pathlib import Path

import pytest

from s3pipelines.core.errors import InvalidInput
from s3pipelines.settings import Settings, load_settings

GIVEN = {
    "catalog": ("s3://bucket/state", "s3://bucket/state"),
    "derivatives": ("s3://bucket/made/{source}", "s3://bucket/made/{source}"),
    "trash": ("s3://bucket/trash", "s3://bucket/trash"),
    "executor": ("in_process", "in_process"),
    "memory_limit_mb": ("1024", 1024),
    "keep_versions_days": ("2.5", 2.5),
    "listing_requests": ("7", 7),
    "listing_interval_s": ("60", 60),
    "listing_budget_s": ("2.5", 2.5),
    "upload_queue_url": ("https://sqs.eu-west-1.amazonaws.com/1/q",) * 2,
    "events_interval_s": ("60", 60),
    "events_budget_s": ("2.5", 2.5),
    "batch_age_s": ("2.5", 2.5),
    "batch_changes": ("7", 7),
    "derive_interval_s": ("60", 60),
    "derive_budget_s": ("2.5", 2.5),
    "pyramids_schedule": ("0 22 * * *", "0 22 * * *"),
    "pyramids_timezone": ("Europe/Berlin", "Europe/Berlin"),
    "cache": ("/var/cache/maps", "/var/cache/maps"),
    "cache_mb": ("7", 7),
    "audit_budget_mb": ("500", 500),
    "viewer_url": ("https://pictures.example.org", "https://pictures.example.org"),
    "count_check_limit": ("0", 0),
}
DEFAULTS = {
    "catalog": ".s3pipelines/catalog",
    "derivatives": None,
    "trash": None,
    "executor": "multiprocess",
    "memory_limit_mb": 512,
    "keep_versions_days": 30,
    "listing_requests": 48,
    "listing_interval_s": 30,
    "listing_budget_s": 5,
    "upload_queue_url": None,
    "events_interval_s": 5,
    "events_budget_s": 5,
    "batch_age_s": 0,
    "batch_changes": 1000,
    "derive_interval_s": 30,
    "derive_budget_s": 300,
    "pyramids_schedule": "30 5 * * *",
    "pyramids_timezone": "America/New_York",
    "cache": "~/.cache/s3pipelines",
    "cache_mb": 10_000,
    "audit_budget_mb": 10_000,
    "viewer_url": "http://127.0.0.1:3001",
    "count_check_limit": 10_000,
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty folder, so that no `.env` of the checkout is read, and with nothing set."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("S3PIPELINES_"):
            monkeypatch.delenv(name)


def _variable(name: str) -> str:
    return f"S3PIPELINES_{name.upper()}"


def test_every_setting_has_a_default() -> None:
    assert load_settings().model_dump() == DEFAULTS


def test_every_setting_is_tried_here() -> None:
    assert set(Settings.model_fields) == set(GIVEN) == set(DEFAULTS)


@pytest.mark.parametrize("name", GIVEN)
def test_every_setting_comes_from_the_environment(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, value = GIVEN[name]
    monkeypatch.setenv(_variable(name), text)
    assert load_settings().model_dump() == {**DEFAULTS, name: value}


@pytest.mark.parametrize("name", GIVEN)
def test_every_setting_comes_from_a_file(name: str) -> None:
    text, value = GIVEN[name]
    Path(".env").write_text(f"# Mine.\nOTHER=x\n{_variable(name)}='{text}'\n")
    assert load_settings().model_dump() == {**DEFAULTS, name: value}


def test_the_environment_goes_before_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("S3PIPELINES_CATALOG=file\n")
    monkeypatch.setenv("S3PIPELINES_CATALOG", "environment")
    assert load_settings().catalog == "environment"


def test_what_is_set_to_nothing_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in GIVEN:
        monkeypatch.setenv(_variable(name), "")
    assert load_settings().model_dump() == DEFAULTS


def test_a_file_is_read_as_utf_8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    Path(".env").write_bytes("S3PIPELINES_CATALOG=/srv/Jörg\n".encode())
    assert load_settings().catalog == "/srv/Jörg"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("executor", "celery please"),
        ("memory_limit_mb", "63"),
        ("memory_limit_mb", "lots"),
        ("listing_interval_s", "0"),
        ("listing_budget_s", "0"),
        ("listing_budget_s", "11"),
        ("listing_budget_s", "nan"),
        ("derive_interval_s", "0"),
        ("derive_budget_s", "0"),
        ("count_check_limit", "-1"),
    ],
)
@pytest.mark.parametrize("place", ["environment", "file"])
def test_a_value_that_cannot_be_is_one_clear_line(
    name: str, text: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if place == "environment":
        monkeypatch.setenv(_variable(name), text)
    else:
        Path(".env").write_text(f"{_variable(name)}={text}\n")
    with pytest.raises(InvalidInput) as caught:
        load_settings()
    line = str(caught.value)
    assert line.isprintable()
    assert line.startswith(f"The setting {_variable(name)} is not valid: Input should be ")
    assert line.endswith("Correct it in the environment or in .env.")


@pytest.mark.parametrize("text", ["localhost:3001", "https://me:secret@example.org", ""])
def test_links_lead_to_an_address_without_a_secret(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("S3PIPELINES_VIEWER_URL", text)
    if not text:
        assert load_settings().viewer_url == DEFAULTS["viewer_url"]
        return
    with pytest.raises(InvalidInput, match="S3PIPELINES_VIEWER_URL") as caught:
        load_settings()
    assert "secret" not in str(caught.value)


def test_the_wrong_text_itself_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3PIPELINES_MEMORY_LIMIT_MB", "perhaps-a-secret")
    with pytest.raises(InvalidInput) as caught:
        load_settings()
    assert "perhaps-a-secret" not in str(caught.value)


def test_a_file_that_is_no_text_is_a_clear_error() -> None:
    Path(".env").write_bytes(b"S3PIPELINES_CATALOG=\xff\xfe\n")
    with pytest.raises(InvalidInput, match=re.escape("The file .env cannot be read")) as caught:
        load_settings()
    assert str(caught.value).isprintable()


def test_every_setting_is_described() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_settings_are_not_changed_afterwards() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().catalog = "other"  # pyright: ignore[reportAttributeAccessIssue]
