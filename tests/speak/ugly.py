"""Manifests that are almost right, and bodies that are anything but."""

import json
from typing import Any

from hypothesis import strategies as st

from tests.speak.content import CONFIG, LAYER, OCI_INDEX, OCI_MANIFEST, index

DIGEST = "sha256:" + "a" * 64

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=True, allow_infinity=True),
    st.text(max_size=40),
    st.sampled_from(
        [2, 0, -1, "", "a/b", DIGEST, "sha256:../../etc/passwd", "sha512:" + "b" * 128, 2**63, "\0", "../.."]
    ),
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


def mostly(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(good, good, good, anything)


descriptors = st.fixed_dictionaries(
    {
        "mediaType": mostly(st.sampled_from([CONFIG, LAYER, OCI_MANIFEST, "a/b"])),
        "digest": mostly(st.sampled_from([DIGEST, "sha512:" + "b" * 128, "blake3:abc"])),
        "size": mostly(st.integers(0, 2**63 - 1)),
    },
    optional={"annotations": anything, "artifactType": anything, "urls": anything, "data": anything},
)
fields = st.fixed_dictionaries(
    {"schemaVersion": mostly(st.just(2))},
    optional={
        "mediaType": mostly(st.sampled_from([OCI_MANIFEST, OCI_INDEX])),
        "config": mostly(descriptors),
        "layers": mostly(st.lists(descriptors, max_size=3)),
        "manifests": mostly(st.lists(descriptors, max_size=3)),
        "subject": mostly(descriptors),
        "artifactType": mostly(st.just("a/b")),
        "annotations": mostly(st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=3)),
        "more": anything,
    },
)
documents_like = fields.map(lambda value: json.dumps(value).encode())

START = index()[:-1]

UGLY: dict[str, bytes] = {
    "nothing": b"",
    "blank": b" ",
    "null": b"null",
    "number": b"2",
    "string": b'"sha256"',
    "list": b"[]",
    "object": b"{}",
    "cut-off": START,
    "two": START + b"}" + START + b"}",
    "trailing": START + b"} x",
    "byte-order-mark": b"\xef\xbb\xbf" + START + b"}",
    "utf-16": (START + b"}").decode().encode("utf-16"),
    "not-utf-8": START + b',"x":"\xff\xfe"}',
    "overlong": START + b',"x":"\xc0\xae"}',
    "surrogate-bytes": START + b',"x":"\xed\xa0\x80"}',
    "half-a-pair": START + b',"x":"\\ud800"}',
    "half-a-pair-as-key": START + b',"\\udfff":1}',
    "half-a-pair-as-type": b'{"schemaVersion":2,"mediaType":"\\ud800"}',
    "half-a-pair-as-digest": b'{"schemaVersion":2,"manifests":[{"mediaType":"a/b","size":1,"digest":"\\ud800"}]}',
    "nul": START + b',"x":"\\u0000"}',
    "raw-nul": START + b',"x":"\0"}',
    "key-twice": START + b',"schemaVersion":2}',
    "key-twice-escaped": START + b',"schema\\u0056ersion":2}',
    "inner-key-twice": START + b',"annotations":{"a":"b","a":"c"}}',
    "not-a-number": START + b',"x":NaN}',
    "infinite": START + b',"x":-Infinity}',
    "too-large-a-number": START + b',"x":1e999}',
    "beyond-64-bits": START + b',"x":123456789012345678901234567890}',
    "many-digits": START + b',"x":' + b"9" * 5000 + b"}",
    "deep-list": START + b',"x":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "deep-object": START + b',"x":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}",
    "deep-and-open": b'{"a":[' * 50_000,
    "rather-deep": START + b',"x":' + b"[" * 70 + b"]" * 70 + b"}",
    "comment": START + b"/* */}",
    "trailing-comma": START + b",}",
    "single-quotes": b"{'schemaVersion':2}",
    "version-float": b'{"schemaVersion":2.0,"manifests":[]}',
    "version-true": b'{"schemaVersion":true,"manifests":[]}',
    "negative-size": b'{"schemaVersion":2,"manifests":[{"mediaType":"a/b","digest":"%s","size":-1}]}' % DIGEST.encode(),
    "huge-size": b'{"schemaVersion":2,"manifests":[{"mediaType":"a/b","digest":"%s","size":9223372036854775808}]}'
    % DIGEST.encode(),
    "path-as-digest": b'{"schemaVersion":2,"manifests":[{"mediaType":"a/b","digest":"sha256:../../../x","size":1}]}',
    "many-keys": START + b"," + b",".join(b'"k%d":0' % number for number in range(50_000)) + b"}",
}

ugly = st.one_of(st.binary(max_size=200), st.sampled_from(list(UGLY.values())))
