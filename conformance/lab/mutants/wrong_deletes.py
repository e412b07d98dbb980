"""Registries that delete too much, too little, too late, or say so wrongly."""

import re
import time

from conformance.lab.mutants.layer import Call, Reply, Request, mutant
from conformance.lab.mutants.pushed import asked, digest_of, document, is_digest, pushing, remember

DELETED = Reply(202, (), b"")
DIGEST = re.compile(rb'"(sha\d+:[0-9a-f]+)"')


def deleting(request: Request, *kinds: str) -> bool:
    return request.asks("DELETE", *(kinds or ("manifest", "blob")))


def of_tag(request: Request) -> bool:
    return deleting(request, "manifest") and not is_digest(request.reference)


def of_digest(request: Request) -> bool:
    return deleting(request, "manifest") and is_digest(request.reference)


@mutant
async def deleted_with_204(call: Call, request: Request) -> Reply:
    """A deletion is answered 204."""
    reply = await call(request)
    return reply.with_status(204) if deleting(request) and reply.status == 202 else reply


@mutant
async def tags_kept(call: Call, request: Request) -> Reply:
    """Deleting a tag is answered 202 and does nothing."""
    return DELETED if of_tag(request) else await call(request)


@mutant
async def manifests_kept(call: Call, request: Request) -> Reply:
    """Deleting a manifest is answered 202 and does nothing."""
    return DELETED if of_digest(request) else await call(request)


@mutant
async def blobs_kept(call: Call, request: Request) -> Reply:
    """Deleting a blob is answered 202 and does nothing."""
    return DELETED if deleting(request, "blob") else await call(request)


@mutant
async def deleted_late(call: Call, request: Request) -> Reply:
    """What was deleted is served from a cache for a while."""
    cached, gone = remember(request, "cached"), remember(request, "gone")
    if deleting(request):
        cached[request.path] = await asked(call, request, "GET", request.path)
        gone[request.path] = time.monotonic() + 0.2
    reply = await call(request)
    if request.asks("GET HEAD", "manifest", "blob") and reply.status == 404 and request.path in gone:
        late = time.monotonic() < gone[request.path] and cached[request.path].status == 200
        return Reply(200, cached[request.path].headers, cached[request.path].body) if late else reply
    return reply


@mutant
async def tag_takes_manifest(call: Call, request: Request) -> Reply:
    """Deleting a tag deletes its manifest, with all other tags."""
    if not of_tag(request):
        return await call(request)
    head = await asked(call, request, "HEAD", request.path)
    digest = head.header("docker-content-digest")
    return await call(request.to(f"/v2/{request.name}/manifests/{digest}")) if digest else await call(request)


@mutant
async def tag_takes_longer_ones(call: Call, request: Request) -> Reply:
    """Deleting a tag deletes all tags that begin like it, as a prefix in an object store."""
    if of_tag(request):
        listing = await asked(call, request, "GET", f"/v2/{request.name}/tags/list")
        for tag in document(listing.body).get("tags") or []:
            if tag.startswith(request.reference) and tag != request.reference:
                await call(request.to(f"/v2/{request.name}/manifests/{tag}"))
    return await call(request)


@mutant
async def deleted_for_ever(call: Call, request: Request) -> Reply:
    """What was deleted cannot be seen when it is pushed again."""
    gone = remember(request, "gone")
    reply = await call(request)
    if deleting(request) and reply.good:
        gone[request.path] = True
    if request.asks("GET HEAD", "manifest", "blob") and request.path in gone and reply.status == 200:
        return await call(request.to(f"/v2/{request.name}/manifests/gone"))
    return reply


@mutant
async def unknown_deleted(call: Call, request: Request) -> Reply:
    """Deleting what is not there is answered 202."""
    reply = await call(request)
    return DELETED if deleting(request) and reply.status == 404 else reply


@mutant
async def unknown_with_other_code(call: Call, request: Request) -> Reply:
    """Deleting what is not there has the code UNSUPPORTED."""
    reply = await call(request)
    if not deleting(request) or reply.status != 404:
        return reply
    return reply.with_body(b'{"errors":[{"code":"UNSUPPORTED","message":"not there"}]}')


@mutant
async def dangling_tags(call: Call, request: Request) -> Reply:
    """The tags of a deleted manifest still give it."""
    tags, ghosts = remember(request, "tags"), remember(request, "ghosts")
    if pushing(request) and not is_digest(request.reference):
        tags[request.path] = digest_of(request)
        ghosts.pop(request.path, None)
    if of_digest(request):
        ghost = await asked(call, request, "GET", request.path)
        here = f"/v2/{request.name}/manifests/"
        ghosts |= {
            path: ghost for path, digest in tags.items() if digest == request.reference and path.startswith(here)
        }
    reply = await call(request)
    if request.asks("GET HEAD", "manifest") and reply.status == 404 and request.path in ghosts:
        return Reply(200, ghosts[request.path].headers, ghosts[request.path].body)
    return reply


