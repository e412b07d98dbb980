"""Registries that list referrers wrongly."""

import asyncio
from collections.abc import Callable
from typing import Any

from conformance.lab.mutants.layer import Call, Reply, Request, mutant
from conformance.lab.mutants.pushed import asked, digest_of, document, fields_of, is_digest, pushing, remember, replaced

Entry = dict[str, Any]
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"


def listing(request: Request, reply: Reply) -> bool:
    return request.asks("GET", "referrers") and reply.status == 200


def entries(reply: Reply) -> list[Entry]:
    return list(fields_of(reply).get("manifests") or [])


def fallback(digest: str) -> str:
    return digest.replace(":", "-")[:71]


async def pushed(call: Call, request: Request) -> tuple[Reply, dict[str, Entry]]:
    """The right answer, and all manifests that were pushed, by their digests."""
    documents: dict[str, Entry] = remember(request, "documents")
    reply = await call(request)
    if pushing(request) and reply.good:
        documents[digest_of(request)] = document(request.body)
    return reply, documents


async def kept(call: Call, request: Request, keep: Callable[[Entry, Entry], bool]) -> Reply:
    """The list with only those entries for which it holds, given the entry and the manifest."""
    reply, documents = await pushed(call, request)
    if not listing(request, reply):
        return reply
    return replaced(reply, manifests=[one for one in entries(reply) if keep(one, documents.get(one["digest"], {}))])


async def changed(call: Call, request: Request, change: Callable[[Entry, Entry], Entry]) -> Reply:
    """The list with each entry changed, given the entry and the manifest."""
    reply, documents = await pushed(call, request)
    if not listing(request, reply):
        return reply
    return replaced(reply, manifests=[change(one, documents.get(one["digest"], {})) for one in entries(reply)])


@mutant
async def unknown_is_404(call: Call, request: Request) -> Reply:
    """The referrers of what has none are answered 404, as Quay answers an unknown digest."""
    reply = await call(request)
    return reply.with_status(404) if listing(request, reply) and not entries(reply) else reply


@mutant
async def empty_is_null(call: Call, request: Request) -> Reply:
    """An empty list of referrers is null."""
    reply = await call(request)
    return replaced(reply, manifests=None) if listing(request, reply) and not entries(reply) else reply


@mutant
async def no_schema_version(call: Call, request: Request) -> Reply:
    """The list of referrers has schemaVersion 1."""
    reply = await call(request)
    return replaced(reply, schemaVersion=1) if listing(request, reply) else reply


@mutant
async def no_media_type(call: Call, request: Request) -> Reply:
    """The list of referrers has no mediaType."""
    reply = await call(request)
    return replaced(reply, mediaType="") if listing(request, reply) else reply


@mutant
async def type_with_charset(call: Call, request: Request) -> Reply:
    """The Content-Type of the list of referrers has a charset, as a framework adds it."""
    reply = await call(request)
    return reply.with_header("content-type", f"{OCI_INDEX}; charset=utf-8") if listing(request, reply) else reply


@mutant
async def malformed_is_unknown(call: Call, request: Request) -> Reply:
    """A malformed digest has an empty list of referrers."""
    reply = await call(request)
    if not request.asks("GET", "referrers") or reply.status != 400:
        return reply
    return Reply(200, (("content-type", OCI_INDEX),), b'{"schemaVersion":2,"mediaType":"%s","manifests":[]}'
                 % OCI_INDEX.encode())  # fmt: skip


@mutant
async def indexes_hidden(call: Call, request: Request) -> Reply:
    """Indexes are no referrers, as they once were none in Harbor."""
    return await kept(call, request, lambda entry, _: entry["mediaType"] != OCI_INDEX)


@mutant
async def size_missing(call: Call, request: Request) -> Reply:
    """The size of each referrer is 0."""
    return await changed(call, request, lambda entry, _: entry | {"size": 0})


@mutant
async def media_type_same(call: Call, request: Request) -> Reply:
    """Each referrer is said to be an image manifest of Docker."""
    docker = "application/vnd.docker.distribution.manifest.v2+json"
    return await changed(call, request, lambda entry, _: entry | {"mediaType": docker})


@mutant
async def nested_too(call: Call, request: Request) -> Reply:
    """The referrers of referrers are listed too."""
    reply = await call(request)
    if not listing(request, reply):
        return reply
    found = entries(reply)
    for one in list(found):
        below = await asked(call, request, "GET", f"/v2/{request.name}/referrers/{one['digest']}")
        found += entries(below)
    return replaced(reply, manifests=found)


