"""Reports give no secret away, and the commands in them repeat a request, doing nothing else."""

import base64
import http.server
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.model import Finding, Message, Outcome
from conformance.reports import json_report
from conformance.reports.curl import command
from conformance.reports.redact import redacted
from tests.conformance.made_up import (
    FAILED,
    REPORTS,
    TARGET,
    exchange,
    printed,
    run_of,
)

PATH = os.environ["PATH"]

TOKEN = "eyJhbGciOiJFUzI1NiJ9.payload-of-the-token.c2ln"
PASSWORD = "correct horse/battery"
BASIC = base64.b64encode(f"alice:{PASSWORD}".encode()).decode()
GRANTED = "granted-0123456789abcdef"
SIGNED = "5ec7e7f0c0ffee"
COOKIE = "session-9f8e7d6c"
SHORT, SHORT_TOKEN, SHORT_COOKIE = "pw1", "tk2", "ck3"
LEAKY = replace(
    FAILED,
    reason=f"refused {TOKEN}",
    finding=Finding("R-075", "no echo", f"the answer says {PASSWORD} and Bearer {TOKEN}"),
    exchanges=(
        exchange(
            method="GET",
            url=f"{TARGET}/token?service=x&account=alice&password=correct%20horse%2Fbattery",
            request=Message((("Authorization", f"Basic {BASIC}"),), b"", 0),
            answer=Message(
                (("Set-Cookie", f"s={COOKIE}; Path=/"),),
                f'{{"access_token": "{GRANTED}", "id_token":"{SHORT_TOKEN}"}}'.encode(),
                50,
            ),
        ),
        exchange(
            url=f"http://alice:{SHORT}@127.0.0.1/v2/?x=1&X-Amz-Signature={SIGNED}#",
            request=Message(
                (
                    ("authorization", f"bearer {TOKEN}"),
                    ("X-Auth-Token", GRANTED),
                    ("Cookie", f"a={SHORT_COOKIE}; s={COOKIE}"),
                ),
                f"password={PASSWORD.replace(' ', '+')}&refresh_token={GRANTED}".encode(),
                50,
            ),
            answer=Message(
                (("location", f"/v2/x?sig={SIGNED}&n=1"), ("x-echo", f"Basic {BASIC}")),
                b"\x00\xff" + f"echo {TOKEN} {PASSWORD} {COOKIE} {SIGNED} cut off: {GRANTED[:-4]}".encode(),
                9999,
            ),
            error=f"sent {TOKEN}",
        ),
        exchange(
            method="RAW",
            url=f"{TARGET} GET /v2/ HTTP/1.1",
            request=Message((), f"GET /v2/ HTTP/1.1\r\nAuthorization: Bearer {SHORT}\r\n\r\n".encode(), 60),
        ),
    ),
)
SECRETS = (
    TOKEN,
    PASSWORD,
    BASIC,
    GRANTED,
    GRANTED[:-4],
    SIGNED,
    COOKIE,
    f":{SHORT}@",
    f"Bearer {SHORT}",
    f'"{SHORT_TOKEN}',
    f"a={SHORT_COOKIE}",
    "horse",
)


@pytest.mark.parametrize("report", REPORTS)
@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.BROKEN, Outcome.PASSED])
def test_no_report_gives_a_secret_away(report: str, outcome: Outcome) -> None:
    target = f"http://alice:{SHORT}@127.0.0.1:5000"
    run = run_of(replace(LEAKY, outcome=outcome), target=target, trouble=f"no way to {target} with {TOKEN}")
    text = REPORTS[report](run)
    # Bodies that are no text stand in a report in base64 or in hexadecimal.
    packed = [base64.b64decode(part) for part in re.findall(r"[\w+/]{16,}={0,2}", text) if len(part) % 4 == 0]
    dumped = bytes.fromhex("".join(re.findall(r"^[<>] [0-9a-f]{6}  ((?:[0-9a-f]{2} )+) ", text, re.MULTILINE)))
    for secret in SECRETS:
        assert secret not in text
        assert not any(secret.encode() in part for part in (*packed, dumped))


def test_what_is_no_secret_stays() -> None:
    text = json_report.render(run_of(LEAKY, FAILED))
    for kept in ("account=alice", "Bearer $TOKEN", "Basic $CREDENTIALS", "X-Amz-Signature=$SECRET", "n=1", "5-9"):
        assert kept in text
    challenge = 'Bearer realm="http://127.0.0.1/token",service="registry",scope="repository:a:pull"'
    asked = exchange(answer=Message((("www-authenticate", challenge),), b"", 0))
    assert challenge in printed(run_of(replace(FAILED, exchanges=(asked,))), width=200)


# Commands, which are run.


