"""Requests to an S3 server, signed as AWS wants it (Signature Version 4): what tests look into a bucket with."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Self
from urllib.parse import quote, urlencode

import httpx


class S3:
    """One who has the keys of a server. Buckets are addressed by the path."""

    def __init__(self, endpoint: str, region: str, access_key: str, secret_key: str) -> None:
        self._client = httpx.Client(base_url=endpoint, timeout=30, verify=False)  # Certificates take long to load.
        self._host = endpoint.partition("//")[2]
        self._region = region
        self._access_key = access_key
        self._secret_key = secret_key

    def request(
        self, method: str, path: str, query: Mapping[str, str] | None = None, content: bytes = b""
    ) -> httpx.Response:
        """One request for `/BUCKET/KEY`, which is not encoded yet; whatever the answer is."""
        now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        path = quote(path)
        parameters = urlencode(sorted((query or {}).items()), quote_via=quote, safe="")
        headers = {"host": self._host, "x-amz-content-sha256": hashlib.sha256(content).hexdigest(), "x-amz-date": now}
        signed = ";".join(headers)
        lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
        asked = "\n".join([method, path, parameters, lines, signed, headers["x-amz-content-sha256"]])
        scope = f"{now[:8]}/{self._region}/s3/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(asked.encode()).hexdigest()}"
        signature = hmac.digest(self._key(scope), text.encode(), "sha256").hex()
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self._access_key}/{scope}, SignedHeaders={signed}, Signature={signature}"
        )
        url = f"{path}?{parameters}" if parameters else path
        return self._client.request(method, url, content=content, headers=headers)

    def _key(self, scope: str) -> bytes:
        key = f"AWS4{self._secret_key}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        return key

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