@mutant
async def config_type_always(call: Call, request: Request) -> Reply:
    """The artifactType of an image is always its config's."""

    def change(entry: Entry, manifest: Entry) -> Entry:
        return entry | ({"artifactType": manifest["config"]["mediaType"]} if "config" in manifest else {})

    return await changed(call, request, change)


@mutant
async def no_type_of_indexes(call: Call, request: Request) -> Reply:
    """The artifactType of an index is left out."""

    def change(entry: Entry, _: Entry) -> Entry:
        return {k: v for k, v in entry.items() if k != "artifactType" or entry["mediaType"] != OCI_INDEX}

    return await changed(call, request, change)


@mutant
async def no_config_type(call: Call, request: Request) -> Reply:
    """An image without artifactType is listed without one."""

    def change(entry: Entry, manifest: Entry) -> Entry:
        return entry if manifest.get("artifactType") else {k: v for k, v in entry.items() if k != "artifactType"}

    return await changed(call, request, change)


@mutant
async def some_type_for_indexes(call: Call, request: Request) -> Reply:
    """An index without artifactType is given the empty type."""
    return await changed(call, request, lambda entry, _: {"artifactType": EMPTY_TYPE} | entry)


@mutant
async def annotations_lost(call: Call, request: Request) -> Reply:
    """Entries have no annotations."""
    return await changed(
        call, request, lambda entry, _: {key: value for key, value in entry.items() if key != "annotations"}
    )


@mutant
async def annotations_added(call: Call, request: Request) -> Reply:
    """Each entry has an annotation of the registry's own."""

    def change(entry: Entry, _: Entry) -> Entry:
        return entry | {"annotations": {**(entry.get("annotations") or {}), "org.example.pushed": "now"}}

    return await changed(call, request, change)


@mutant
async def subject_has_to_be_there(call: Call, request: Request) -> Reply:
    """A referrer that was pushed before its subject is not listed."""
    early = remember(request, "early")
    if pushing(request):
        subject = document(request.body).get("subject", {}).get("digest")
        if subject:
            there = await asked(call, request, "HEAD", f"/v2/{request.name}/manifests/{subject}")
            if there.status == 404:
                early[digest_of(request)] = True
    return await kept(call, request, lambda entry, _: entry["digest"] not in early)


@mutant
async def sha512_unknown(call: Call, request: Request) -> Reply:
    """The referrers of a sha512 digest are never listed."""
    return await kept(call, request, lambda _, manifest: not manifest["subject"]["digest"].startswith("sha512"))


@mutant
async def once_for_each_push(call: Call, request: Request) -> Reply:
    """A referrer is listed as often as it was pushed."""
    count = remember(request, "count")
    reply = await call(request)
    if pushing(request) and reply.good:
        count[digest_of(request)] = count.get(digest_of(request), 0) + 1
    if not listing(request, reply):
        return reply
    return replaced(reply, manifests=[one for one in entries(reply) for _ in range(count.get(one["digest"], 1))])


@mutant
async def order_changes(call: Call, request: Request) -> Reply:
    """Every other list of referrers is in reverse."""
    reply = await call(request)
    if not listing(request, reply):
        return reply
    count = remember(request, "count")
    count["lists"] = count.get("lists", 0) + 1
    count[request.path] = count.get(request.path, 0) + 1
    return replaced(reply, manifests=entries(reply)[::-1]) if count[request.path] % 2 else reply


@mutant
async def last_writer_wins(call: Call, request: Request) -> Reply:
    """The list is read, added to and written back: of two pushes at once one is lost."""
    lists = remember(request, "lists")
    subject = document(request.body).get("subject", {}).get("digest") if pushing(request) else None
    if subject:
        before = lists.get(subject, [])
        reply = await call(request)
        await asyncio.sleep(0.05)
        if reply.good:
            lists[subject] = [*before, digest_of(request)]
        return reply
    return await kept(call, request, lambda entry, _: entry["digest"] in lists.get(request.reference, []))


@mutant
async def tagged_hidden(call: Call, request: Request) -> Reply:
    """A referrer that was pushed by a tag is not listed."""
    hidden = remember(request, "hidden")
    if pushing(request) and not is_digest(request.reference):
        hidden[digest_of(request)] = True
    return await kept(call, request, lambda entry, _: entry["digest"] not in hidden)


