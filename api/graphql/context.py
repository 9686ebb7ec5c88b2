"""What every resolver can reach: who asks, the services, and the loaders of this operation."""

import strawberry

from api.graphql.limits import MAX_OBJECTS
from api.graphql.loaders import Loaders
from api.services import Services
from domain.errors import InvalidInput
from domain.models.access import Viewer


class Context:
    """Made for one operation and thrown away with it. `loaders` are replaced for each event of a subscription."""

    __slots__ = ("_objects", "loaders", "services", "viewer")

    def __init__(self, services: Services, viewer: Viewer) -> None:
        self.services = services
        self.viewer = viewer
        self.loaders = Loaders(services, viewer)
        self._objects = 0

    def spend(self, objects: int) -> None:
        """Counts what goes into the answer. Raises `InvalidInput` (TOO_COMPLEX) when it is too much."""
        self._objects += objects
        if self._objects > MAX_OBJECTS:
            raise InvalidInput(
                f"One answer has at most {MAX_OBJECTS} objects: ask for fewer levels or smaller pages.",
                code="TOO_COMPLEX",
            )

    def forget(self) -> None:
        """What was loaded is loaded anew: the next event of a subscription must not see an old world."""
        self.loaders = Loaders(self.services, self.viewer)
        self._objects = 0


Info = strawberry.Info[Context, None]