@mutant
async def former_tags_taken(call: Call, request: Request) -> Reply:
    """Deleting a manifest deletes every tag that ever pointed to it."""
    tags = remember(request, "tags")
    if pushing(request) and not is_digest(request.reference):
        tags.setdefault(f"{request.name}@{digest_of(request)}", set()).add(request.path)
    reply = await call(request)
    if of_digest(request) and reply.good:
        for path in tags.get(f"{request.name}@{request.reference}", ()):
            await call(request.to(path))
    return reply


@mutant
async def index_takes_images(call: Call, request: Request) -> Reply:
    """Deleting an index deletes its images."""
    if of_digest(request):
        found = await asked(call, request, "GET", request.path)
        for entry in document(found.body).get("manifests") or []:
            await call(request.to(f"/v2/{request.name}/manifests/{entry['digest']}"))
    return await call(request)


@mutant
async def manifest_takes_blobs(call: Call, request: Request) -> Reply:
    """Deleting a manifest deletes its blobs, although others list them."""
    if of_digest(request):
        found = await asked(call, request, "GET", request.path)
        for digest in DIGEST.findall(found.body):
            await call(request.to(f"/v2/{request.name}/blobs/{digest.decode()}"))
    return await call(request)


@mutant
async def listed_breaks(call: Call, request: Request) -> Reply:
    """Deleting what a manifest lists is answered 500, as a foreign key does it."""
    listed = remember(request, "listed")
    if pushing(request):
        listed.update(dict.fromkeys(digest.decode() for digest in DIGEST.findall(request.body)))
    if deleting(request) and request.reference in listed:
        return Reply(500, (), b"")
    return await call(request)


@mutant
async def listed_refused_and_gone(call: Call, request: Request) -> Reply:
    """Deleting what a manifest lists is answered 409 and done all the same."""
    listed = remember(request, "listed")
    if pushing(request):
        listed.update(dict.fromkeys(digest.decode() for digest in DIGEST.findall(request.body)))
    reply = await call(request)
    return reply.with_status(409) if deleting(request) and request.reference in listed else reply


@mutant
async def blob_takes_manifest(call: Call, request: Request) -> Reply:
    """Deleting a blob deletes the manifests that list it."""
    users = remember(request, "users")
    if pushing(request):
        for digest in DIGEST.findall(request.body):
            users[f"{request.name}@{digest.decode()}"] = f"/v2/{request.name}/manifests/{digest_of(request)}"
    reply = await call(request)
    if deleting(request, "blob") and reply.good and f"{request.name}@{request.reference}" in users:
        await call(request.to(users[f"{request.name}@{request.reference}"]))
    return reply


@mutant
async def switched_off_and_gone(call: Call, request: Request) -> Reply:
    """Deletion is said to be switched off, 405, but done."""
    reply = await call(request)
    return reply.with_status(405) if deleting(request) and reply.good else reply


@mutant
async def forbidden(call: Call, request: Request) -> Reply:
    """Deletion is switched off and answered 501."""
    return Reply(501, (), b"") if deleting(request) else await call(request)


@mutant
async def switched_off_without_code(call: Call, request: Request) -> Reply:
    """Deletion is switched off, with the code DENIED."""
    if not deleting(request):
        return await call(request)
    return Reply(405, (("content-type", "application/json"),), b'{"errors":[{"code":"DENIED"}]}')


@mutant
async def in_all_repositories(call: Call, request: Request) -> Reply:
    """What is deleted in one repository is deleted in all."""
    names = remember(request, "names")
    reply = await call(request)
    if reply.good and (pushing(request) or request.asks("PUT", "upload")):
        names[request.name] = True
    if deleting(request) and reply.good:
        for name in list(names):
            if name.rpartition("/")[2] == request.name.rpartition("/")[2]:
                await call(request.to(request.path.replace(f"/v2/{request.name}/", f"/v2/{name}/", 1)))
    return reply


@mutant
async def neighbour_taken(call: Call, request: Request) -> Reply:
    """Deleting a blob deletes the one that was pushed after it, too."""
    pushed = remember(request, "pushed").setdefault(request.name, [])
    reply = await call(request)
    if request.asks("PUT", "upload") and reply.good:
        pushed.append(request.parameter("digest"))
    if deleting(request, "blob") and reply.good and request.reference in pushed:
        for digest in pushed[pushed.index(request.reference) + 1 :][:1]:
            await call(request.to(f"/v2/{request.name}/blobs/{digest}"))
    return reply
