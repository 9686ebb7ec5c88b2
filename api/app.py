"""The web application: one GraphQL path, the page that explores it, and two probes."""

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.middleware import Middleware

from api.bootstrap import Headwater
from api.graphql.context import Context
from api.graphql.schema import build_schema
from api.settings import Settings
from api.web import graphiql_page
from api.web.auth import Gate
from api.web.graphql_view import GraphqlView
from api.web.middleware import RequestIds, SecurityHeaders
from api.web.probes import feed_keeps_up
from api.web.probes import routes as probe_routes


def build_view(headwater: Headwater, settings: Settings) -> GraphqlView:
    """The GraphQL endpoint over the services; `stop()` it before the server shuts down."""
    key, limits = settings.admin_key, settings.document_limits
    return GraphqlView(
        schema=build_schema(limits),
        gate=Gate(None if key is None else key.get_secret_value()),
        new_context=lambda viewer: Context(headwater.services, viewer, limits),
    )


def build_app(headwater: Headwater, view: GraphqlView) -> Starlette:
    """Routes and middleware around it."""
    checks: dict[str, Callable[[], Awaitable[bool]]] = {
        "store": headwater.is_store_ready,
        "events": feed_keeps_up(headwater.event_log, headwater.feed),
        "work": headwater.is_at_work,
    }
    app = Starlette(
        routes=[*view.routes(), *graphiql_page.routes(), *probe_routes(checks)],
        middleware=[Middleware(RequestIds), Middleware(SecurityHeaders)],
    )
    app.router.redirect_slashes = False  # a redirect would name whatever Host was asked for
    return app
