"""How much one answer may still hold, and turns: who asks for much lets others answer in between."""

import asyncio
from collections import deque
from collections.abc import Callable

from graphql import GraphQLError

from api.graphql.measure import too_complex

# An answer's values between two looks at what else there is to do: some 20 ms of work.
VALUES_PER_TURN = 2_000

AnswerPath = list[str | int]


class AnswerTooLarge(BaseException):
    """Ends the whole operation.

    Not an Exception: graphql-core would make an error of it for each of thousands of fields, and go on.
    """

    def __init__(self, path: AnswerPath, most: int) -> None:
        super().__init__(f"more than {most} values")
        self.path = path
        self.most = most

    def as_error(self) -> GraphQLError:
        """What the client is told instead of an answer."""
        return too_complex(
            f"One answer has at most {self.most} values: ask for less, or in smaller pages.", path=self.path
        )


class Budget:
    """The values that one answer may hold, spent list by list."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._left = most
        self._in_turn = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    def spend(self, values: int, path: Callable[[], AnswerPath]) -> None:
        """Counts them. Raises `AnswerTooLarge`, and ends the lists that wait for a turn."""
        self._left -= values
        self._in_turn += values
        if self._left < 0:
            error = AnswerTooLarge(path(), self._most)
            while self._waiting:
                _, turn = self._waiting.popleft()
                if not turn.done():
                    turn.set_exception(AnswerTooLarge(error.path, self._most))
            raise error

    @property
    def is_turn_over(self) -> bool:
        """Whether whoever has something to complete should wait for the next turn."""
        return bool(self._waiting) or self._in_turn > VALUES_PER_TURN

    async def next_turn(self, values: int) -> None:
        """Returns when the loop has been round, and those who came earlier had their turns with what they spent."""
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._begin_turn)
        self._waiting.append((values, turn))
        await turn

    def _begin_turn(self) -> None:
        """Lets in as many as fit into one turn, at least one."""
        self._in_turn = 0
        while self._waiting and (self._in_turn == 0 or self._in_turn + self._waiting[0][0] <= VALUES_PER_TURN):
            values, turn = self._waiting.popleft()
            if not turn.done():  # else cancelled: its client went
                self._in_turn += max(values, 1)
                turn.set_result(None)
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._begin_turn)
