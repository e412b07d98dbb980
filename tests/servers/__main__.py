"""Starts real servers for whoever wants to try something, until Ctrl-C; they and their folders are gone then."""

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from tests.servers.mariadb import Mariadb
from tests.servers.postgresql import Postgresql
from tests.servers.process import Missing, RealServer
from tests.servers.versitygw import Versitygw

SERVERS: dict[str, type[RealServer]] = {kind.name: kind for kind in (Postgresql, Mariadb, Versitygw)}

EXAMPLES = """
examples:
  python -m tests.servers postgresql            prints postgresql://registry@127.0.0.1:PORT/registry
  python -m tests.servers mariadb s3            both, and the keys of S3 as lines for a shell
  python -m tests.servers postgresql --json     {"postgresql": {"url": "…", "environ": {}, "log": "…"}}
"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.servers",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("servers", nargs="+", metavar="SERVER", help=f"which: {', '.join(SERVERS)}")
    parser.add_argument("--json", action="store_true", help="print one line of JSON once all of them answer")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.servers if name not in SERVERS]
    if unknown:
        return refuse(f"there is no server {unknown[0]!r}; there are {', '.join(SERVERS)}")
    # Told to stop by either signal, it stops what it has started; also where a shell has started it in the background,
    # which leaves SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        with ExitStack() as running:
            servers = [running.enter_context(kind()) for kind in chosen(options.servers)]
            print(told_as_json(servers) if options.json else told(servers), flush=True)
            while True:
                signal.pause()
    except KeyboardInterrupt:
        return 0
    except (Missing, RuntimeError) as error:
        return refuse(str(error))


def chosen(names: Sequence[str]) -> list[type[RealServer]]:
    return [SERVERS[name] for name in dict.fromkeys(names)]


def told(servers: Sequence[RealServer]) -> str:
    lines = [server.url for server in servers]
    return "\n".join(lines + [f"export {key}={value}" for server in servers for key, value in server.environ.items()])


def told_as_json(servers: Sequence[RealServer]) -> str:
    return json.dumps(
        {each.name: {"url": each.url, "environ": each.environ, "log": str(each.log_path)} for each in servers}
    )


def refuse(why: str) -> int:
    print(f"python -m tests.servers: {why}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
