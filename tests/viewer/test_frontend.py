"""Fetching OpenSeadragon at set-up: the pinned package or nothing, and never an obstacle."""

import base64
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from s3pipelines.viewer import frontend
from s3pipelines.viewer.frontend import NotInstalled, install, library_script, main


def package(script: bytes = b"draw()") -> bytes:
    """A package as npm packs it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as members:
        for name, data in (
            ("package/build/openseadragon/openseadragon.min.js", script),
            ("package/LICENSE.txt", b"Free."),
            ("package/../../outside", b"no"),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            members.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


@pytest.fixture
def pinned(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A small package that is the pinned one."""
    data = package()
    digest = base64.b64encode(hashlib.sha512(data).digest()).decode()
    monkeypatch.setattr(frontend, "_INTEGRITY", digest)
    return data


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where it is installed."""
    place = tmp_path / "library"
    monkeypatch.setattr(frontend, "library_folder", lambda: place)
    return place


def test_the_script_and_its_licence_are_installed_and_nothing_else(pinned: bytes, folder: Path):
    install(pinned, folder)

    script = library_script()
    assert script is not None
    assert script.read_bytes() == b"draw()"
    assert sorted(file.name for file in folder.iterdir()) == [
        "LICENSE.txt",
        "installed.json",
        "openseadragon.min.js",
    ]


def test_another_package_is_not_installed(folder: Path):
    with pytest.raises(NotInstalled, match="is not the package"):
        install(package(), folder)
    assert not folder.exists()


def test_a_script_that_was_changed_or_half_written_does_not_count(pinned: bytes, folder: Path):
    install(pinned, folder)
    (folder / "openseadragon.min.js").write_bytes(b"steal()")
    assert library_script() is None

    install(pinned, folder)
    assert library_script() is not None
    (folder / "installed.json").write_text(json.dumps({"version": "6.0.0"}))
    assert library_script() is None
    (folder / "installed.json").unlink()
    assert library_script() is None


def test_set_up_goes_on_without_it_and_says_in_one_line_how_to_have_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")

    assert main() == 0

    said = capfd.readouterr().err
    assert said.startswith("Without zooming: ")
    assert "make setup" in said
    assert said.count("\n") == 1
    assert library_script() is None


def test_what_is_there_is_not_fetched_again(
    pinned: bytes, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    install(pinned, folder)
    monkeypatch.setattr(frontend, "fetch", lambda: pytest.fail("It was fetched."))
    assert main() == 0
