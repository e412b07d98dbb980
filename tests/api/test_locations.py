"""Where answers point to, behind proxies and prefixes: `spec/locations.md`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

from tests.server import Server, running
from tests.speak.content import descriptor, digest_of, image, random_blob
from tests.speak.requests import put_manifest, with_digest

PUBLIC = "https://registry.example:8443/some/prefix"
MANY = 30
"""Referrers of one subject: more than a page of a registry whose manifests may have 1 KiB."""


def serve(data: Path, *flags: str) -> Iterator[Server]:
    with running(data, "--workers", "1", "--manifest-limit", "1KiB", *flags) as server:
        yield server


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Told how the world sees it; its proxy is this machine."""
    yield from serve(tmp_path_factory.mktemp("public"), "--public-url", PUBLIC, "--trusted-proxy", "127.0.0.0/8")


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Behind two proxies that it trusts: this machine, and 10.0.0.0/8."""
    data = tmp_path_factory.mktemp("proxied")
    yield from serve(data, "--trusted-proxy", "127.0.0.1", "--trusted-proxy", "10.0.0.0/8")


@pytest.fixture(scope="module")
def distrustful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Trusts a proxy elsewhere, but nobody on this machine."""
    yield from serve(tmp_path_factory.mktemp("distrustful"), "--trusted-proxy", "10.0.0.0/8")


def post_blob(http: httpx.Client, name: str, content: bytes) -> str:
    """Push without following a location, which may be out of this machine's reach; the digest."""
    digest = digest_of(content)
    assert http.post(f"/v2/{name}/blobs/uploads/?digest={digest}", content=content).status_code == 201
    return digest


def upload_locations(http: httpx.Client, name: str) -> list[str]:
    """The `Location` of everything that the registry answers to an upload."""
    content = random_blob()
    uploads = f"/v2/{name}/blobs/uploads/"
    answers = [http.post(uploads)]
    session = urlsplit(answers[0].headers["location"]).path
    session = session[session.index("/v2/") :]
    place = {"content-range": "7-518"}
    answers += [
        http.get(session),
        http.patch(session, content=content),
        http.get(session),
        http.patch(session, content=content, headers=place),
        http.put(with_digest(session, digest_of(content)), content=content, headers=place),
        http.put(with_digest(session, digest_of(content))),
        http.post(f"{uploads}?digest={digest_of(b'x')}", content=b"x"),
        http.post(f"/v2/{name}/copy/blobs/uploads/?mount={digest_of(content)}&from={name}"),
        http.post(f"/v2/{name}/copy/blobs/uploads/?mount={digest_of(random_blob())}&from={name}"),
    ]
    assert [answer.status_code for answer in answers] == [202, 204, 202, 204, 416, 416, 201, 201, 201, 202]
    return [answer.headers["location"] for answer in answers]


def content_locations(http: httpx.Client, name: str) -> list[str]:
    """The `Location` of a blob and of manifests."""
    digest = post_blob(http, name, b"{}")
    manifest = image()
    answers = [
        http.get(f"/v2/{name}/blobs/{digest}"),
        http.head(f"/v2/{name}/blobs/{digest}"),
        http.get(f"/v2/{name}/blobs/{digest}", headers={"range": "bytes=0-0"}),
        put_manifest(http, name, "latest", manifest),
        put_manifest(http, name, digest_of(manifest), manifest),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 206, 201, 201]
    return [answer.headers["location"] for answer in answers]


def links(http: httpx.Client, name: str) -> list[tuple[str, str]]:
    """The `Link` of every kind of list, with the path of the list."""
    manifest = image()
    post_blob(http, name, b"{}")
    subject: dict[str, Any] = descriptor(manifest)
    for tag in ("a", "b"):
        assert put_manifest(http, f"{name}/{tag}", tag, manifest).status_code == 201
        assert put_manifest(http, name, tag, manifest).status_code == 201
    for number in range(MANY):
        referrer = image(subject=subject, artifactType="application/x", annotations={"n": str(number)})
        assert put_manifest(http, name, digest_of(referrer), referrer).status_code == 201
    found = []
    for path in (
        f"/v2/{name}/tags/list?n=1",
        f"/v2/{name}/referrers/{digest_of(manifest)}?artifactType=application/x",
        "/v2/_catalog?n=1",
    ):
        answer = http.get(path)
        assert answer.status_code == 200
        target, _, parameters = answer.headers["link"].partition(">")
        assert target.startswith("<")
        assert parameters == '; rel="next"'
        found.append((path.partition("?")[0], target[1:]))
    return found


