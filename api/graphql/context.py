"""What every resolver can reach: who asks, the services, and the loaders of this operation."""

from collections.abc import Sequence

import strawberry
from graphql import FieldNode

from api.graphql.budget import Budget
from api.graphql.loaders import Loaders
from api.graphql.measure import Measure
from api.limits import DocumentLimits
from api.services import Services
from domain.models.access import Viewer


class Context:
    """Made for one operation and thrown away with it. `loaders` and budget are new for each event of a subscription.

    `measure` is that of the operation's document, set once it is read.
    """

    __slots__ = ("_limits", "budget", "loaders", "measure", "services", "viewer")

    def __init__(self, services: Services, viewer: Viewer, limits: DocumentLimits | None = None) -> None:
        self.services = services
        self.viewer = viewer
        self.measure: Measure | None = None
        self._limits = limits or DocumentLimits()
        self.forget()

    def forget(self) -> None:
        """What was loaded is loaded anew: the next event of a subscription must not see an old world."""
        self.loaders = Loaders(self.services, self.viewer)
        self.budget = Budget(self._limits.max_answer_values)

    def values_per_item(self, nodes: Sequence[FieldNode]) -> int:
        """How many values each item of a list holds, up to the lists in it."""
        assert self.measure is not None
        # A field that is written several times is answered once, with all that is asked of it.
        return sum(self.measure.values_per_item.get(id(node), 1) for node in nodes)


Info = strawberry.Info[Context, None]
