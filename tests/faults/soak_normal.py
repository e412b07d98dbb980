"""The clients of a soak that do what clients do, and know what was acknowledged to them."""

import asyncio
import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.speak.answer import Answer
from tests.speak.content import OCI_INDEX, OCI_MANIFEST, digest_of, image, index
from tests.speak.many import Connection, Gone
from tests.speak.requests import with_digest

MOST = 8
"""Images that a client keeps: it deletes one for each that it pushes beyond them."""


@dataclass
class Seen:
    """What all normal clients saw together. Latencies in seconds."""

    statuses: Counter[int] = field(default_factory=Counter)
    gets: list[float] = field(default_factory=list)
    pushes: list[float] = field(default_factory=list)
    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    gone: int = 0
    down: bool = False
    """Whether a server is being killed or started, so that failures and 503 are to be expected."""


class Image(NamedTuple):
    """What a client has pushed: the manifest's tag, digest and size, and the digest of a layer of its own."""

    tag: str
    digest: str
    size: int
    layer: str


class Pusher:
    """One client. It pushes images, pulls and checks them, moves tags, adds referrers and deletes."""

    def __init__(self, number: int, port: int, seed: str, seen: Seen, layers: list[bytes]) -> None:
        self._chance = random.Random(f"{seed}/{number}")
        self._connection = Connection(port)
        self._seen = seen
        self._layers = layers
        self._name = f"soak/{number}"
        self.content: dict[str, str] = {}
        """What must be served: a path and the digest of its bytes."""
        self._doubtful: dict[str, set[str]] = {}
        """Paths on which a change was under way when the server went: what may be served, `""` for nothing."""
        self._images: list[Image] = []

    async def run(self) -> None:
        while True:
            step = self._chance.choice([self._push, self._pull, self._pull, self._pull, self._refer, self._listings])
            try:
                await self._settle()
                await step()
            except Gone:
                self._seen.gone += 1
                await asyncio.sleep(0.2)
            except TimeoutError:
                self._seen.lost.append(f"{self._name}: no answer for a minute")
            await asyncio.sleep(self._chance.uniform(0.1, 0.9))

    async def check(self) -> None:
        """Everything that was acknowledged is there."""
        while True:
            try:
                await self._settle()
                for path in list(self.content):
                    await self._read(path)
                return
            except Gone:
                await asyncio.sleep(0.2)

    async def close(self) -> None:
        await self._connection.closed()

    # Requests

    async def _ask(
        self, method: str, path: str, *lines: str, body: list[bytes] | None = None, into: list[float] | None = None
    ) -> Answer:
        begun, down = time.monotonic(), self._seen.down
        answer = await self._connection.request(method, path, body or (), *lines)
        if into is not None and not (down or self._seen.down):
            into.append(time.monotonic() - begun)
        self._seen.statuses[answer.status] += 1
        if answer.status == 503:
            raise ConnectionAbortedError("not now")
        return answer

    async def _change(
        self,
        method: str,
        path: str,
        place: str,
        becomes: str,
        *lines: str,
        body: list[bytes] | None = None,
        small: bool = False,
    ) -> Answer:
        """A request that makes `place` serve the digest `becomes`, or nothing if that is empty."""
        self._doubtful[place] = {self.content.get(place, ""), becomes}
        answer = await self._ask(method, path, *lines, body=body, into=self._seen.pushes if small else None)
        if answer.status in (201, 202):
            self._set(place, becomes)
            self._seen.acknowledged += 1
        else:
            self._seen.lost.append(f"{method} {path}: {answer.status} {answer.body[:200]!r}")
        del self._doubtful[place]
        return answer

    def _set(self, place: str, digest: str) -> None:
        if digest:
            self.content[place] = digest
        else:
            self.content.pop(place, None)

    async def _settle(self) -> None:
        """Find out what became of the requests that nobody answered."""
        for place, allowed in list(self._doubtful.items()):
            answer = await self._ask("GET", place)
            found = "" if answer.status == 404 else digest_of(answer.body)
            if found not in allowed:
                self._seen.lost.append(f"{place}: {answer.status}, {found} where {allowed} was pushed")
            self._set(place, found)
            del self._doubtful[place]

    async def _read(self, path: str, into: list[float] | None = None) -> None:
        answer = await self._ask("GET", path, into=into)
        if answer.status != 200 or digest_of(answer.body) != self.content[path]:
            self._seen.lost.append(f"{path}: {answer.status}, {len(answer.body)} bytes, not {self.content[path]}")
            del self.content[path]

    # Steps

    async def _blob(self, content: bytes) -> str:
        """Push it in one of the usual ways; its digest."""
        digest = digest_of(content)
        place = f"/v2/{self._name}/blobs/{digest}"
        way = self._chance.choice(["at once", "whole", "chunks", "stream"])
        if way == "at once":
            path = f"/v2/{self._name}/blobs/uploads/?digest={digest}"
            await self._change("POST", path, place, digest, body=[content], small=len(content) < 20_000)
            return digest
        where = (await self._ask("POST", f"/v2/{self._name}/blobs/uploads/")).location
        rest = content
        if way != "whole":
            cut = self._chance.randrange(1, len(content) + 1)
            piece, rest = content[:cut], content[cut:]
            pieces = [piece[: cut // 2], piece[cut // 2 :]] if way == "stream" and cut > 1 else [piece]
            lines = [f"Content-Range: 0-{cut - 1}"] if way == "chunks" else []
            answer = await self._ask("PATCH", where, *lines, body=pieces)
            if answer.status != 202 or answer.headers["range"] != f"0-{cut - 1}":
                self._seen.lost.append(f"a chunk of {cut} bytes: {answer}")
                return digest
            where = answer.location
        await self._change("PUT", with_digest(where, digest), place, digest, body=[rest])
        return digest

    async def _image(self, tag: str, **more: object) -> Image:
        """Push one with fresh and with common layers."""
        sizes = [50, 3_000, 15_000, 60_000, self._chance.choice([200_000, 1_500_000])]
        fresh = self._chance.randbytes(self._chance.choice(sizes))
        layers = [fresh, self._chance.choice(self._layers)] if self._chance.random() < 0.3 else [fresh]
        digests = [await self._blob(layer) for layer in layers]
        await self._blob(b"{}")
        body = image(b"{}", layers, **more)
        digest = digest_of(body)
        base = f"/v2/{self._name}/manifests/"
        await self._change(
            "PUT", base + tag, base + tag, digest, f"Content-Type: {OCI_MANIFEST}", body=[body], small=True
        )
        self.content[base + digest] = digest
        return Image(tag, digest, len(body), digests[0])

    async def _push(self) -> None:
        self._images.append(await self._image(f"v{self._chance.randrange(10**9)}"))
        if len(self._images) > MOST:
            old = self._images.pop(0)
            base = f"/v2/{self._name}/"
            self.content.pop(f"{base}manifests/{old.tag}", None)
            for place in (f"{base}manifests/{old.digest}", f"{base}blobs/{old.layer}"):
                await self._change("DELETE", place, place, "")

    async def _pull(self) -> None:
        if self.content:
            path = self._chance.choice(list(self.content))
            await self._read(path, self._seen.gets if "/manifests/" in path else None)

    async def _refer(self) -> None:
        """A signature, and the list of them that clients of old registries keep in a tag."""
        if not self._images:
            return
        _, subject, size, _ = self._chance.choice(self._images)
        named = {"mediaType": OCI_MANIFEST, "digest": subject, "size": size}
        _, digest, own, _ = await self._image("signature", subject=named, artifactType="example/signature")
        answer = await self._ask("GET", f"/v2/{self._name}/referrers/{subject}")
        if digest not in {entry["digest"] for entry in json.loads(answer.body)["manifests"]}:
            self._seen.lost.append(f"{digest} is not among the referrers of {subject}")
        entry = {"mediaType": OCI_MANIFEST, "digest": digest, "size": own, "artifactType": "example/signature"}
        path = f"/v2/{self._name}/manifests/{subject.replace(':', '-')}"
        answer = await self._ask("PUT", path, f"Content-Type: {OCI_INDEX}", body=[index([entry])])
        if answer.status != 201 or (await self._ask("GET", path)).status != 200:
            self._seen.lost.append(f"{path}: {answer}")

    async def _listings(self) -> None:
        answer = await self._ask("GET", f"/v2/{self._name}/tags/list")
        if answer.status == 200:
            listed = set(json.loads(answer.body)["tags"])
            missing = {image.tag for image in self._images} - listed
            if missing:
                self._seen.lost.append(f"{self._name} does not list {sorted(missing)}")