@mutant
async def in_all_repositories(call: Call, request: Request) -> Reply:
    """Referrers are listed from every repository that has the subject."""
    names = remember(request, "names")
    reply = await call(request)
    if pushing(request) and reply.good:
        names.setdefault(digest_of(request), set()).add(request.name)
        subject = document(request.body).get("subject", {}).get("digest")
        if subject:
            names.setdefault(subject, set()).add(request.name)
    if not listing(request, reply):
        return reply
    found = {one["digest"]: one for one in entries(reply)}
    for name in sorted(names.get(request.reference, ())):
        other = await asked(call, request, "GET", f"/v2/{name}/referrers/{request.reference}")
        found |= {one["digest"]: one for one in entries(other)}
    return replaced(reply, manifests=list(found.values()))


@mutant
async def fallback_hidden(call: Call, request: Request) -> Reply:
    """Tags in the form of the fallback are not listed."""
    reply = await call(request)
    if not request.asks("GET", "tags") or reply.status != 200:
        return reply
    return replaced(reply, tags=[tag for tag in fields_of(reply)["tags"] if not tag.startswith("sha256-")])


@mutant
async def fallback_takes_referrers(call: Call, request: Request) -> Reply:
    """With the tag of the fallback all referrers of its subject are gone."""
    gone = remember(request, "gone")
    if request.asks("DELETE", "manifest"):
        gone[request.reference] = True
    return await kept(call, request, lambda _, __: fallback(request.reference) not in gone)


async def merged(call: Call, request: Request, reply: Reply) -> list[Entry]:
    tag = await asked(call, request, "GET", f"/v2/{request.name}/manifests/{fallback(request.reference)}")
    return entries(tag) if tag.status == 200 else []


@mutant
async def fallback_added(call: Call, request: Request) -> Reply:
    """What stands in the index of a fallback tag is added to the list, whether it is there or not."""
    reply = await call(request)
    if not listing(request, reply):
        return reply
    return replaced(reply, manifests=entries(reply) + await merged(call, request, reply))


@mutant
async def fallback_believed(call: Call, request: Request) -> Reply:
    """What stands in the index of a fallback tag is listed, whether it has the subject or not."""
    reply = await call(request)
    if not listing(request, reply):
        return reply
    digests = {one["digest"] for one in entries(reply)}
    more = [one for one in await merged(call, request, reply) if one["digest"] not in digests]
    return replaced(reply, manifests=entries(reply) + more)


@mutant
async def deleted_still_listed(call: Call, request: Request) -> Reply:
    """Deleted referrers stay in the list."""
    gone: dict[str, Entry] = remember(request, "gone")
    reply, documents = await pushed(call, request)
    if request.asks("DELETE", "manifest") and reply.good and "subject" in documents.get(request.reference, {}):
        fields = documents[request.reference]
        media_type = fields["mediaType"]
        gone[request.reference] = {"mediaType": media_type, "digest": request.reference, "size": 1}
    if not listing(request, reply):
        return reply
    there = {one["digest"] for one in entries(reply)}
    stale = [one for digest, one in gone.items() if documents[digest]["subject"]["digest"] == request.reference]
    return replaced(reply, manifests=entries(reply) + [one for one in stale if one["digest"] not in there])


@mutant
async def deleted_for_ever(call: Call, request: Request) -> Reply:
    """A referrer that was deleted is not listed when it is pushed again."""
    gone = remember(request, "gone")
    if request.asks("DELETE", "manifest"):
        gone[request.reference] = True
    return await kept(call, request, lambda entry, _: entry["digest"] not in gone)


@mutant
async def untagged_hidden(call: Call, request: Request) -> Reply:
    """A referrer whose tag was deleted is not listed."""
    tags, hidden = remember(request, "tags"), remember(request, "hidden")
    if pushing(request):
        tags[request.path] = digest_of(request)
    if request.asks("DELETE", "manifest") and not is_digest(request.reference):
        hidden[tags.get(request.path)] = True
    return await kept(call, request, lambda entry, _: entry["digest"] not in hidden)


@mutant
async def gone_with_subject(call: Call, request: Request) -> Reply:
    """The referrers of a deleted subject are answered 404."""
    gone = remember(request, "gone")
    reply = await call(request)
    if request.asks("DELETE", "manifest") and reply.good:
        gone[f"{request.name}@{request.reference}"] = True
    if listing(request, reply) and f"{request.name}@{request.reference}" in gone:
        return reply.with_status(404)
    return reply
