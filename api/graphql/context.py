"""What every resolver can reach: who asks, the services, and the loaders of this operation."""

import strawberry

from api.graphql.limits import Measure
from api.graphql.loaders import Loaders
from api.limits import DEFAULT_LIMITS, DocumentLimits
from api.services import Services
from domain.errors import InvalidInput
from domain.models.access import Viewer


class Context:
    """Made for one operation and thrown away with it. `loaders` are replaced for each event of a subscription.

    `measure` is that of the operation's document, set once it is read.
    """

    __slots__ = ("_values_left", "limits", "loaders", "measure", "services", "viewer")

    def __init__(self, services: Services, viewer: Viewer, limits: DocumentLimits = DEFAULT_LIMITS) -> None:
        self.services = services
        self.viewer = viewer
        self.limits = limits
        self.loaders = Loaders(services, viewer)
        self.measure: Measure | None = None
        self._values_left = limits.max_answer_values

    def spend(self, info: "Info", items: int) -> None:
        """Counts the items that this field answers with, and all that is asked of each, up to the next pages.

        A document may lead in circles, where each turn multiplies. Raises `InvalidInput` (TOO_COMPLEX).
        """
        self._values_left -= items * self._values_per_item(info)
        if self._values_left < 0:
            raise InvalidInput(
                f"One answer has at most {self.limits.max_answer_values} values: ask for less, or in smaller pages.",
                code="TOO_COMPLEX",
            )

    def forget(self) -> None:
        """What was loaded is loaded anew: the next event of a subscription must not see an old world."""
        self.loaders = Loaders(self.services, self.viewer)
        self._values_left = self.limits.max_answer_values

    def _values_per_item(self, info: "Info") -> int:
        assert self.measure is not None
        # A field that is written several times is answered once, with all that is asked of it.
        return sum(self.measure.values_per_item.get(id(node), 1) for node in info._raw_info.field_nodes)


Info = strawberry.Info[Context, None]