class Recorder(http.server.BaseHTTPRequestHandler):
    """Answers 200 and remembers what was asked: method, target, headers, body."""

    asked: list[tuple[str, str, dict[str, str], bytes]]

    def answer(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.asked.append((self.command, self.path, headers, self.rfile.read(int(headers.get("content-length", 0)))))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_ODD = answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""


@pytest.fixture
def recorder() -> Iterator[tuple[str, list[tuple[str, str, dict[str, str], bytes]]]]:
    handler = type("Fresh", (Recorder,), {"asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", handler.asked  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()


MANIFEST = ("Content-Type", "application/vnd.oci.image.manifest.v1+json")


@pytest.mark.parametrize(
    ("method", "path", "headers", "body"),
    [
        ("GET", "/v2/a/tags/list?n=1&last=x", (), b""),
        ("HEAD", "/v2/a/manifests/latest", (("Accept", "a/b"), ("X-Empty", "")), b""),
        ("POST", "/v2/a/blobs/uploads/", (), b""),
        ("PUT", "/v2/a/manifests/v1", (MANIFEST,), b'{"it\'s": "$HOME `id` \\n"}\n'),
        ("PUT", "/v2/a/manifests/v1", (MANIFEST,), b"@/etc/hostname"),
        ("PATCH", "/v2/a/../b/[1-3]{x,y}", (("Content-Range", "0-255"),), bytes(range(256))),
        ("PUT", "/v2/a/blobs/uploads/1?digest=$(touch owned);touch owned'`touch owned`&t", (), b"\x1b[2J\r\n"),
        ("ODD", "/v2/", (("X-Quote", "'; touch owned; echo '"), ("X-Home", "$HOME")), b""),
    ],
)
def test_a_command_repeats_the_request(
    recorder: tuple[str, list[tuple[str, str, dict[str, str], bytes]]],
    tmp_path: Path,
    method: str,
    path: str,
    headers: tuple[tuple[str, str], ...],
    body: bytes,
) -> None:
    url, asked = recorder
    request = Message((("Authorization", f"Bearer {TOKEN}"), *headers), body, len(body))
    run = redacted(run_of(replace(FAILED, exchanges=(exchange(method=method, url=url + path, request=request),))))
    text = command(run.results[0].exchanges[0]).text
    assert TOKEN not in text
    assert text.replace("\n", "").isprintable()
    subprocess.run(["sh", "-ec", text], cwd=tmp_path, env={"PATH": PATH, "TOKEN": TOKEN}, check=True, timeout=20)
    assert list(tmp_path.iterdir()) == []
    [(got_method, got_path, got_headers, got_body)] = asked
    assert (got_method, got_path, got_body) == (method, path.replace(" ", "%20"), body)
    assert got_headers["authorization"] == f"Bearer {TOKEN}"
    assert {name.lower(): value for name, value in headers}.items() <= got_headers.items()
    assert ("content-type" in got_headers) == (MANIFEST in headers)


def test_a_command_does_not_send_the_readers_own_secrets_where_the_server_says() -> None:
    text = command(exchange(url=f"{TARGET}/v2/?a=$TOKEN", request=Message((("X-A", "$CREDENTIALS"),), b"", 0))).text
    assert '"$' not in text


def test_a_command_says_what_it_cannot_hold() -> None:
    large = command(exchange(request=Message((), b"x" * 2048, 5_000_000)))
    assert "--data-binary @body.bin" in large.text
    assert "5,000,000 bytes" in large.hint
    chunked = command(exchange(request=Message((), b"", None)))
    assert "Transfer-Encoding: chunked" in chunked.text
    assert "@body.bin" in chunked.text


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://[::1]:5000", "nc ::1 5000"),
        ("http://[::1]", "nc ::1 80"),
        ("https://[2001:db8::1]:5000", "openssl s_client -quiet -connect '[2001:db8::1]:5000'"),
        ("https://[2001:db8::1]", "openssl s_client -quiet -connect '[2001:db8::1]:443'"),
        ("http://registry.example", "nc registry.example 80"),
        ("https://registry.example", "openssl s_client -quiet -connect registry.example:443"),
        ("http://alice:word@registry.example:8080", "nc registry.example 8080"),
    ],
)
def test_bytes_go_where_the_url_says(url: str, told: str) -> None:
    text = command(exchange(method="RAW", url=f"{url} GET / HTTP/1.1", request=Message((), b"GET", 3))).text
    assert text.endswith(f"| base64 -d | {told}")


def test_a_request_of_bytes_is_repeated_as_bytes(
    recorder: tuple[str, list[tuple[str, str, dict[str, str], bytes]]],
) -> None:
    sent = b"GET /v2/ HTTP/1.0\r\nX-Odd: \xff\r\n\r\n"
    text = command(exchange(method="RAW", url=f"{recorder[0]} GET", request=Message((), sent, len(sent)))).text
    port = recorder[0].rpartition(":")[2]
    assert text.endswith(f"| nc 127.0.0.1 {port}")
    piped = text.rpartition("|")[0]
    assert subprocess.run(["sh", "-ec", piped], capture_output=True, check=True, timeout=20).stdout == sent
