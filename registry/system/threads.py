"""Threads, which the machine may refuse: it has a limit of processes, and each is one."""

from concurrent.futures import ThreadPoolExecutor

REFUSED = "can't start new thread"
"""What Python says then; it has no kind of error for that."""


class Threads(ThreadPoolExecutor):
    """A pool that does with the threads it has where no more can be started.

    Else who asked would be told that it failed, and it would be done all the same, by one of those, a while later.
    Raises `RuntimeError` for the first one alone."""

    def _adjust_thread_count(self) -> None:
        try:
            super()._adjust_thread_count()
        except RuntimeError as error:
            if not self._threads or not are_refused(error):
                raise


def are_refused(error: BaseException) -> bool:
    return isinstance(error, RuntimeError) and str(error) == REFUSED
