"""Threads that take turns, and wait for each other's requests."""

from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from threading import Lock, Thread
from typing import Any

from lightning_autobalance.sweeps.ensemble.world import World

Answers = Mapping[int, Any]  # by player; an exception is raised there


class Stopped(BaseException):
    """Another player failed, or the user asked to stop; no `Exception`, so that nobody takes it for one."""


class Turns:
    """Runs functions in threads, one at a time and always in the same order, so that what they do is reproducible.

    Each has a world of its own. A function that makes a request sleeps until all that still run have made one.

    Args:
        answer: Gives, from the requests by player, the answers of some of them, at least one. Called in the thread of
            the first player that waits.
    """

    def __init__(self, answer: Callable[[Mapping[int, Any]], Answers]) -> None:
        self._answer = answer
        self._requests: dict[int, Any] = {}
        self._answers: dict[int, Any] = {}
        self._alive: set[int] = set()
        self._worlds: dict[int, World] = {}
        self._locks: list[Lock] = []
        self._stopping = False
        self.errors: dict[int, BaseException] = {}

    def stop(self) -> None:
        """Let every player end at its next request; those that did not begin do not."""
        self._stopping = True

    def go_on(self) -> None:
        """Do nothing, unless all are to end.

        Raises:
            Stopped: If they are.
        """
        if self._stopping:
            raise Stopped

    def play(self, functions: Sequence[Callable[[], None]], worlds: Sequence[World], endures: type[Exception]) -> None:
        """Run them to their ends; what they raise is then in ``errors``.

        Args:
            functions: One per player.
            worlds: Where each begins.
            endures: An error that ends its player only; any other stops all.
        """
        before = World.now()
        self._alive, self._worlds = set(range(len(functions))), dict(enumerate(worlds))
        self._locks = [Lock() for _ in functions]
        for lock in self._locks:
            lock.acquire()
        threads = [
            Thread(target=copy_context().run, args=(self._run, player, function, endures), name=f"seed-{player}")
            for player, function in enumerate(functions)
        ]
        for thread in threads:
            thread.start()
        self._locks[0].release()
        self._join(threads)
        before.enter()

    def _join(self, threads: Sequence[Thread]) -> None:
        interrupted: KeyboardInterrupt | None = None
        for thread in threads:
            while thread.is_alive():
                try:
                    thread.join()
                except KeyboardInterrupt as interrupt:  # only the main thread hears of it
                    self.stop()
                    interrupted = interrupt
        if interrupted is not None:
            raise interrupted

    def _run(self, player: int, function: Callable[[], None], endures: type[Exception]) -> None:
        self._locks[player].acquire()
        try:
            if not self._stopping:
                self._worlds[player].enter()
                function()
        except BaseException as error:  # Lightning ends runs by SystemExit, too
            self.errors[player] = error
            if not isinstance(error, endures | SystemExit):
                self.stop()
        finally:
            self._alive.remove(player)
            if self._alive:
                self._locks[self._next()].release()

    def ask(self, player: int, request: Any) -> Any:
        """Make a request, and sleep until it is answered.

        Args:
            player: Who asks, in its own thread.
            request: What.

        Raises:
            Stopped: If all are to end.
        """
        self._requests[player] = request
        while player in self._requests:
            if self._stopping:
                del self._requests[player]
            self.go_on()
            if self._next() == player:
                self._give_answers()
            self._let_others(player)
        answer = self._answers.pop(player)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _next(self) -> int:
        """Whose turn it is: the first that has no open request; where all have one, the first."""
        return min(self._alive - self._requests.keys(), default=min(self._alive))

    def _give_answers(self) -> None:
        try:
            found = dict(self._answer(self._requests))
        except Exception as error:
            found = dict.fromkeys(self._requests, error)
        self._answers |= found
        for player in found:
            del self._requests[player]

    def _let_others(self, player: int) -> None:
        following = self._next()
        if following == player:
            return
        self._worlds[player] = World.now()
        self._locks[following].release()
        self._locks[player].acquire()
        self._worlds[player].enter()
