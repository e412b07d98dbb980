"""The command `registry`, also as `python -m registry`: signals first, as what it imports takes most of a second."""

import os
import signal
import sys

AWAITED = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""Wait until there is somebody who hears them."""

STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
"""End a start as they end what was started: nothing is open yet that must be closed."""


def main() -> None:
    if sys.argv[1:2] == ["serve"]:
        for number in STOPS:
            signal.signal(number, lambda *_: os._exit(0))
        signal.pthread_sigmask(signal.SIG_BLOCK, AWAITED)
    from registry.cli import main as run

    run()


if __name__ == "__main__":
    main()
