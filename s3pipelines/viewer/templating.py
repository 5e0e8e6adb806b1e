"""Rendering the templates; whatever is put into them is escaped."""

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from s3pipelines.core.errors import printable
from s3pipelines.core.preview.wording import counted, human_bytes, reason_text
from s3pipelines.viewer.texts import date_text, time_text

_TEMPLATES = Environment(
    loader=PackageLoader("s3pipelines.viewer"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters |= {
    "counted": counted,
    "date": date_text,
    "printable": printable,
    "reason": reason_text,
    "size": human_bytes,
    "time": time_text,
}


def render(template: str, status: int = 200, **values: object) -> HTMLResponse:
    """A page that no cache keeps: it holds keys of a private bucket."""
    html = _TEMPLATES.get_template(template).render(**values)
    # Keys are any UTF-8, but what a registration or a URL says may hold lone surrogates.
    body = html.encode(errors="replace")
    return HTMLResponse(body, status, {"Cache-Control": "no-store"})