def all_locations(http: httpx.Client, name: str) -> list[str]:
    return [*upload_locations(http, name), *content_locations(http, name), *(link for _, link in links(http, name))]


def below(prefix: str, locations: list[str]) -> bool:
    assert [location for location in locations if not location.startswith(f"{prefix}/v2/")] == []
    return True


SPOOFED = {
    "host": "evil.example",
    "x-forwarded-host": "evil.example",
    "x-forwarded-proto": "https",
    "x-forwarded-prefix": "/evil",
    "forwarded": "host=evil.example;proto=https",
}


@pytest.mark.spec("LOCATION-1")
@pytest.mark.parametrize("headers", [{}, SPOOFED], ids=["plain", "spoofed"])
def test_without_settings_locations_are_paths(headers: dict[str, str], server: Server, name: str) -> None:
    with httpx.Client(base_url=server.url, headers=headers) as http:
        assert below("", upload_locations(http, name) + content_locations(http, name))


@pytest.mark.spec("LOCATION-1")
def test_without_settings_links_are_paths_that_lead_on(distrustful: Server, name: str) -> None:
    with httpx.Client(base_url=distrustful.url) as http:
        for path, link in links(http, name):
            assert urlsplit(link)._replace(query="").geturl() == path
            assert http.get(link).status_code == 200


@pytest.mark.spec("LOCATION-2")
def test_with_a_public_url_the_locations_of_uploads_begin_with_it(public: Server, name: str) -> None:
    with httpx.Client(base_url=public.url) as http:
        assert below(PUBLIC, upload_locations(http, name))


@pytest.mark.spec("LOCATION-3")
def test_with_a_public_url_the_locations_of_content_begin_with_it(public: Server, name: str) -> None:
    with httpx.Client(base_url=public.url) as http:
        assert below(PUBLIC, content_locations(http, name))


@pytest.mark.spec("LOCATION-4", "LOCATION-5")
@pytest.mark.parametrize("kept", [True, False])
def test_with_a_public_url_links_begin_with_it_and_lead_on(kept: bool, public: Server, name: str) -> None:
    with httpx.Client(base_url=public.url) as http:
        for path, link in links(http, name):
            assert urlsplit(link)._replace(query="").geturl() == PUBLIC + path
            first = http.get(path, params={"n": "1"} if "referrers" not in path else {})
            second = http.get(urljoin(public.url, link.removeprefix("https://registry.example:8443"))
                              if kept else public.url + link.removeprefix(PUBLIC))  # fmt: skip
            assert second.status_code == 200
            assert second.json() != first.json()
            assert second.json().keys() == first.json().keys()


def follow(server: str, name: str, prefix: str, sent: str, told: str) -> None:
    """Push and read as a client does that knows only `told` and what it is answered; a proxy passes it on as `sent`."""

    def reach(location: str) -> str:
        absolute = urljoin(f"{told}/v2/", location)
        assert absolute.startswith(f"{told}/v2/"), location
        return server + sent + absolute.removeprefix(told)

    headers = {"x-forwarded-prefix": prefix} if prefix else {}
    content = random_blob(3000)
    with httpx.Client(headers=headers) as http:
        location = http.post(reach(f"{told}/v2/{name}/blobs/uploads/")).headers["location"]
        for at in range(0, 2000, 1000):
            answer = http.patch(reach(location), content=content[at : at + 1000])
            assert answer.status_code == 202
            location = answer.headers["location"]
            assert http.get(reach(location)).status_code == 204
        answer = http.put(reach(with_digest(location, digest_of(content))), content=content[2000:])
        assert answer.status_code == 201
        assert http.get(reach(answer.headers["location"])).content == content
        manifest = image(layers=[content])
        answer = http.put(
            reach(f"{told}/v2/{name}/manifests/latest"),
            content=manifest,
            headers={"content-type": json.loads(manifest)["mediaType"]},
        )
        assert answer.status_code == 201
        assert http.get(reach(answer.headers["location"])).content == manifest


@pytest.mark.spec("LOCATION-5", "LOCATION-6")
@pytest.mark.parametrize("sent", ["", "/some/prefix"], ids=["prefix taken off", "prefix kept"])
def test_a_client_that_follows_absolute_locations_pushes_its_image(sent: str, public: Server, name: str) -> None:
    follow(public.url, name, "", sent, PUBLIC)


