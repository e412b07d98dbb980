"""The scenarios: what is measured, under names that never change."""

from conformance.bench.model import Group, Scenario, Unit

SCENARIOS: tuple[Scenario, ...] = (
    Scenario("manifest-get-tag", "GET manifest by tag", Group.METADATA, Unit.REQUESTS, 32),
    Scenario("manifest-get-digest", "GET manifest by digest", Group.METADATA, Unit.REQUESTS, 32),
    Scenario("manifest-head-tag", "HEAD manifest by tag", Group.METADATA, Unit.REQUESTS, 32),
    Scenario("manifest-head-digest", "HEAD manifest by digest", Group.METADATA, Unit.REQUESTS, 32),
    Scenario("tags-list", "GET tags/list, 10 tags", Group.METADATA, Unit.REQUESTS, 32),
    Scenario("catalog", "GET _catalog, a page of 20", Group.METADATA, Unit.REQUESTS, 32),
    Scenario("referrers", "GET referrers, first page of 1,000", Group.METADATA, Unit.REQUESTS, 32),
    Scenario("blob-head", "HEAD blob", Group.METADATA, Unit.REQUESTS, 32),
    Scenario("blob-get-233B", "GET blob of 233 B", Group.PULL, Unit.REQUESTS, 32),
    Scenario("blob-get-3MB", "GET blob of 3 MB", Group.PULL, Unit.MEGABYTES, 8),
    Scenario("blob-get-200MB", "GET blob of 200 MB", Group.PULL, Unit.MEGABYTES, 2),
    Scenario("blob-range", "GET 1 MB out of 200 MB", Group.PULL, Unit.MEGABYTES, 8),
    Scenario("push-4KB", "push 4 KB: POST, PUT", Group.PUSH, Unit.PUSHES, 8),
    Scenario("push-100KB", "push 100 KB: POST, PUT", Group.PUSH, Unit.PUSHES, 8),
    Scenario("push-1MB", "push 1 MB: POST, PUT", Group.PUSH, Unit.MEGABYTES, 10),
    Scenario("push-10MB", "push 10 MB: POST, PUT", Group.PUSH, Unit.MEGABYTES, 4),
    Scenario("push-100MB", "push 100 MB: POST, PUT", Group.PUSH, Unit.MEGABYTES, 2),
    Scenario("push-single-100KB", "push 100 KB: one POST", Group.PUSH, Unit.PUSHES, 8),
    Scenario("push-chunked-8MB", "push 100 MB in chunks of 8 MB", Group.PUSH, Unit.MEGABYTES, 2),
    Scenario("push-chunked-1MB", "push 50 MB in chunks of 1 MB", Group.PUSH, Unit.MEGABYTES, 2),
    Scenario("push-streamed-10MB", "push 10 MB in one streamed PATCH", Group.PUSH, Unit.MEGABYTES, 4),
    Scenario("image-push", "push image, 3 layers of 100 KB", Group.IMAGE, Unit.PUSHES, 8),
    Scenario("image-push-4KB", "push image, 3 layers of 4 KB", Group.IMAGE, Unit.PUSHES, 8),
    Scenario("image-pull", "pull image, 3 layers of 100 KB", Group.IMAGE, Unit.PULLS, 8),
    Scenario("mixed", "80 % GET, 15 % HEAD, 5 % push", Group.IMAGE, Unit.REQUESTS, 16),
    Scenario("blob-get-233B-p99", "p99 of GET 233 B", Group.LATENCY, Unit.MILLISECONDS, 64),
    Scenario("blob-get-233B-p99-beside", "… beside a reader of 200 MB", Group.LATENCY, Unit.MILLISECONDS, 64),
    Scenario("slow-beside", "… beside 16 slow clients", Group.LATENCY, Unit.MILLISECONDS, 16),
)
"""In the order in which they are measured."""

NAMES = {scenario.name: scenario for scenario in SCENARIOS}
