"""Secrets, which are settings of the type `SecretStr`: how they are read from files, and what is shown instead."""

import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from registry.settings.file import read_bounded

SUFFIX = "_file"
"""Behind the name of a secret: the file that it is in."""

LARGEST = 64 * 1024
"""Bytes of a file with a secret: more than a key, or a chain of certificates, has."""

MASK = str(SecretStr("any"))
"""What is shown in place of a secret."""

_USER = re.compile(r"(://)[^/?#]*@")
_ALL_BEFORE_AT = re.compile(r"(://).*@")


@dataclass(frozen=True, slots=True)
class SecretFile:
    """In place of a secret: the file that it is in."""

    path: str
    patience: float
    """Seconds for a pipe to end."""

    def read(self) -> str:
        """What is in it, without the newline at its end. Raises `ValueError` where that cannot be a secret."""
        if not self.path.strip():
            raise ValueError("names no file")
        try:
            text = read_bounded(Path(self.path), self.patience, LARGEST, "secret").decode()
        except OSError as error:
            raise ValueError(f"cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ValueError("holds bytes that are no text") from None
        text = text[:-1].removesuffix("\r") if text.endswith("\n") else text
        if not text.strip():
            raise ValueError("is an empty file")
        return text

    def __str__(self) -> str:
        """As it may be told: what is no absolute path may be the secret, given where its file should be."""
        return repr(self.path) if self.path.startswith("/") else "a relative path, not shown here,"


def refuse_no_secret(value: object) -> None:
    """Raises `ValueError` for what is none, without saying what it is. Keys and certificates have several lines."""
    if value is None or isinstance(value, SecretStr):
        return
    if not isinstance(value, str):
        raise ValueError("is no text: put it into quotes")
    if value == MASK:
        raise ValueError("is what stands in place of a secret where settings are shown: write the secret")
    if not all(character.isprintable() or character in "\t\r\n" for character in value):
        raise ValueError("holds characters that are no text")


def without_user(url: str) -> str:
    """A URL, which is well formed, with `***` for user and password."""
    return _USER.sub(r"\1***@", url)


def is_masked(text: str) -> bool:
    """Whether a secret, or a user and password, were left out of what is shown."""
    return MASK in text or "://***@" in text


def without_credentials(text: str) -> str:
    """A text in which there may be a URL that is not well formed, with `***` for what may be user and password."""
    return _ALL_BEFORE_AT.sub(r"\1***@", text)
