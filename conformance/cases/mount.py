"""Mounting a blob of one repository in another."""

from typing import Any
from urllib.parse import urlsplit

from conformance.case import case
from conformance.cases.uploads.steps import ALGORITHMS, absent, kept, located, present
from conformance.client.registry import OCTETS, Content, Registry
from conformance.client.wire import Answer
from conformance.model import Category

PUSH = Category.PUSH
MOUNT = "Blob mount"
ANONYMOUS = "Blob anonymous mount"
UNTOLD = frozenset({"date", "content-length", "connection", "keep-alive"})
"""Headers that say nothing of a mount. The names of all others are compared, not their values."""


def mount(r: Registry, digest: str, source: str | None, target: str | None = None) -> Answer:
    """Mount into `r.name`; not judged."""
    query: dict[str, Any] = {"mount": digest} | ({"from": source} if source is not None else {})
    return r.post(r.uploads_path(target), [("Content-Length", "0")], **query)


def mounted(r: Registry, algorithm: str = "sha256") -> tuple[Content, Answer]:
    """A blob of `r.other`, and the answer to its mount in `r.name`; skips where that only opened an upload."""
    r.needs(algorithm)
    content = r.push_blob(r.content(algorithm=algorithm), r.other)
    answer = mount(r, content.digest, r.other)
    if answer.status == 202:
        r.skip("mounting is not supported")
    r.status(answer, 201, "R-100")
    return content, answer


def pushed_instead(r: Registry, answer: Answer, content: Content, requirement: str) -> None:
    """The answer opened an upload, and the content can be pushed there."""
    r.status(answer, 202, requirement)
    location = r.location(answer, requirement)
    kept(r, r.put(location, [OCTETS], content.data, digest=content.digest), content, requirement)


@case("R-100", category=PUSH, api=MOUNT, data="Blobs {variant}", official="mount", variants=ALGORITHMS)
def from_another(r: Registry, algorithm: str) -> None:
    """A blob is mounted from another repository, and is then in both ({variant})."""
    content, answer = mounted(r, algorithm)
    kept(r, answer, content, "R-100")
    located(r, answer, content, "R-100")
    path = urlsplit(r.location(answer, "R-100")).path
    r.that(f"/v2/{r.other}/" not in path, "R-100", "the blob's URL in the target repository", path)
    present(r, "R-100", content, r.other)


@case("R-101", "R-032", category=PUSH, api=MOUNT, official="mount missing")
def missing_blob(r: Registry) -> None:
    """Mounting a blob that exists nowhere opens an upload that works, and nothing becomes visible before it ends."""
    r.push_blob(r.content(), r.other)
    content = r.content()
    answer = mount(r, content.digest, r.other)
    r.status(answer, 202, "R-101")
    absent(r, "R-101", content.digest)
    pushed_instead(r, answer, content, "R-101")


@case("R-101", category=PUSH, api=MOUNT, official="mount missing")
def missing_repository(r: Registry) -> None:
    """Mounting from a repository that does not exist opens an upload that works."""
    content = r.content()
    pushed_instead(r, mount(r, content.digest, f"{r.other}/{r.tag('none')}"), content, "R-101")


@case("R-101", category=PUSH, api=MOUNT)
def elsewhere(r: Registry) -> None:
    """A blob that is in another repository than the one named is mounted, or pushed: never an error."""
    content = r.push_blob(r.content(), r.other)
    answer = mount(r, content.digest, f"{r.other}/{r.tag('none')}")
    if answer.status == 201:
        return kept(r, answer, content, "R-100")
    return pushed_instead(r, answer, content, "R-101")


@case("R-101", category=PUSH, api=MOUNT)
def impossible_repository(r: Registry) -> None:
    """Mounting from what is no name of a repository opens an upload, or is refused as the client's fault."""
    content = r.content()
    for source in ("UPPER/case", "../../etc", "a//b", ""):
        answer = mount(r, content.digest, source)
        r.status(answer, (202, 400, 404), "R-101", f"from={source}")


