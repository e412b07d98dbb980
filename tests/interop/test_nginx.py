"""Behind a real nginx, as `spec/examples/nginx.conf` sets it up: TLS, a login, bodies of any size."""

import base64
import json
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.interop.clients import Crane, Program, Skopeo
from tests.interop.conftest import Make
from tests.interop.registry import Registry
from tests.server import running
from tests.speak.content import digest_of, random_blob
from tests.speak.images import layout_files, new_image
from tests.speak.requests import push_blob, start_at

EXAMPLE = Path(__file__).parents[2] / "spec" / "examples" / "nginx.conf"
USER, PASSWORD = "me", "a secret of mine"
GIB = 1 << 30

AROUND = """
daemon off;
user root;
error_log {folder}/error.log warn;
pid {folder}/pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/answers;
    include {folder}/conf.d/holdfast.conf;
}}
"""


class Proxied:
    """What clients need to know: where it is, whom to trust; and the registry behind it."""

    def __init__(self, registry: Registry, certificate: Path) -> None:
        self.registry = registry
        self.certificate = certificate
        self.host = registry.host
        self.trust = ssl.create_default_context(cafile=certificate)

    def http(self, **headers: str) -> httpx.Client:
        return httpx.Client(
            base_url=f"https://{self.host}", verify=self.trust, auth=(USER, PASSWORD), headers=headers, timeout=30
        )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def replaced(text: str, **places: str) -> str:
    """The example with the places of this machine in it, each of which it must have."""
    for old, new in places.items():
        assert old in text
        text = text.replace(old, new)
    return text


