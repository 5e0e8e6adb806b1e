"""Which images can be read on this machine, as a decode worker tells it."""

from collections.abc import Iterator, Sequence
from typing import Any

from s3pipelines.core.doctor.findings import Check, Finding
from s3pipelines.core.imaging.conversion.outputs import OUTPUTS
from s3pipelines.core.imaging.formats import (
    PILLOW_FORMATS,
    TIFF_CODECS,
    VIPS_FORMATS,
    WHAT_WOULD,
)
from s3pipelines.core.imaging.limits import Limits
from s3pipelines.core.imaging.outcomes import Refused
from s3pipelines.core.imaging.process import WorkerGone, WorkerProcess
from s3pipelines.core.imaging.protocol import Frame
from s3pipelines.core.imaging.pyramid_params import COMPRESSIONS
from s3pipelines.core.imaging.tiff import VIPS_COMPRESSIONS

_AREA = "images"
_ANSWER_S = 20
_PROBE_BYTES = 16 * 1024 * 1024
# What is asked of a worker; its answer has the same name.
_TASKS = ("formats", "tiff_readers", "codecs", "writers")
# What the libraries that are installed along do not have; a source may hold none of it.
OPTIONAL = frozenset({"heic", "jxl"})
_BY_PILLOW = frozenset({"jp2"})
_INSTALL = "Install what requirements.lock has (make setup): pyvips[binary] and Pillow."


def image_checks() -> list[Check]:
    """The check of the libraries."""
    return [Check(_AREA, "libraries", _libraries)]


def _libraries() -> Iterator[Finding]:
    try:
        # Not from the pool, whose slots may all be taken by runs that work for hours. It may write
        # small files, as the codecs are tried.
        worker = WorkerProcess(_PROBE_BYTES)
    except RuntimeError as error:
        yield Finding(_AREA, "libraries", "failed", str(error), _INSTALL)
        return
    try:
        yield Finding(_AREA, "libraries", "ok", f"{worker.versions}.")
        told = {task: _asked(worker, task) for task in _TASKS}
    except (WorkerGone, Refused) as error:
        detail = f"A decode worker ended before it said what it reads. {error}".strip()
        yield Finding(_AREA, "formats", "failed", detail, _INSTALL)
        return
    finally:
        worker.close()
    yield from formats_findings(told["formats"])
    yield tiff_finding(told["tiff_readers"])
    yield writers_finding(told["codecs"], told["writers"])


def _asked(worker: WorkerProcess, task: str) -> Any:
    request = {"task": task, "limits": Limits().as_dict()}
    return worker.ask(Frame(request), _ANSWER_S).header[task]


def formats_findings(readers: dict[str, list[str]]) -> Iterator[Finding]:
    """What is read, and what the project would read if a library for it were here.

    Args:
        readers: By format, which libraries read it here.
    """
    wanted = VIPS_FORMATS | set(PILLOW_FORMATS)
    read = sorted(name for name in wanted if readers.get(name))
    missing = sorted(wanted - OPTIONAL - set(read))
    slow = sorted(name for name in VIPS_FORMATS - OPTIONAL if "vips" not in readers.get(name, []))
    first = [name for name in read if "vips" in readers[name]]
    detail = f"{len(read)} are read: by libvips {_listed(first)}; by Pillow alone "
    detail += f"{_listed(sorted(set(read) - set(first)))}."
    if missing or slow:
        parts = [f"nothing reads {', '.join(missing)}"] if missing else []
        parts += [f"libvips has no loader for {', '.join(slow)}"] if slow else []
        yield Finding(_AREA, "formats", "warning", f"{detail} But {'; '.join(parts)}.", _INSTALL)
    else:
        yield Finding(_AREA, "formats", "ok", detail)
    for name in sorted(OPTIONAL - set(read)):
        detail = f"No library for {name} is known to be here; such files are marked 'unsupported'."
        yield Finding(_AREA, name, "skipped", detail, f"To read them: {WHAT_WOULD[name]}.")


def tiff_finding(readers: dict[str, list[str]]) -> Finding:
    """Which compressions of TIFF are read, as files of each were tried.

    Args:
        readers: By compression, which libraries gave back what had been written.
    """
    first = [name for name, who in readers.items() if "vips" in who]
    alone = [name for name, who in readers.items() if who == ["pillow"]]
    nobody = [name for name, who in readers.items() if not who]
    detail = f"libvips reads {_listed(first)}; Pillow alone {_listed(alone)}"
    detail += f"; nothing {_listed(nobody)}." if nobody else "."
    # What is given to libvips without asking Pillow first.
    trusted = {name for name, number in TIFF_CODECS.items() if number in VIPS_COMPRESSIONS}
    if wrong := sorted((trusted & set(readers)) - set(first)):
        problem = f"{detail} It is expected to read {_listed(wrong)} as well."
        return Finding(_AREA, "TIFF", "warning", problem, _INSTALL)
    return Finding(_AREA, "TIFF", "ok", detail)


def writers_finding(codecs: list[str], writers: dict[str, list[str]]) -> Finding:
    """What is written: codecs of pyramids, and formats of conversions.

    Args:
        codecs: Those of pyramids that were written and read again.
        writers: The formats of conversions for which that is so; of TIFF with its codecs.
    """
    others = [name for name in COMPRESSIONS if name not in codecs]
    detail = f"Pyramids: {_listed(codecs)}"
    detail += f" (this libvips has no {_listed(others)}). " if others else ". "
    by = {name: f"{name} (by Pillow)" if name in _BY_PILLOW else name for name in OUTPUTS}
    named = [by[name] for name in OUTPUTS if name in writers]
    detail += f"Conversions: {_listed(named)}."
    missing = sorted(set(OUTPUTS) - OPTIONAL - set(writers))
    lacks = sorted({"jpeg", "deflate", "none"} - set(codecs))
    if missing or lacks:
        problem = f"{detail} But {_listed(missing + lacks)} cannot be written."
        return Finding(_AREA, "writers", "warning", problem, _INSTALL)
    left = sorted(set(OUTPUTS) - set(writers))
    return Finding(_AREA, "writers", "ok", detail + (f" Not: {_listed(left)}." if left else ""))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none of them"