@pytest.mark.spec("LOCATION-5")
def test_every_endpoint_is_served_with_the_prefix(public: Server, name: str) -> None:
    with httpx.Client(base_url=f"{public.url}/some/prefix") as http:
        assert http.get("/v2/").status_code == 200
        assert below(PUBLIC, all_locations(http, name))
        assert http.get(f"/v2/{name}/tags/list").json()["tags"] == ["a", "b", "latest"]
        assert http.get(public.url + "/other/prefix/v2/").status_code == 404
        assert http.get(public.url + "/some/prefixv2/").status_code == 404
        assert http.get(public.url + "/some/prefix/some/prefix/v2/").status_code == 404


@pytest.mark.spec("LOCATION-6", "LOCATION-1")
def test_a_client_that_follows_paths_pushes_its_image(distrustful: Server, name: str) -> None:
    follow(distrustful.url, name, "", "", "http://name.example:1234")


@pytest.mark.spec("LOCATION-7", "LOCATION-6")
@pytest.mark.parametrize("prefix", ["/pre", "/pre/fix/", "pre-fix"])
def test_the_prefix_that_a_trusted_proxy_took_off_stands_in_locations(prefix: str, proxied: Server, name: str) -> None:
    clean = "/" + prefix.strip("/")
    follow(proxied.url, name, prefix, "", f"https://name.example{clean}")
    headers = {"x-forwarded-prefix": prefix, "x-forwarded-for": "198.51.100.7"}
    with httpx.Client(base_url=proxied.url, headers=headers) as http:
        assert below(clean, all_locations(http, f"{name}/more"))


@pytest.mark.spec("LOCATION-8")
def test_a_prefix_from_anybody_else_is_ignored(distrustful: Server, name: str) -> None:
    with httpx.Client(base_url=distrustful.url, headers=SPOOFED) as http:
        assert below("", all_locations(http, name))


@pytest.mark.spec("LOCATION-9")
@pytest.mark.parametrize(
    "prefix",
    ["//evil.example", "https://evil.example", "/a//b", "/a?b=", "/a#b", "/a b", "/a%0d%0ab", "/a\\b", "/@x", "/", "",
     "/a,/b"],
)  # fmt: skip
def test_a_prefix_that_is_more_than_a_path_is_ignored(prefix: str, proxied: Server, name: str) -> None:
    with httpx.Client(base_url=proxied.url, headers={"x-forwarded-prefix": prefix}) as http:
        location = http.post(f"/v2/{name}/blobs/uploads/").headers["location"]
    assert location.startswith((f"/v2/{name}/", f"/evil.example/v2/{name}/"))


@pytest.mark.spec("LOCATION-10")
def test_a_public_url_counts_more_than_a_proxy(public: Server, name: str) -> None:
    with httpx.Client(base_url=public.url, headers=SPOOFED) as http:
        assert below(PUBLIC, upload_locations(http, name) + content_locations(http, name))


def logged(server: Server, name: str, **headers: str) -> str:
    """The client that the log names for a request."""
    with httpx.Client(base_url=server.url, headers=headers) as http:
        marker = http.get(f"/v2/{name}/tags/list").headers["x-request-id"]
    assert server.wait_for_output(f"id={marker}\n")
    line = next(line for line in server.output.splitlines() if line.endswith(f"id={marker}"))
    return line.split()[-2]


@pytest.mark.spec("LOCATION-11")
@pytest.mark.parametrize(
    ("told", "client"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("203.0.113.9, 198.51.100.7", "198.51.100.7"),
        ("203.0.113.9, 198.51.100.7, 10.0.0.3", "198.51.100.7"),
        ("2001:db8::7, 10.1.2.3,10.0.0.3", "2001:db8::7"),
        ("10.0.0.3", "10.0.0.3"),
        ("198.51.100.7, nonsense", "127.0.0.1"),
        ("", "127.0.0.1"),
    ],
)
def test_the_log_names_the_client_behind_the_proxies(told: str, client: str, proxied: Server, name: str) -> None:
    assert logged(proxied, name, **{"x-forwarded-for": told}) == client


@pytest.mark.spec("LOCATION-8")
def test_who_is_not_trusted_cannot_choose_its_address(distrustful: Server, name: str) -> None:
    assert logged(distrustful, name, **{"x-forwarded-for": "198.51.100.7"}) == "127.0.0.1"
