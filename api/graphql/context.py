"""What every resolver can reach: who asks, the services, and the loaders of this operation."""

import strawberry

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

    __slots__ = ("_budget", "_limits", "loaders", "measure", "services", "viewer")

    def __init__(self, services: Services, viewer: Viewer, limits: DocumentLimits | None = None) -> None:
        self.services = services
        self.viewer = viewer
        self.measure: Measure | None = None
        self._limits = limits or DocumentLimits()
        self.forget()

    async def spend(self, info: "Info", items: int) -> None:
        """Counts the items that this field answers with, and all that is asked of each, up to the next pages.

        A document may lead in circles, where each turn multiplies. Raises `AnswerTooLarge`.
        """
        if items:
            await self._budget.spend(items * self._values_per_item(info), info.path.as_list())

    def forget(self) -> None:
        """What was loaded is loaded anew: the next event of a subscription must not see an old world."""
        self.loaders = Loaders(self.services, self.viewer)
        self._budget = Budget(self._limits.max_answer_values)

    def _values_per_item(self, info: "Info") -> int:
        assert self.measure is not None
        # A field that is written several times is answered once, with all that is asked of it. Strawberry's own
        # `selected_fields` would convert them anew at each call (strawberry/types/info.py of 0.341).
        return sum(self.measure.values_per_item.get(id(node), 1) for node in info._raw_info.field_nodes)


Info = strawberry.Info[Context, None]
