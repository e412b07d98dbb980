"""What holds for every endpoint of the OCI distribution API: the form of errors, a header, what a path may hide."""

from registry.errors import NameInvalid

API_VERSION = (b"docker-distribution-api-version", b"registry/2.0")
"""Of every answer: what Docker's clients look for."""


def plainly_encoded(raw_path: bytes) -> None:
    """Raises `NameInvalid` for a path that hides something: only the colon of a digest may be encoded."""
    if b"%" in raw_path and b"%" in raw_path.replace(b"%3A", b"").replace(b"%3a", b""):
        raise NameInvalid("only a colon may be percent-encoded in the path")
