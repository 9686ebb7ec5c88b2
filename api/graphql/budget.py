"""How much one answer may still hold, and turns: who asks for much lets others answer in between."""

import asyncio
from collections import deque

from graphql import GraphQLError

from api.graphql.measure import too_complex

# An answer's values between two looks at what else there is to do: some 50 ms of work.
VALUES_PER_TURN = 5_000


class AnswerTooLarge(BaseException):
    """Ends the whole operation.

    Not an Exception: graphql-core would make an error of it for each of thousands of fields, and go on.
    """

    def __init__(self, path: list[str | int], most: int) -> None:
        super().__init__(f"more than {most} values")
        self.path = path
        self.most = most

    def as_error(self) -> GraphQLError:
        """What the client is told instead of an answer."""
        return too_complex(
            f"One answer has at most {self.most} values: ask for less, or in smaller pages.", path=self.path
        )


class Budget:
    """The values that one answer may hold, spent page by page."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._left = most
        self._in_turn = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def spend(self, values: int, path: list[str | int]) -> None:
        """Returns when it is this page's turn. Raises `AnswerTooLarge`, and ends the others that wait."""
        self._left -= values
        if self._left < 0:
            while self._waiting:
                _, turn = self._waiting.popleft()
                if not turn.done():
                    turn.set_exception(AnswerTooLarge(path, self._most))
            raise AnswerTooLarge(path, self._most)
        self._in_turn += values
        if self._waiting or self._in_turn > VALUES_PER_TURN:
            loop = asyncio.get_running_loop()
            turn = loop.create_future()
            if not self._waiting:
                loop.call_soon(self._next_turn)
            self._waiting.append((values, turn))
            await turn

    def _next_turn(self) -> None:
        """Lets in as many as fit into one turn, at least one, and the next ones when the loop has been round."""
        self._in_turn = 0
        while self._waiting and (self._in_turn == 0 or self._in_turn + self._waiting[0][0] <= VALUES_PER_TURN):
            values, turn = self._waiting.popleft()
            self._in_turn += values
            if not turn.done():  # else cancelled: its client went
                turn.set_result(None)
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._next_turn)
