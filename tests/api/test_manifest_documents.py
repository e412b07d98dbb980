"""spec/manifests.md: what is a manifest, and what is none."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_plus

import httpx
import pytest

from tests.server import Server, running
from tests.speak.content import (
    CONFIG,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    EMPTY,
    LAYER,
    OCI_INDEX,
    OCI_MANIFEST,
    descriptor,
    digest_of,
    image,
    index,
)
from tests.speak.requests import errors, put_manifest

IMAGE: dict[str, Any] = json.loads(image(layers=[b"layer"]))
INDEX: dict[str, Any] = json.loads(index([image()]))
GOOD = descriptor(b"x")
SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json"


def changed(fields: dict[str, Any], **changes: Any) -> bytes:
    """The manifest with other fields; one that is `...` is left out."""
    return json.dumps({key: value for key, value in (fields | changes).items() if value is not ...}).encode()


def inserted(text: str) -> bytes:
    """An index with a further field, written as it is given."""
    return b'{"schemaVersion":2,"manifests":[],' + text.encode("utf-8", "surrogatepass") + b"}"


NOT_ONE_OBJECT = {
    "nothing": b"",
    "blanks": b" \n",
    "garbage": b"\x00\x01\x02",
    "text": b"hello",
    "cut off": image()[:-1],
    "two documents": image() + b"{}",
    "a zero byte at the end": image() + b"\0",
    "a list": b"[" + image() + b"]",
    "a string": b'"manifest"',
    "null": b"null",
    "a number": b"2",
    "single quotes": image().replace(b'"', b"'"),
    "a comment": b"/* */" + image(),
    "a comma too much": b'{"schemaVersion":2,"manifests":[],}',
    "a control character": inserted('"x":"\x01"'),
    "a line break in a string": inserted('"x":"a\nb"'),
    "byte order mark": b"\xef\xbb\xbf" + image(),
    "UTF-16": image().decode().encode("utf-16"),
    "Latin-1": inserted('"x":"é"').decode().encode("latin-1"),
    "overlong UTF-8": b'{"schemaVersion":2,"manifests":[],"x":"\xc0\xaf"}',
    "a surrogate in UTF-8": inserted('"x":"\ud800"'),
    "a key twice": b'{"schemaVersion":2,"manifests":[],"manifests":[]}',
    "a key twice, once escaped": b'{"schemaVersion":2,"manifests":[],"manifest\\u0073":[]}',
    "a key twice deep inside": inserted('"x":[{"y":{"a":1,"a":1}}]'),
    "an annotation twice": inserted('"annotations":{"a":"1","a":"2"}'),
    "NaN": inserted('"x":NaN'),
    "Infinity": inserted('"x":-Infinity'),
    "a number beyond all doubles": inserted('"x":1e400'),
    "a number of 5,000 digits": inserted('"x":' + "9" * 5000),
    "hexadecimal": inserted('"x":0x10'),
    "a leading nought": inserted('"x":01'),
    "half a pair in an annotation": inserted('"annotations":{"a":"\\ud83d"}'),
    "half a pair in an annotation's key": inserted('"annotations":{"\\ude00":""}'),
    "half a pair in an unknown field": inserted('"x":["\\uDE00\\ud83d"]'),
    "half a pair in a key": inserted('"\\ud800":1'),
    "half a pair in a digest": inserted('"subject":{"mediaType":"a/b","size":1,"digest":"\\ud800"}'),
    "half a pair in a media type": inserted('"mediaType":"\\ud800"'),
    "100,000 lists": inserted('"x":' + "[" * 100_000 + "]" * 100_000),
    "100,000 objects": inserted('"x":' + '{"x":' * 100_000 + "1" + "}" * 100_000),
    "100,000 lists that never end": inserted('"x":' + "[" * 100_000),
    "65 levels": inserted('"x":' + "[" * 64 + "]" * 64),
}
DESCRIPTORS: list[Any] = [
    None, "x", "", 1, 0, False, [], {}, {**GOOD, "digest": None}, {**GOOD, "digest": 1}, {**GOOD, "digest": ""},
    {**GOOD, "digest": "sha256:x"}, {**GOOD, "digest": "sha256"}, {**GOOD, "digest": GOOD["digest"].upper()},
    {**GOOD, "digest": GOOD["digest"] + "\n"}, {**GOOD, "digest": "sha256:" + "é" * 64}, {**GOOD, "size": None},
    {**GOOD, "size": -1}, {**GOOD, "size": "1"}, {**GOOD, "size": 1.5}, {**GOOD, "size": True}, {**GOOD, "size": 2**63},
    {**GOOD, "size": 10**400}, {**GOOD, "mediaType": None}, {**GOOD, "mediaType": ""}, {**GOOD, "mediaType": 1},
    {**GOOD, "mediaType": ["a/b"]}, {**GOOD, "mediaType": True},
    *({key: value for key, value in GOOD.items() if key != missing} for missing in GOOD),
]  # fmt: skip
NO_LIST: list[Any] = ["x", "", 0, 1, {}, GOOD, True, False]
NO_TYPE: list[Any] = [0, True, False, [], ["x"], {}, "text/plain", EMPTY]
NO_ANNOTATIONS: list[Any] = ["x", "", 0, False, [], ["x"], {"a": 1}, {"a": None}, {"a": ["x"]}, {"a": {}}]
NOTHING_OR_ONE: list[Any] = [[], None, [GOOD]]
WRONG: list[bytes] = (
    [changed(IMAGE, schemaVersion=value) for value in (..., None, 1, 3, "2", 2.0, 2.5, True, [2])]
    + [changed(IMAGE, mediaType=value) for value in NO_TYPE]
    + [changed(IMAGE, config=value) for value in (..., *DESCRIPTORS)]
    + [changed(IMAGE, layers=value) for value in (..., *NO_LIST)]
    + [changed(IMAGE, layers=[GOOD, value]) for value in DESCRIPTORS]
    + [changed(IMAGE, annotations=value) for value in NO_ANNOTATIONS]
    + [changed(IMAGE, artifactType=value) for value in NO_TYPE[:6]]
    + [changed(IMAGE, manifests=value) for value in NOTHING_OR_ONE]
    + [b"{}", changed({}, schemaVersion=2)]
)
WRONG_INDEXES: list[bytes] = (
    [changed(INDEX, schemaVersion=value) for value in (..., None, 1, "2", 2.0)]
    + [changed(INDEX, manifests=value) for value in (..., *NO_LIST)]
    + [changed(INDEX, manifests=[GOOD, value]) for value in DESCRIPTORS]
    + [changed(INDEX, layers=value) for value in NOTHING_OR_ONE]
    + [changed(INDEX, config=value) for value in (None, GOOD)]
    + [changed(INDEX, annotations=value) for value in NO_ANNOTATIONS]
)


@pytest.fixture(scope="module")
def more_types(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    types = ("--manifest-types", "application/vnd.example.thing+json", "--manifest-types", SCHEMA1)
    with running(tmp_path_factory.mktemp("types"), "--workers", "1", *types) as server:
        yield server


def refused(http: httpx.Client, name: str, body: bytes, media_type: str) -> None:
    """The push is refused and leaves nothing."""
    answer = put_manifest(http, name, "v1", body, media_type)
    assert (answer.status_code, errors(answer)) == (400, ["MANIFEST_INVALID"]), body[:300]
    assert http.get(f"/v2/{name}/tags/list").status_code == 404
    assert http.get(f"/v2/{name}/manifests/{digest_of(body)}").status_code == 404


@pytest.mark.spec("MANIFEST-19")
@pytest.mark.parametrize("case", NOT_ONE_OBJECT)
def test_what_two_readers_could_read_differently(http: httpx.Client, name: str, case: str) -> None:
    for media_type in (OCI_MANIFEST, OCI_INDEX):
        refused(http, name, NOT_ONE_OBJECT[case], media_type)
    answer = http.put(f"/v2/{name}/manifests/v1", content=NOT_ONE_OBJECT[case])
    assert (answer.status_code, errors(answer)) == (400, ["MANIFEST_INVALID"])


@pytest.mark.spec("MANIFEST-19")
@pytest.mark.parametrize(
    "text",
    ['"x":' + "[" * 63 + "]" * 63, '"x":99999999999999999999999', '"x":1e300', '"x":-0.0', '"x":"\\ud83d\\ude00"',
     '"x":"\\u0000\\uffff"', '"annotations":{"é":"\\ud83d\\ude00"}', '"":{"":""}', '"x":null', '"x":"\U0001f600"'],
)  # fmt: skip
def test_what_every_reader_understands_is_accepted(http: httpx.Client, name: str, text: str) -> None:
    body = inserted(text)
    assert put_manifest(http, name, "v1", body, OCI_INDEX).status_code == 201
    assert http.get(f"/v2/{name}/manifests/v1").content == body


@pytest.mark.spec("MANIFEST-20")
def test_image_manifests_with_wrong_fields(http: httpx.Client, name: str) -> None:
    for body in WRONG:
        refused(http, name, body, OCI_MANIFEST)


@pytest.mark.spec("MANIFEST-20")
def test_indexes_with_wrong_fields(http: httpx.Client, name: str) -> None:
    for body in WRONG_INDEXES:
        refused(http, name, body, OCI_INDEX)


@pytest.mark.spec("MANIFEST-20")
@pytest.mark.parametrize("media_type", [OCI_MANIFEST, DOCKER_MANIFEST, OCI_INDEX, DOCKER_LIST])
def test_a_manifest_of_the_other_shape(http: httpx.Client, name: str, media_type: str) -> None:
    fields = IMAGE if media_type in (OCI_INDEX, DOCKER_LIST) else INDEX
    refused(http, name, changed(fields, mediaType=media_type), media_type)
    refused(http, name, changed(IMAGE | INDEX, mediaType=media_type), media_type)


@pytest.mark.spec("MANIFEST-21")
@pytest.mark.parametrize("fields", [IMAGE, INDEX], ids=["image", "index"])
def test_subjects_that_are_no_descriptors(http: httpx.Client, name: str, fields: dict[str, Any]) -> None:
    for subject in DESCRIPTORS:
        if subject is not None:
            refused(http, name, changed(fields, subject=subject), fields["mediaType"])


@pytest.mark.spec("MANIFEST-16", "MANIFEST-22")
@pytest.mark.parametrize(
    "body",
    [
        image(layers=[]), index([]), changed(IMAGE, layers=None), changed(INDEX, manifests=None),
        image(b"", layers=[b"", b"", b""]), changed(IMAGE, annotations=None, subject=None, artifactType=None),
        changed(IMAGE, config=descriptor(b"{}", EMPTY), artifactType="application/vnd.example.sbom"),
        changed(IMAGE, config=descriptor(b"{}", EMPTY), layers=[descriptor(b"{}", EMPTY)] * 2),
        changed(IMAGE, unknown={"a": [1, None, True]}, annotations={"": "", "org.example": "\u00e9"}, artifactType=""),
        changed(IMAGE, config={**descriptor(b"c", "application/x.y+z"), "unknown": 1, "data": "Yw==", "urls": []}),
        changed(IMAGE, layers=[{**GOOD, "mediaType": "text/x-unknown", "annotations": {"a": "b"}, "platform": {}}]),
        changed(IMAGE, layers=[{**GOOD, "size": 0}, {**GOOD, "size": 2**63 - 1}]),
        changed(IMAGE, layers=[{**GOOD, "digest": "blake3:" + "0" * 64}, {**GOOD, "digest": "sha256+b64u:a_-="}]),
        changed(IMAGE, layers=[{**GOOD, "digest": digest_of(b"x", "sha512")}]),
        changed(IMAGE, subject={**GOOD, "digest": "multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8"}),
        changed(INDEX, artifactType="application/vnd.example.thing", subject=GOOD),
        changed(INDEX, manifests=[descriptor(b"i", OCI_INDEX), descriptor(b"b", LAYER, platform={"os": "x"})]),
        changed(INDEX, manifests=[GOOD, {**GOOD, "platform": None}, {**GOOD, "urls": ["https://example.test"]}]),
        changed(IMAGE, config=descriptor(b"c", CONFIG), layers=[GOOD] * 500),
    ],
)  # fmt: skip
def test_what_is_unusual_is_accepted(http: httpx.Client, name: str, body: bytes) -> None:
    media_type = json.loads(body)["mediaType"]
    for reference in ("v1", digest_of(body)):
        assert put_manifest(http, name, reference, body, media_type).status_code == 201
    assert http.get(f"/v2/{name}/manifests/v1").content == body


ODD_TYPES = {
    "parameters": "application/vnd.dev.sigstore.bundle+json;version=0.2",
    "parameters with blanks and quotes": 'text/plain; charset="utf-8" ',
    "no slash": "referrer.index",
    "a word": "text",
    "128 characters": "a/" + "b" * 126,
    "255 characters": "a/" + "b" * 253,
    "256 characters": "a/" + "b" * 254,
    "256 characters that are not ASCII": "\u00e9" * 256,
    "100,000 characters": "a/" + "b" * 100_000,
    "blanks": " foo  bar ",
    "a blank": " ",
    "not ASCII": "\u00e4/\U0001f600",
    "quotes and commas": "a\"b',;c",
    "percent": "%2B%",
    "plus": "a+b c+d",
    "markup": "<a>&b=c#d?e",
    "line breaks": "a\r\nb: c\n",
    "a null character": "a\0b",
    "a null character alone": "\0",
    "separators": "\u2028\u2029\x7f\x85",
    "right to left": "\u202ea/b",
    "combining": "e\u0301",
    "the last of Unicode": "\U0010ffff\uffff",
}
"""Which clients write, or which would break something if it were taken for more than text."""


@pytest.mark.spec("MANIFEST-22", "REFERRER-12", "REFERRER-13", "REFERRER-35")
@pytest.mark.parametrize("case", ODD_TYPES)
def test_media_types_are_taken_as_they_came(http: httpx.Client, name: str, case: str) -> None:
    """In every descriptor and as artifact type; the manifest, its entry and the filter know the whole of it."""
    odd = ODD_TYPES[case]
    one = {**GOOD, "mediaType": odd}
    bodies = [
        changed(IMAGE, config=one, layers=[one, GOOD], subject=one),
        changed(IMAGE, config=GOOD, artifactType=odd, subject=GOOD),
        changed(INDEX, manifests=[one], artifactType=odd, subject=one),
    ]
    for body in bodies:
        for reference in ("v1", digest_of(body)):
            answer = put_manifest(http, name, reference, body, json.loads(body)["mediaType"])
            assert answer.status_code == 201, answer.text
        assert http.get(f"/v2/{name}/manifests/v1").content == body
    path = f"/v2/{name}/referrers/{GOOD['digest']}"
    listed = [(digest_of(body), odd) for body in bodies]
    assert [(entry["digest"], entry["artifactType"]) for entry in http.get(path).json()["manifests"]] == listed
    if len(odd) > 2000:
        return  # More than a URL has.
    for written in (quote(odd, safe=""), quote(odd, safe="+"), quote_plus(odd)):
        answer = http.get(f"{path}?artifactType={written}")
        found = [(entry["digest"], entry["artifactType"]) for entry in answer.json()["manifests"]]
        # As it is in forms, a plus is a blank only where there is no type with a plus.
        assert found == listed or (written == quote_plus(odd) and " " in odd and "+" in odd)
        assert answer.headers["oci-filters-applied"] == "artifactType"
    assert http.get(f"{path}?artifactType={quote('x' + odd, safe='')}").json()["manifests"] == []


@pytest.mark.spec("MANIFEST-15")
@pytest.mark.parametrize(
    "media_type",
    [SCHEMA1, "application/vnd.docker.distribution.manifest.v1+prettyjws", "application/json", CONFIG, EMPTY,
     "application/vnd.oci.artifact.manifest.v1+json", "application/vnd.example.thing+json", "x", "é", "*/*"],
)  # fmt: skip
def test_other_types_are_refused(http: httpx.Client, name: str, media_type: str) -> None:
    headers = [(b"content-type", media_type.encode("latin-1"))]
    answer = http.put(f"/v2/{name}/manifests/v1", content=changed(IMAGE, mediaType=media_type), headers=headers)
    assert (answer.status_code, errors(answer)) == (400, ["MANIFEST_INVALID"])
    assert http.get(f"/v2/{name}/tags/list").status_code == 404


@pytest.mark.spec("MANIFEST-15")
def test_types_that_the_operator_named_are_accepted(more_types: Server, name: str) -> None:
    with httpx.Client(base_url=more_types.url) as http:
        thing = json.dumps({"thing": 1, "subject": GOOD, "artifactType": "a/b", "annotations": {"c": "d"}}).encode()
        for body, media_type in ((thing, "application/vnd.example.thing+json"), (b'{"schemaVersion":1}', SCHEMA1)):
            assert put_manifest(http, name, "v1", body, media_type).status_code == 201
            answer = http.get(f"/v2/{name}/manifests/v1")
            assert (answer.content, answer.headers["content-type"]) == (body, media_type)
        listed = http.get(f"/v2/{name}/referrers/{GOOD['digest']}").json()["manifests"]
        assert [(entry["artifactType"], entry["annotations"]) for entry in listed] == [("a/b", {"c": "d"})]
        refused(http, f"{name}/other", b"[]", SCHEMA1)
        refused(http, f"{name}/other", thing, "application/vnd.example.other+json")
