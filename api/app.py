"""The web application: one GraphQL path, the page that explores it, and two probes."""

from collections.abc import Awaitable, Callable, Sequence

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from api.bootstrap import Headwater
from api.graphql.context import Context
from api.graphql.schema import build_schema
from api.settings import Settings, in_clear
from api.web import graphiql_page
from api.web.auth import Gate
from api.web.graphql_view import GraphqlView
from api.web.middleware import RequestIds, SecurityHeaders
from api.web.probes import feed_keeps_up
from api.web.probes import routes as probe_routes


def build_view(headwater: Headwater, settings: Settings) -> GraphqlView:
    """The GraphQL endpoint over the services; `stop()` it before the server shuts down."""
    limits = settings.document_limits
    return GraphqlView(
        schema=build_schema(limits),
        gate=Gate(in_clear(settings.admin_key), settings.allowed_origins),
        new_context=lambda viewer: Context(headwater.services, viewer, limits),
        limits=settings.web_limits,
    )


def build_app(headwater: Headwater, view: GraphqlView, settings: Settings) -> Starlette:
    """Routes and middleware around it."""
    checks: dict[str, Callable[[], Awaitable[bool]]] = {
        "store": headwater.is_store_ready,
        "events": feed_keeps_up(headwater.event_log, headwater.feed),
        "work": headwater.is_at_work,
    }
    app = Starlette(
        routes=[*view.routes(), *graphiql_page.routes(), *probe_routes(checks)],
        middleware=[Middleware(RequestIds), Middleware(SecurityHeaders), *_cors(settings.allowed_origins)],
    )
    app.router.redirect_slashes = False  # a redirect would name whatever Host was asked for
    return app


def _cors(origins: Sequence[str]) -> list[Middleware]:
    """Tells browsers that pages of these origins may read our answers; those of others may not."""
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=["*"],  # tracing and clients' names come in headers of all kinds
            expose_headers=["x-request-id"],
            max_age=600,
        )
    ]
