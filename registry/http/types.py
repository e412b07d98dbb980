"""What ASGI passes between server and application, and by which names we add to it."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

TAP = "registry.tap"
"""In a scope: the body's `Tap`, where it may be read straight from the socket."""

STALLED = "registry.stalled"
"""In `http.disconnect`: whether it is the server who gave up waiting for the client."""

STEADY = "registry.steady"
"""In a message of an answer that others may be given, too: its `Target`."""

WHOLE = "registry.whole"
"""In the start of such an answer whose body is sent in pieces: all of it."""
