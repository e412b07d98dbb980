"""A worker as its supervisor knows it: what it has said, when it has to be done, and when to try another."""

import math
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field

PAUSE = 1.0
LONGEST_PAUSE = 30.0
"""Seconds: the first pause before another try, and how far it grows."""

READY = b"\0"
"""What a worker says once it serves; before that, it can only say why it does not."""


@dataclass(eq=False, slots=True)
class Worker:
    """A process, its slot, when it was started, and the pipe by which it says that it serves, or why it can't."""

    pid: int
    slot: int
    told: int
    pause: float
    """Seconds that were waited before it was started; more are before the next, if this one dies young."""
    started: float = field(default_factory=time.monotonic)
    text: bytes = b""
    start_by: float = math.inf
    """When it is killed unless it serves."""
    deadline: float = math.inf
    """When it is killed: once it was asked to end, and does not."""

    @property
    def serves(self) -> bool:
        return self.text.startswith(READY)

    @property
    def due(self) -> float:
        """When it is killed, as things are."""
        return self.deadline if self.serves or self.leaving else self.start_by

    @property
    def leaving(self) -> bool:
        return self.deadline < math.inf

    @property
    def reason(self) -> str:
        """Why it cannot start."""
        return self.text.removeprefix(READY).decode(errors="replace")

    def hear(self) -> None:
        """What it has said since."""
        with suppress(BlockingIOError):
            while self.told >= 0 and (piece := os.read(self.told, 4096)):
                self.text += piece
            self.forget()

    def forget(self) -> None:
        """It has said all."""
        if self.told >= 0:
            os.close(self.told)
            self.told = -1


@dataclass(slots=True)
class Vacancy:
    """A worker that is missing: when to try to start one, and after which pause that is."""

    due: float
    pause: float

    @classmethod
    def after(cls, pause: float) -> "Vacancy":
        """A longer pause than that."""
        longer = min(max(PAUSE, pause * 2), LONGEST_PAUSE)
        return cls(time.monotonic() + longer, longer)


def tell_all(tell: int, text: bytes) -> None:
    """Say it to the supervisor, which may have died."""
    with suppress(OSError):
        os.write(tell, text[:4096])
