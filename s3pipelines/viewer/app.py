"""The web application: its routes, and who may ask what."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.preview.gallery import Gallery
from s3pipelines.core.preview.zooming import Zooming
from s3pipelines.viewer import zoom
from s3pipelines.viewer.failures import HANDLERS
from s3pipelines.viewer.pages import source_page, start_page
from s3pipelines.viewer.security import SecurityHeaders
from s3pipelines.viewer.thumbnails import Thumbnails

# A page of another site whose name was made to lead here (DNS rebinding) still says its own name.
LOOPBACK_NAMES = ("127.0.0.1", "localhost")


def build_app(catalog: Catalog) -> Starlette:
    """The viewer of one catalog; nothing is read before somebody asks.

    Blocking work is in plain functions, which Starlette runs in threads.
    """
    gallery = Gallery(catalog)
    thumbnails = Thumbnails(catalog)
    zooming = Zooming(catalog, gallery)

    @asynccontextmanager
    async def until_shutdown(_: Starlette) -> AsyncIterator[None]:
        with gallery, zooming:
            yield

    def start(_: Request) -> Response:
        return start_page(catalog, gallery)

    def source(request: Request) -> Response:
        return source_page(gallery, request.path_params["source_id"], request.query_params)

    def thumbnail(request: Request) -> Response:
        return thumbnails.answer(request)

    def zoom_page(request: Request) -> Response:
        return zoom.zoom_page(
            zooming, request.path_params["source_id"], request.query_params.get("key")
        )

    def tile(request: Request) -> Response:
        return zoom.tile(zooming, request)

    return Starlette(
        routes=[
            Route("/", start),
            Route("/sources/{source_id}", source),
            Route("/sources/{source_id}/thumbnails/{params}/{file}", thumbnail),
            Route("/zoom/{source_id}", zoom_page),
            Route("/tiles/{source_id}/{level}/{file}", tile),
            Route("/library/openseadragon.js", zoom.library),
            Route("/health", lambda _: PlainTextResponse("ok\n")),
            Mount("/static", StaticFiles(packages=[("s3pipelines.viewer", "static")])),
        ],
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(TrustedHostMiddleware, allowed_hosts=LOOPBACK_NAMES, www_redirect=False),
        ],
        exception_handlers=HANDLERS,
        lifespan=until_shutdown,
    )
