"""Execution within a budget: each list is counted as it comes, and large answers are made in turns."""

from collections.abc import Sequence
from typing import Any

import msgspec
from graphql import GraphQLLeafType, GraphQLList, GraphQLOutputType, GraphQLResolveInfo
from graphql.pyutils import AwaitableOrValue, Path
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from api.graphql.context import Context

_LONG_TEXT = 256  # characters; what is longer counts as several values
_CHARACTERS_PER_VALUE = 64


class BudgetedExecutor(StrawberryGraphQLCoreExecutionContext):
    """graphql-core's executor, which asks the operation's budget at every list, before any of its items is completed.

    A resolver need not count what it answers with. https://graphql-core-3.readthedocs.io/en/latest/modules/execution.html
    """

    def complete_list_value(
        self,
        return_type: GraphQLList[GraphQLOutputType],
        field_details_list: Any,
        info: GraphQLResolveInfo[Context],
        path: Path,
        result: Any,
        position_context: Any,
    ) -> AwaitableOrValue[list[Any]]:
        """Completes the list at once, or when it is its turn. Raises `AnswerTooLarge`."""
        if not isinstance(result, Sequence):
            result = list(result)
        context = info.context
        values = len(result) * context.values_per_item(info.field_nodes)
        context.budget.spend(values, path.as_list)
        complete = super().complete_list_value
        if not context.budget.is_turn_over:
            return complete(return_type, field_details_list, info, path, result, position_context)

        async def later() -> list[Any]:
            await context.budget.next_turn(values)
            completed = complete(return_type, field_details_list, info, path, result, position_context)
            return await completed if self.is_awaitable(completed) else completed  # type: ignore[return-value]  # as its own code

        return later()

    def complete_leaf_value(self, return_type: GraphQLLeafType, result: Any) -> Any:  # type: ignore[override]
        """Counts long texts and JSON by their size. Raises `AnswerTooLarge`."""
        value = super().complete_leaf_value(return_type, result)
        if type(value) is str:
            if len(value) > _LONG_TEXT:
                self.context_value.budget.spend(len(value) // _CHARACTERS_PER_VALUE, list)
        elif isinstance(value, dict | list):
            self.context_value.budget.spend(len(msgspec.json.encode(value)) // _CHARACTERS_PER_VALUE, list)
        return value
