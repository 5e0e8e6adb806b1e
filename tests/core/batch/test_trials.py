"""What a server enforces is found out once, and again when that was long ago."""

from datetime import timedelta

import pytest

from s3pipelines.core.batch import trials
from s3pipelines.core.batch.applying import apply_plan
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import StorageError
from s3pipelines.core.sql.selection import Selection
from tests.core.batch.plans import plan


class _TriedError(Exception):
    pass


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch):
    """From now on, whoever tries something ends."""

    def forbid() -> None:
        async def fail(*_: object, **__: object) -> None:
            raise _TriedError

        monkeypatch.setattr(trials, "probe_preconditions", fail)

    return forbid


def _copy(catalog: Catalog, target_bucket: str, number: int, folder: str = "to"):
    told = {"to": f"s3://{target_bucket}/{folder}"}
    made = plan(catalog, "copy", Selection(glob=f"00{number}.tif"), **told)
    return apply_plan(catalog, made.id)


def _documents(catalog: Catalog) -> list[str]:
    return catalog.documents.names("trials/")


def test_a_second_plan_for_a_bucket_tries_nothing(
    batch_catalog: Catalog, filled, target_bucket, tried
):
    assert _copy(batch_catalog, target_bucket, 1).done == 1
    tried()

    assert _copy(batch_catalog, target_bucket, 2).done == 1


def test_another_folder_is_tried_by_itself(batch_catalog: Catalog, filled, target_bucket, tried):
    _copy(batch_catalog, target_bucket, 1)
    tried()

    with pytest.raises(_TriedError):
        _copy(batch_catalog, target_bucket, 2, folder="elsewhere")


def test_what_was_found_long_ago_is_tried_again(
    batch_catalog: Catalog, filled, target_bucket, tried, monkeypatch
):
    _copy(batch_catalog, target_bucket, 1)
    monkeypatch.setattr(trials, "_USABLE_FOR", timedelta(0))
    tried()

    with pytest.raises(_TriedError):
        _copy(batch_catalog, target_bucket, 2)


def test_a_note_that_cannot_be_read_is_replaced(
    batch_catalog: Catalog, filled, target_bucket, tried
):
    _copy(batch_catalog, target_bucket, 1)
    (name,) = _documents(batch_catalog)
    batch_catalog.documents.put(name, b'{"tried_at": "2026-01-01T00:00:00Z"}')

    _copy(batch_catalog, target_bucket, 2)
    tried()

    assert _copy(batch_catalog, target_bucket, 3).done == 1


def test_a_trial_that_failed_is_not_kept(
    batch_catalog: Catalog, filled, target_bucket, monkeypatch
):
    async def refused(*_: object, **__: object) -> None:
        raise StorageError("It is closed.", hint="Wait.")

    with monkeypatch.context() as closed:
        closed.setattr(trials, "probe_preconditions", refused)
        with pytest.raises(StorageError, match="closed"):
            _copy(batch_catalog, target_bucket, 1)

    assert _documents(batch_catalog) == []
    assert _copy(batch_catalog, target_bucket, 1).done == 1
