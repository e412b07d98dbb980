"""How cases are written: a function, and a line above it that says what it judges by.

@case("R-060", category=PUSH, api="Blob post put", official="post+put")
def monolithic_upload(r: Registry) -> None:
    \"\"\"A blob is pushed by POST and PUT.\"\"\"
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import conformance.requirements as requirements
from conformance.client.registry import Registry
from conformance.model import Case, Category, Duty, Level


@dataclass(frozen=True, slots=True)
class RegistryCase(Case):
    """A case, and how a registry is asked."""

    function: Callable[[Registry], None]


CASES: dict[str, RegistryCase] = {}
"""Every case, in the order in which the modules of `conformance.cases` define them."""

PUBLISHED = {
    "blobs_ranges": "blob_ranges",
    "blobs_ranges_more": "blob_ranges_more",
    "tags_names": "tag_names",
    "tags_param": "tag_param",
}
"""Groups called otherwise than their place says. Names stay: reports of other times are compared by them."""

Function = TypeVar("Function", bound=Callable[..., None])


def case(
    *judged_by: str,
    category: Category,
    api: str = "",
    data: str = "",
    official: str | Sequence[str] = (),
    since: Level | None = None,
    duty: Duty | None = None,
    variants: Sequence[str] = (),
) -> Callable[[Function], Function]:
    """Make a function a case. The first requirement gives level and duty, unless they are said.

    With `variants` there is one case for each, given to the function as its second argument."""

    def register(function: Function) -> Function:
        first = requirements.find(judged_by[0])
        names = (official,) if isinstance(official, str) else tuple(official)
        for identity in judged_by:
            requirements.find(identity)
        place = group(function.__module__)
        title = (function.__doc__ or "").strip().split("\n")[0]
        assert title, f"{function.__name__} has no docstring"
        for variant in variants or ("",):
            identity = f"{place}/{function.__name__}" + (f"[{variant}]" if variant else "")
            assert identity not in CASES, identity
            CASES[identity] = RegistryCase(
                id=identity,
                title=title.replace("{variant}", variant),
                category=category,
                since=since or first.since,
                duty=duty or first.duty,
                requirements=judged_by,
                official=tuple(name.replace("{variant}", variant) for name in names),
                function=partial(run_variant, function, variant) if variant else function,
                api=api.replace("{variant}", variant),
                data=data.replace("{variant}", variant),
            )
        return function

    return register


def run_variant(function: Callable[[Registry, str], None], variant: str, registry: Registry) -> None:
    function(registry, variant)


def group(module: str) -> str:
    """What the ids of a module's cases begin with: its folder in `conformance.cases` and its name, or what both are.

    `uploads/chunks.py` is `uploads_chunks`, `referrers/referrers.py` is `referrers`, `head.py` is `head`."""
    *folder, name = module.removeprefix("conformance.cases.").split(".")
    called = "_".join([*folder, name] if folder != [name] else folder)
    return PUBLISHED.get(called, called)
