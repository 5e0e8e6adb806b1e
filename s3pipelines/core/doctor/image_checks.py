"""Which images can be read on this machine, as a decode worker tells it."""

from collections.abc import Iterator

from s3pipelines.core.doctor.findings import Check, Finding
from s3pipelines.core.imaging.formats import PILLOW_FORMATS, VIPS_FORMATS, WHAT_WOULD
from s3pipelines.core.imaging.limits import Limits
from s3pipelines.core.imaging.outcomes import Refused
from s3pipelines.core.imaging.process import WorkerGone, WorkerProcess
from s3pipelines.core.imaging.protocol import Frame

_AREA = "images"
_ANSWER_S = 20
# What the libraries that are installed along do not have; a source may hold none of it.
OPTIONAL = frozenset({"heic", "jxl"})
_INSTALL = "Install what requirements.lock has (make setup): pyvips[binary] and Pillow."


def image_checks() -> list[Check]:
    """The check of the libraries."""
    return [Check(_AREA, "libraries", _libraries)]


def _libraries() -> Iterator[Finding]:
    try:
        # Not from the pool, whose slots may all be taken by runs that work for hours.
        worker = WorkerProcess()
    except RuntimeError as error:
        yield Finding(_AREA, "libraries", "failed", str(error), _INSTALL)
        return
    try:
        yield Finding(_AREA, "libraries", "ok", f"{worker.versions}.")
        request = {"task": "formats", "limits": Limits().as_dict()}
        answer = worker.ask(Frame(request), _ANSWER_S)
    except (WorkerGone, Refused) as error:
        detail = f"A decode worker ended before it said what it reads. {error}".strip()
        yield Finding(_AREA, "formats", "failed", detail, _INSTALL)
        return
    finally:
        worker.close()
    yield from formats_findings(answer.header["formats"])


def formats_findings(readers: dict[str, list[str]]) -> Iterator[Finding]:
    """What is read, and what the project would read if a library for it were here.

    Args:
        readers: By format, which libraries read it here.
    """
    wanted = VIPS_FORMATS | set(PILLOW_FORMATS)
    read = sorted(name for name in wanted if readers.get(name))
    missing = sorted(wanted - OPTIONAL - set(read))
    slow = sorted(name for name in VIPS_FORMATS - OPTIONAL if "vips" not in readers.get(name, []))
    detail = f"{len(read)} are read: {', '.join(read)}."
    if missing or slow:
        parts = [f"nothing reads {', '.join(missing)}"] if missing else []
        parts += [f"libvips has no loader for {', '.join(slow)}"] if slow else []
        yield Finding(_AREA, "formats", "warning", f"{detail} But {'; '.join(parts)}.", _INSTALL)
    else:
        yield Finding(_AREA, "formats", "ok", detail)
    for name in sorted(OPTIONAL - set(read)):
        detail = f"No library for {name} is known to be here; such files are marked 'unsupported'."
        yield Finding(_AREA, name, "skipped", detail, f"To read them: {WHAT_WOULD[name]}.")
