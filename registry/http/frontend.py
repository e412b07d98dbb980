"""`Frontend`: what the requests of one worker share, whatever API they are of."""

import secrets
from collections.abc import Callable, Hashable

from registry.http.access import Line, Observer, RequestLog
from registry.http.cache import AnswerCache
from registry.http.cors import Cors
from registry.http.policy import EVERYBODY, Policy
from registry.http.room import Room
from registry.settings.fields import Settings

LARGE_ANSWERS = 64 * 1024 * 1024
"""Bytes of large manifests and lists that a worker holds for clients that are reading them."""

STREAMS = 512 * 1024 * 1024
"""Bytes of blobs that a worker holds for clients that are reading them, by what each may hold at most."""

TIGHT_PATIENCE = 5.0
"""Seconds without a byte taken after which a client is let go of where these are half used up."""


class Frontend:
    """`observers` are told of every finished request."""

    def __init__(self, settings: Settings, version: Callable[[], Hashable], policy: Policy) -> None:
        """`version` changes with every commit; None: it cannot be told."""
        self.policy = policy
        self.asks = policy is not EVERYBODY
        """Whether the policy is asked at all."""
        self.cache = AnswerCache(version, settings.answer_memory)
        self.observers: tuple[Observer, ...] = (RequestLog(settings.log_format),) if settings.log_requests else ()
        self.large_answers = Room(LARGE_ANSWERS)
        self.streams = Room(STREAMS)
        self.cors = Cors(settings.cors_origins) if settings.cors_origins else None
        self._send_timeout = settings.send_timeout.total_seconds()
        self._process = secrets.token_hex(3)
        self._begun = 0

    def next_request_id(self) -> str:
        """Unique among the requests of all workers."""
        self._begun += 1
        return f"{self._process}-{self._begun:x}"

    def finished(self, line: Line) -> None:
        for observer in self.observers:
            observer.finished(line)

    def close(self) -> None:
        """No request follows."""
        for observer in self.observers:
            observer.close()

    @property
    def send_patience(self) -> float:
        """Seconds that a client may take no byte of what waits for it."""
        tight = self.large_answers.is_tight or self.streams.is_tight
        return min(self._send_timeout, TIGHT_PATIENCE) if tight else self._send_timeout
