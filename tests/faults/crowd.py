"""Clients that do something at the same moment."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.speak.answer import Answer
from tests.speak.client import Client

Task = Callable[[Client], Answer]


class Crowd:
    """Clients with a connection each, which start together."""

    def __init__(self, url: str, size: int) -> None:
        self._clients = [Client(url) for _ in range(size)]
        self._threads = ThreadPoolExecutor(size)
        for client in self._clients:
            assert client.get("/v2/").status == 200

    def __enter__(self) -> "Crowd":
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown()
        for client in self._clients:
            client.close()

    def at_once(self, tasks: Sequence[Task]) -> list[Answer]:
        """Each task by a client of its own; the answers in the order of the tasks."""
        start = threading.Barrier(len(tasks))

        def run(client: Client, task: Task) -> Answer:
            start.wait()
            return task(client)

        return list(self._threads.map(run, self._clients, tasks))


def statuses(answers: Sequence[Answer]) -> Counter[int]:
    return Counter(answer.status for answer in answers)
