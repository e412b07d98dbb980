"""`Change`: who changes something, by which request, and when.

One value goes from the request through every transaction that it leads to: what is written of one change bears one
time, also where a transaction is run again, and what is told of it is told from there.
"""

from dataclasses import dataclass

from registry.system import clock


@dataclass(frozen=True, slots=True)
class Change:
    """`actor`: whose credentials the request had, None as long as nobody logs in; `request`: its id; `client`: the
    address that it came from; both None for what the registry does by itself. `at`: microseconds since 1970, UTC.

    `at` is what rows say (`created`, `renewed`, `moved`, `at`). What is compared with the present moment, such as a
    claim, a lease or the age of a key, is asked of a clock in that moment."""

    actor: str | None
    request: str | None
    client: str | None
    at: int

    @classmethod
    def own(cls) -> "Change":
        """One that the registry makes by itself, now: jobs, promises that are written down, lists that are made."""
        return cls(None, None, None, clock.now())

    def completed(self) -> "Change":
        """The same as of now, for what began long ago: a body may take days, and a promise counts from its end."""
        return Change(self.actor, self.request, self.client, clock.now())