@case("R-102", category=PUSH, api=ANONYMOUS, official="mount anonymous")
def from_anywhere(r: Registry) -> None:
    """A mount without from is answered 201 with a Location that gives the blob, or else opens an upload."""
    content = r.push_blob(r.content(), r.other)
    answer = mount(r, content.digest, None)
    r.status(answer, (201, 202), "R-102")
    if answer.status == 202:
        r.skip("a mount without from is not supported")
    kept(r, answer, content, "R-102")
    located(r, answer, content, "R-100")


@case("R-101", "R-102", category=PUSH, api=ANONYMOUS)
def missing_everywhere(r: Registry) -> None:
    """A mount without from, of a blob that exists nowhere, opens an upload that works."""
    content = r.content()
    pushed_instead(r, mount(r, content.digest, None), content, "R-101")


@case("R-103", category=PUSH, api=MOUNT)
def nothing_revealed(r: Registry) -> None:
    """A missing blob, a missing repository and a blob of another repository are answered alike."""
    secret = r.push_blob(r.content(), f"{r.other}/{r.tag('s')}" if not r.target.fixed else r.other)
    r.push_blob(r.content(), r.other)
    missing = f"{r.other}/{r.tag('none')}"
    answers = {
        "a missing blob": mount(r, r.content().digest, r.other),
        "a missing repository": mount(r, r.content().digest, missing),
    }
    apart = mount(r, secret.digest, missing)
    if apart.status != 201:
        answers["a blob that is only in another repository"] = apart
    told = {what: (answer.status, names(answer)) for what, answer in answers.items()}
    r.that(len(set(told.values())) == 1, "R-103", "the same answer to all", told)


@case("R-104", category=PUSH, api=MOUNT, data="Blobs {variant}", variants=ALGORITHMS)
def digest_told(r: Registry, algorithm: str) -> None:
    """Docker-Content-Digest, if a mount names it, is the digest that was asked for ({variant})."""
    content, answer = mounted(r, algorithm)
    told = answer.header("docker-content-digest")
    r.that(told in (None, content.digest), "R-104", content.digest, told)


@case("R-105", category=PUSH, api=MOUNT)
def already_there(r: Registry) -> None:
    """Mounting a blob that the target has already is answered 201 again."""
    content, _ = mounted(r)
    answer = mount(r, content.digest, r.other)
    kept(r, answer, content, "R-105")


@case("R-105", "R-044", category=PUSH, api=MOUNT)
def malformed_digest(r: Registry) -> None:
    """Mounting what is no digest is answered 400 or opens an upload."""
    r.push_blob(r.content(), r.other)
    for digest in ("sha256", "sha256:short", f"sha256:{'G' * 64}", f"sha0:{'0' * 64}", "../../x", ""):
        r.status(mount(r, digest, r.other), (400, 202), "R-105", f"mount={digest}")


@case("R-106", category=PUSH, api=MOUNT, variants=("source", "target"))
def deleted_in_one(r: Registry, where: str) -> None:
    """A mounted blob that is deleted in its {variant} stays in the other."""
    content, _ = mounted(r)
    here, there = (r.other, r.name) if where == "source" else (r.name, r.other)
    answer = r.delete(r.blob_path(content.digest, here))
    if answer.status in (400, 405):
        r.skip("blobs cannot be deleted")
    r.status(answer, 202, "R-185")
    present(r, "R-106", content, there)


@case("R-106", category=PUSH, api=MOUNT)
def mounted_again(r: Registry) -> None:
    """A blob is mounted from where it was mounted itself."""
    content, _ = mounted(r)
    name = f"{r.name}/{r.tag('third')}" if not r.target.fixed else r.other
    answer = mount(r, content.digest, r.name, name)
    r.status(answer, 201, "R-106")
    present(r, "R-106", content, name)


def names(answer: Answer) -> tuple[str, ...]:
    """Which headers there are, but for those that always differ."""
    return tuple(sorted({name for name, _ in answer.headers} - UNTOLD))
