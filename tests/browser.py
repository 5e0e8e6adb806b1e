"""Chromium for the tests that look at pages as people do."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

_QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def quiet_chromium() -> Iterator[Browser]:
    """Debian's Chromium, without a screen and without calls home.

    The test is skipped where there is none, unless S3PIPELINES_TEST_REQUIRE_BROWSER is set.
    """
    chromium = shutil.which("chromium")
    if chromium is None:
        if os.environ.get("S3PIPELINES_TEST_REQUIRE_BROWSER"):
            pytest.fail("Chromium is not installed, and this run requires it")
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=_QUIET)
        yield browser
        browser.close()
