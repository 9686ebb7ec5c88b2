"""What every resolver can reach: who asks, the services, and the loaders of this operation."""

import strawberry

from api.graphql.loaders import Loaders
from api.graphql.services import Services
from domain.models.access import Viewer


class Context:
    """Made for one operation and thrown away with it. `loaders` are replaced for each event of a subscription."""

    __slots__ = ("loaders", "services", "viewer")

    def __init__(self, services: Services, viewer: Viewer) -> None:
        self.services = services
        self.viewer = viewer
        self.loaders = Loaders(services, viewer)

    def forget(self) -> None:
        """What was loaded is loaded anew: the next event of a subscription must not see an old world."""
        self.loaders = Loaders(self.services, self.viewer)


Info = strawberry.Info[Context, None]
