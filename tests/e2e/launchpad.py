"""The Dagster UI as a person uses it: a config typed into the Launchpad, a run that is watched."""

import re

from playwright.sync_api import Locator, Page, expect

_RUN_S = 150


def launch(page: Page, job: str, config: str) -> None:
    """Find a job in the list, type its config, launch it, and watch until its run succeeds.

    Args:
        page: A window whose base address is the webserver.
        job: Name of the job.
        config: On one line, as YAML lets it be: the editor indents what follows on another one.
    """
    page.goto("/jobs")
    page.get_by_text(job, exact=True).click()
    page.get_by_role("tab", name="Launchpad").click()
    _type(page, config)
    expect(page.get_by_text("No errors", exact=True)).to_be_visible()
    page.get_by_text("Launch Run", exact=True).click()
    page.wait_for_url(re.compile("/runs/[0-9a-f-]+"))
    status = page.get_by_text(re.compile("^(Success|Failure|Canceled)$")).first
    status.wait_for(timeout=_RUN_S * 1000)
    assert status.inner_text() == "Success"


def metadata(page: Page, name: str) -> str:
    """What the page of a run shows as the metadata `name` of its latest event that has it."""
    cell = page.get_by_role("cell", name=name, exact=True).last
    return cell.locator("xpath=following-sibling::td[1]").inner_text()


def open_markdown(page: Page, name: str) -> Locator:
    """Open the page that is the metadata `name`, and return it."""
    row = page.get_by_role("row", name=re.compile(f"^{name} ")).last
    row.get_by_text("Show Markdown").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text(name, exact=True)).to_be_visible()
    return dialog


def _type(page: Page, config: str) -> None:
    editor = page.locator(".CodeMirror")
    expect(editor).to_contain_text("config:")  # The defaults are filled in when all is loaded.
    editor.click()
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.type(config)
    page.keyboard.press("Escape")  # What is proposed to complete it lies over the buttons.
    expect(editor).to_contain_text(config)
