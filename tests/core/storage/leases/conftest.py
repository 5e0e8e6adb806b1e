"""Stores of leases, and clocks that run fast or stand still."""

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.storage import leases
from s3pipelines.core.storage.documents import Documents, open_documents

SLOW = 30.0


@pytest.fixture
def documents(catalog: Catalog) -> Documents:
    return open_documents(catalog.location, catalog.access)


@pytest.fixture
def local_documents(local_catalog: Catalog) -> Documents:
    """For what takes its time and is the same everywhere."""
    return open_documents(local_catalog.location, local_catalog.access)


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Renewals every 50 ms; a holder that says nothing for a second counts as gone."""
    monkeypatch.setattr(leases, "RENEW_EVERY_S", 0.05)
    monkeypatch.setattr(leases, "EXPIRE_AFTER_S", 1.0)
    monkeypatch.setattr(leases, "_POLL_EVERY_S", 0.02)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is renewed, and nothing expires, while a test runs."""
    monkeypatch.setattr(leases, "RENEW_EVERY_S", SLOW)
    monkeypatch.setattr(leases, "EXPIRE_AFTER_S", SLOW)
    monkeypatch.setattr(leases, "_POLL_EVERY_S", 0.02)
