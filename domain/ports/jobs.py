"""Long work leaves the request: only the operation's id travels."""

from typing import Protocol


class Jobs(Protocol):
    """A queue whose key is the operation's id: adding what is queued or running already does nothing."""

    async def enqueue(self, operation_id: str) -> None:
        """Have a worker run this operation soon. Never within a transaction: the row must be committed first."""
        ...
