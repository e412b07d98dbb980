"""versitygw: S3 over a folder, in which each bucket is a folder and each object a file."""

import os
import secrets
from collections.abc import Mapping, Sequence

import httpx

from tests.servers.process import RealServer
from tests.servers.s3 import S3

REGION = "us-east-1"


class Versitygw(RealServer):
    """`url` is a prefix in the bucket `registry`; `environ` has the keys, which are new for each server."""

    name = "s3"
    programs = ("versitygw",)
    remedy = "go install github.com/versity/versitygw/cmd/versitygw@v1.8.0"
    path = (os.path.expanduser("~/go/bin"),)

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(settings)
        self.environ = {
            "AWS_ACCESS_KEY_ID": f"registry{secrets.token_hex(4)}",
            "AWS_SECRET_ACCESS_KEY": secrets.token_hex(16),
        }

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return self._url_of("registry")

    def _url_of(self, bucket: str) -> str:
        return f"s3://{bucket}/holdfast?endpoint={self.endpoint}&region={REGION}&addressing=path"

    def fresh(self) -> str:
        bucket = self._next()
        self._add(bucket)
        return self._url_of(bucket)

    def client(self) -> S3:
        """One that may do everything."""
        return S3(self.endpoint, REGION, self.environ["AWS_ACCESS_KEY_ID"], self.environ["AWS_SECRET_ACCESS_KEY"])

    def _add(self, bucket: str) -> None:
        with self.client() as client:
            client.request("PUT", f"/{bucket}").raise_for_status()

    def _make(self) -> None:
        (self.folder / "data").mkdir()

    def _furnish(self) -> None:
        self._add("registry")

    def _environ(self) -> dict[str, str]:
        keys = {"ROOT_ACCESS_KEY": self.environ["AWS_ACCESS_KEY_ID"]}
        return super()._environ() | keys | {"ROOT_SECRET_KEY": self.environ["AWS_SECRET_ACCESS_KEY"]}

    def _command(self) -> Sequence[str]:
        settings = {"port": f"127.0.0.1:{self.port}", "region": REGION, "keep-alive": "true"}
        options = [f"--{name}={value}" for name, value in {**settings, **self.settings}.items()]
        return [self._found["versitygw"], *options, "posix", str(self.folder / "data")]

    def _answers(self) -> bool:
        # No other one knows the keys.
        try:
            with self.client() as client:
                return client.request("GET", "/").is_success
        except httpx.HTTPError:
            return False
