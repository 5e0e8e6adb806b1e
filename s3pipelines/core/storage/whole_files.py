"""Writing local files that are there whole or not at all."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from s3pipelines.core.errors import InvalidInput


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """A path to write to, which becomes `target` when the body ends well.

    It is an empty file beside the target until then, and is removed if the body fails. A target
    that is no regular file (`/dev/stdout`, a named pipe) is written to directly.

    Raises:
        InvalidInput: The target is a folder, or cannot be written.
    """
    if target.is_dir():
        raise InvalidInput(
            f"{target} is a folder.", hint="Name a file in it, with its ending (.csv, .parquet …)."
        )
    with _writing(target):
        if target.exists() and not target.is_file():
            yield target
            return
        # A link is followed, so that the file behind it is replaced and not the link.
        final = target.resolve()
        part = final.with_name(f".s3pipelines-{secrets.token_hex(6)}.part")
        part.touch(exist_ok=False)
        try:
            yield part
            if final.exists():
                shutil.copymode(final, part)
            part.replace(final)
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise  # Who reads the pipe has enough; that is no mistake.
    except OSError as error:
        raise InvalidInput(
            f"{target} cannot be written ({error.strerror or error}).",
            hint="Check that its folder exists, may be written and has room.",
        ) from error
