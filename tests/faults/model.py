"""What a registry must hold: the content that was acknowledged, and how to compare it with what is served."""

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tests.speak.client import Client
from tests.speak.content import OCI_MANIFEST, digest_of


@dataclass
class Contents:
    """What one client has pushed and not deleted, by repository and digest or tag."""

    blobs: dict[tuple[str, str], bytes] = field(default_factory=dict)
    manifests: dict[tuple[str, str], bytes] = field(default_factory=dict)
    tags: dict[tuple[str, str], str] = field(default_factory=dict)

    def copy(self) -> "Contents":
        return Contents(dict(self.blobs), dict(self.manifests), dict(self.tags))

    def drop_manifest(self, name: str, digest: str) -> None:
        """A manifest goes with all its tags (R-184)."""
        del self.manifests[name, digest]
        self.tags = {key: target for key, target in self.tags.items() if (key[0], target) != (name, digest)}

    def repositories(self) -> set[str]:
        """Those that a catalogue lists: they hold a manifest."""
        return {name for name, _ in self.manifests}


@dataclass
class Session:
    """An open upload: what was acknowledged of `content`, and what was on its way at the end."""

    path: str
    name: str
    content: bytes
    arrived: int = 0
    under_way: int = 0
    ending: Literal["", "finish", "cancel"] = ""
    """The request on its way that would end it."""


def served(client: Client, wanted: Contents, allowed: Contents) -> Contents:
    """What is there of all that either of the two names; whatever is served is checked against its digest."""
    found = Contents()
    for name, digest in wanted.blobs.keys() | allowed.blobs.keys():
        answer = client.get(f"/v2/{name}/blobs/{digest}")
        if answer.status != 404:
            assert answer.status == 200, answer
            assert digest_of(answer.body) == digest, f"{digest} of {name} is served with wrong bytes"
            found.blobs[name, digest] = answer.body
    for name, digest in wanted.manifests.keys() | allowed.manifests.keys():
        answer = client.get(f"/v2/{name}/manifests/{digest}")
        if answer.status != 404:
            assert answer.status == 200, answer
            assert digest_of(answer.body) == digest == answer.headers["docker-content-digest"]
            assert answer.headers["content-type"] == OCI_MANIFEST
            found.manifests[name, digest] = answer.body
    for name, tag in wanted.tags.keys() | allowed.tags.keys():
        answer = client.get(f"/v2/{name}/manifests/{tag}")
        if answer.status != 404:
            assert answer.status == 200, answer
            assert digest_of(answer.body) == answer.headers["docker-content-digest"]
            found.tags[name, tag] = digest_of(answer.body)
    return found


def check(client: Client, acknowledged: Contents, pending: Contents | None) -> Contents:
    """What is served, which is what was acknowledged, or that with the request under way carried out in full."""
    other = pending or acknowledged
    found = served(client, acknowledged, other)
    assert found in (acknowledged, other), difference(acknowledged, other, found)
    return found


def difference(acknowledged: Contents, pending: Contents, found: Contents) -> str:
    lines = ["neither what was acknowledged nor that with the last request:"]
    for kind in ("blobs", "manifests", "tags"):
        a, p, f = (getattr(contents, kind) for contents in (acknowledged, pending, found))
        for key in sorted(a.keys() | p.keys() | f.keys()):
            if not a.get(key) == p.get(key) == f.get(key):
                told = [shown(value.get(key)) for value in (a, p, f)]
                lines.append(f"  {kind} {key}: acknowledged {told[0]}, under way {told[1]}, served {told[2]}")
    return "\n".join(lines)


def shown(value: bytes | str | None) -> str:
    return f"{len(value)} bytes" if isinstance(value, bytes) else str(value)


def check_listings(client: Client, expected: Contents) -> None:
    """Exactly the repositories and tags that there are are listed, and every one resolves."""
    listed = client.get("/v2/_catalog").json()["repositories"]
    assert listed == sorted(expected.repositories())
    for name in listed:
        tags = client.get(f"/v2/{name}/tags/list").json()["tags"]
        assert tags == sorted(tag for repository, tag in expected.tags if repository == name)
        for tag in tags:
            answer = client.get(f"/v2/{name}/manifests/{tag}")
            assert (answer.status, digest_of(answer.body)) == (200, expected.tags[name, tag])


def check_session(client: Client, session: Session, *, stop_here: bool) -> bytes | None:
    """Continue where status says; the content that was finished. None: the session has ended before.

    `stop_here` finishes what has arrived instead of sending the rest."""
    status = client.get(session.path)
    if status.status == 404:
        assert session.ending, f"an open session is gone: {session.path}"
        assert status.codes == ["BLOB_UPLOAD_UNKNOWN"]
        return None
    assert status.status == 204, status
    allowed = {session.arrived, session.arrived + session.under_way}
    assert status.offset in allowed, f"{status.offset} bytes arrived where {allowed} may have"
    content = session.content[: status.offset] if stop_here else session.content
    answer = client.finish(status.location, content, content[status.offset :])
    assert answer.status == 201, answer
    assert answer.headers["docker-content-digest"] == digest_of(content)
    return content


def check_disk(data: Path, *, hashed: bool = False) -> int:
    """The databases are sound, and every blob that a row knows is there, whole; how many blobs there are."""
    for file in ("registry.db", "uploads.db"):
        with closing(sqlite3.connect(data / file)) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert database.execute("PRAGMA foreign_key_check").fetchall() == []
    with closing(sqlite3.connect(data / "registry.db")) as database:
        blobs = database.execute(
            "SELECT digest, size, key, content FROM blob LEFT JOIN blob_content ON blob_id = id"
        ).fetchall()
        manifests = database.execute("SELECT digest, size, body FROM manifest").fetchall()
    for digest, size, key, content in blobs:
        assert (key is None) != (content is None), f"{digest} stands in storage or in a row"
        if content is not None:
            assert (digest_of(content), len(content)) == (digest, size)
            continue
        path = data / "blobs" / key
        assert path.stat().st_size == size, f"{path} is not {size} bytes long"
        if hashed:
            assert digest_of(path.read_bytes()) == digest
    for digest, size, body in manifests:
        assert (digest_of(body), len(body)) == (digest, size)
        json.loads(body)
    return len(blobs)