def prepare(folder: Path, port: int, upstream: str) -> Path:
    """nginx's files in a folder; the one that it is started with."""
    (folder / "conf.d").mkdir()
    example = replaced(
        EXAMPLE.read_text(),
        **{
            "/etc/nginx/": f"{folder}/",
            "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
            "server 127.0.0.1:5000;": f"server {upstream};",
            "registry.example.org": "localhost",
        },
    )
    (folder / "conf.d" / "holdfast.conf").write_text(example)
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    files = ["-keyout", f"{folder}/holdfast.key", "-out", f"{folder}/holdfast.crt"]
    subprocess.run([*made, *files, "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    packed = subprocess.run(
        ["openssl", "passwd", "-apr1", "-stdin"], input=PASSWORD, capture_output=True, text=True, check=True
    )
    (folder / "holdfast.htpasswd").write_text(f"{USER}:{packed.stdout}")
    main = folder / "main.conf"
    main.write_text(AROUND.format(folder=folder))
    return main


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not installed")
    folder = tmp_path_factory.mktemp("nginx")
    port = free_port()
    with running(folder / "data", "--workers", "1", "--trusted-proxy", "127.0.0.1/32") as server:
        main = prepare(folder, port, server.url.removeprefix("http://"))
        nginx = subprocess.Popen(["nginx", "-p", str(folder), "-c", str(main)], stderr=subprocess.PIPE, text=True)
        try:
            wait_for(port, nginx)
            registry = Registry(server)
            registry.host = f"localhost:{port}"
            yield Proxied(registry, folder / "holdfast.crt")
            registry.http.close()
        finally:
            nginx.terminate()
            told = nginx.communicate(timeout=20)[1]
    assert "[emerg]" not in told
    assert "[warn]" not in (folder / "error.log").read_text(), "nothing was put into a file of nginx first"


def wait_for(port: int, nginx: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        assert nginx.poll() is None, nginx.communicate()[1]
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("nginx does not listen")


def trusting(client: Program, proxied: Proxied) -> None:
    client.environ["SSL_CERT_FILE"] = str(proxied.certificate)


def test_nobody_gets_in_without_a_login(proxied: Proxied) -> None:
    with httpx.Client(base_url=f"https://{proxied.host}", verify=proxied.trust) as stranger:
        answers = [
            stranger.get("/v2/"),
            stranger.get("/v2/_catalog"),
            stranger.post("/v2/a/blobs/uploads/"),
            stranger.get("/v2/", auth=(USER, "a guess")),
            stranger.get("/v2/", auth=("somebody", PASSWORD)),
        ]
    assert {answer.status_code for answer in answers} == {401}
    assert {answer.headers["www-authenticate"] for answer in answers} == {'Basic realm="Holdfast"'}
    assert proxied.registry.http.get("/v2/_catalog").status_code == 200, "only the proxy asks"
    with proxied.http() as known:
        assert known.get("/v2/").status_code == 200


def test_skopeo_logs_in_and_copies(proxied: Proxied, make: Make, name: str) -> None:
    skopeo = make(Skopeo, proxied.registry)
    trusting(skopeo, proxied)
    image = new_image()
    source = f"oci:{skopeo.layout(image, 'it')}:it"
    target = f"docker://{proxied.registry.ref(name, 'v1')}"
    assert "authentication required" in skopeo.fails("copy", source, target)
    skopeo.fails("login", "--username", USER, "--password", "a guess", proxied.host)
    skopeo("login", "--username", USER, "--password", PASSWORD, proxied.host)
    skopeo("copy", source, target)
    assert json.loads(skopeo("list-tags", f"docker://{proxied.host}/{name}"))["Tags"] == ["v1"]
    back = skopeo.fresh()
    skopeo("copy", target, f"oci:{back}:it")
    assert layout_files(back) == image.files
    skopeo("delete", target)
    assert not proxied.registry.has(name, "v1")


def test_crane_logs_in_pushes_and_pulls(proxied: Proxied, make: Make, name: str) -> None:
    crane = make(Crane, proxied.registry)
    trusting(crane, proxied)
    image = new_image()
    layout = str(crane.layout(image))
    assert "UNAUTHORIZED" in crane.fails("push", layout, proxied.registry.ref(name, "v1")).upper()
    crane("auth", "login", "--username", USER, "--password", PASSWORD, proxied.host)
    crane.push(image, name, "v1")
    assert crane.pull(name, "v1") == image.files


def test_curl_uploads_in_chunked_coding(proxied: Proxied, make: Make, name: str) -> None:
    """Of a length that nobody knows, and above what nginx lets pass by default."""
    content = random_blob(3 << 20)
    with proxied.http() as http:
        location = start_at(http, name)
    assert location.startswith(f"https://{proxied.host}/v2/{name}/")

    class Curl(Program):
        program = "curl"

    curl = make(Curl, proxied.registry)
    told = curl(
        *("--silent", "--show-error", "--cacert", str(proxied.certificate), "--user", f"{USER}:{PASSWORD}"),
        *("--request", "PATCH", "--upload-file", "-", "--dump-header", "-", location),
        stdin=content,
    )
    assert "HTTP/1.1 202 Accepted" in told, told
    [relative] = [line.split()[1] for line in told.splitlines() if line.lower().startswith("location:")]
    assert relative.startswith(f"/v2/{name}/blobs/uploads/"), "a path is right behind every proxy"
    with proxied.http() as http:
        joined = "&" if "?" in relative else "?"
        assert http.put(f"{relative}{joined}digest={digest_of(content)}").status_code == 201
        assert http.get(f"/v2/{name}/blobs/{digest_of(content)}").content == content


def test_a_client_that_needs_the_scheme_is_told_https(proxied: Proxied, name: str) -> None:
    with proxied.http(**{"user-agent": "ollama/0.5.7 (amd64 linux) Go/go1.23.4"}) as http:
        answer = http.post(f"/v2/{name}/blobs/uploads/")
    assert answer.headers["location"].startswith(f"https://{proxied.host}/v2/{name}/blobs/uploads/")


def test_the_log_names_the_client_and_not_the_proxy(proxied: Proxied) -> None:
    """Nor what the client says of itself."""
    away = httpx.HTTPTransport(verify=proxied.trust, local_address="127.0.0.2")
    with httpx.Client(base_url=f"https://{proxied.host}", transport=away, auth=(USER, PASSWORD)) as http:
        answer = http.get("/v2/", headers={"x-forwarded-for": "203.0.113.7"})
    assert proxied.registry.server.wait_for_output(f" 127.0.0.2 id={answer.headers['x-request-id']}\n")


def test_no_size_is_refused_and_bytes_are_passed_on_as_they_come(proxied: Proxied, name: str) -> None:
    """Of a chunk that would be 3 GiB the first bytes are in the registry before the others are sent."""
    login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    part = random_blob(1 << 20)
    with proxied.http() as http:
        location = httpx.URL(start_at(http, name))
        head = (
            f"PATCH {location.raw_path.decode()} HTTP/1.1\r\nHost: {proxied.host}\r\nAuthorization: Basic {login}\r\n"
            f"Content-Type: application/octet-stream\r\nContent-Length: {3 * GIB}\r\n\r\n"
        )
        plain = socket.create_connection(("localhost", location.port or 443), 10)
        with proxied.trust.wrap_socket(plain, server_hostname="localhost") as connection:
            connection.sendall(head.encode() + part)
            storage = proxied.registry.server.data / "blobs" / "_uploads"
            deadline = time.monotonic() + 10
            while sum(file.stat().st_size for file in storage.iterdir()) < len(part):
                assert time.monotonic() < deadline, "nothing is passed on"
                time.sleep(0.05)
        deadline = time.monotonic() + 10
        while http.get(location.copy_with(query=None)).headers["range"] != f"0-{len(part) - 1}":
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_large_blob_comes_back_as_it_was(proxied: Proxied, name: str) -> None:
    """Also to a client that is slow; the fixture sees that nginx has kept none of it in a file."""
    content = random_blob(32 << 20)
    with proxied.http() as http:
        digest = push_blob(http, name, content)
        with http.stream("GET", f"/v2/{name}/blobs/{digest}") as slow:
            pieces = slow.iter_raw(1 << 20)
            pulled = next(pieces)
            time.sleep(1)
            assert pulled + b"".join(pieces) == content
        part = http.get(f"/v2/{name}/blobs/{digest}", headers={"range": "bytes=5-9"})
    assert (part.status_code, part.content) == (206, content[5:10])
