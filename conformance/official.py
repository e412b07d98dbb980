"""The official suite: its environment variables and its file, read as it reads them, and what they mean here."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from conformance.model import Case, Category, Level

TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})

VERSIONS = {"": Level.V1_1, "stable": Level.V1_1, "1.1": Level.V1_1, "1.0": Level.V1_0, "dev": Level.DEV}

APIS = {
    "OCI_API_PING": ("Ping",),
    "OCI_API_BLOBS_ATOMIC": ("Blob delete atomic",),
    "OCI_API_BLOBS_DELETE": ("Blob delete", "Blob delete atomic"),
    "OCI_API_BLOBS_MOUNT_ANONYMOUS": ("Blob anonymous mount",),
    "OCI_API_BLOBS_UPLOAD_CANCEL": ("Blob upload cancel",),
    "OCI_API_MANIFESTS_ATOMIC": ("Manifest delete atomic",),
    "OCI_API_MANIFESTS_DELETE": ("Manifest delete", "Manifest delete atomic"),
    "OCI_API_MANIFESTS_TAG_PARAM": ("Manifest put with tag params",),
    "OCI_API_TAGS_ATOMIC": ("Tag delete atomic",),
    "OCI_API_TAGS_DELETE": ("Tag delete", "Tag delete atomic"),
    "OCI_API_TAGS_LIST": ("Tag listing",),
    "OCI_API_REFERRER": ("Referrers", "Manifest put with subject"),
}
"""What is switched off by false, and on, whatever the level, by true: names of APIs."""

REQUIREMENTS = {
    "OCI_API_BLOBS_DIGEST_HEADER": ("R-031",),
    "OCI_API_MANIFESTS_DIGEST_HEADER": ("R-021",),
}
"""The same by requirement: cases about nothing but a header."""

DATA = {
    "OCI_DATA_INDEX": ("index", "nested-index", "empty-index"),
    "OCI_DATA_INDEX_LIST": ("nested-index",),
    "OCI_DATA_ARTIFACT": ("artifact", "artifact-without-layers"),
    "OCI_DATA_ARTIFACT_LIST": ("artifact-index",),
    "OCI_DATA_SUBJECT": ("artifacts-with-subject",),
    "OCI_DATA_SUBJECT_MISSING": ("missing-subject",),
    "OCI_DATA_SUBJECT_LIST": ("index-with-subject",),
    "OCI_DATA_DATA_FIELD": ("data-field",),
    "OCI_DATA_NONDISTRIBUTABLE": ("non-distributable-layers",),
    "OCI_DATA_CUSTOM_FIELDS": ("custom-fields",),
    "OCI_DATA_NO_LAYERS": ("no-layers",),
    "OCI_DATA_EMPTY_BLOB": ("empty",),
    "OCI_DATA_SHA512": ("sha512", "tag-param-sha512"),
}
"""What is switched off by false: names of the suite's data sets."""

SWITCHES = ("OCI_API_PULL", "OCI_API_PUSH", "OCI_DATA_IMAGE", "OCI_DATA_SPARSE")
"""More that are true or false."""

SETS = (
    "image",
    "image-uncompressed",
    "large-manifest",
    "index",
    "nested-index",
    "empty-index",
    "artifact",
    "artifact-index",
    "artifact-without-layers",
    "artifacts-with-subject",
    "index-with-subject",
    "missing-subject",
    "data-field",
    "non-distributable-layers",
    "custom-fields",
    "no-layers",
    "sparse",
    "sha512",
    "tag-param-sha256",
    "tag-param-sha512",
    "bad-digest-image",
)
"""Every data set; all of them hang on `OCI_DATA_IMAGE`."""

WORKFLOWS = {
    "OCI_TEST_PULL": Category.PULL,
    "OCI_TEST_PUSH": Category.PUSH,
    "OCI_TEST_CONTENT_DISCOVERY": Category.DISCOVERY,
    "OCI_TEST_CONTENT_MANAGEMENT": Category.MANAGEMENT,
}
"""The older suite's switches: once one is named, only those that are on count."""

ROOT = "OCI Conformance Test/"

FILE = "OCI_CONFIGURATION"
"""Names the suite's file; without it `oci-conformance.yaml` is read, if it is there."""

DEFAULT_FILE = "oci-conformance.yaml"

NAMES = {"OCI_APIS": "OCI_API", "OCI_LOGGING": "OCI_LOG"}
"""Keys of the file that their variables have another word for."""

NOTHING = ("", "~", "null", "Null", "NULL")
"""What YAML says for no value."""


class VariableInvalid(ValueError):
    """An environment variable whose value cannot be understood."""


@dataclass
class Wishes:
    """What the variables ask for. `values` are options of this kit by name; `off` reasons by what is switched off."""

    values: dict[str, str] = field(default_factory=dict)
    allow: set[str] = field(default_factory=set)
    categories: set[Category] = field(default_factory=set)
    test: str = ""
    off_apis: dict[str, str] = field(default_factory=dict)
    off_data: dict[str, str] = field(default_factory=dict)
    off_requirements: dict[str, str] = field(default_factory=dict)
    off_categories: dict[Category, str] = field(default_factory=dict)
    on_apis: set[str] = field(default_factory=set)
    on_requirements: set[str] = field(default_factory=set)

    def disabled(self, case: Case) -> str:
        """Why the case is not to run; empty if it is."""
        wanted = [
            self.off_categories.get(case.category),
            self.off_apis.get(case.api),
            self.off_requirements.get(case.requirements[0]),
            *(reason for name, reason in self.off_data.items() if about(case, name)),
        ]
        return next((reason for reason in wanted if reason), "")

    def asked(self, case: Case) -> bool:
        """Whether the case is asked for although its level is not."""
        return case.api in self.on_apis or case.requirements[0] in self.on_requirements

    def filtered(self, case: Case) -> bool:
        """Whether the case is among those that `OCI_FILTER_TEST` names."""
        if not self.test:
            return True
        wanted = self.test.removeprefix(ROOT)
        algorithm, found, rest = wanted.partition(" blobs")
        if found and algorithm in ("sha256", "sha512"):
            other = {"sha256": "sha512", "sha512": "sha256"}[algorithm]
            names = [name for name in case.official if name.partition("/")[0] not in SETS]
            return bool(names) and other not in case.id and any(name.startswith(rest.lstrip("/")) for name in names)
        return any(name.startswith(wanted) for name in case.official)


def about(case: Case, name: str) -> bool:
    """Whether the case is about this data set. Algorithms are variants of ours too."""
    if name == "sha512" and ("[sha512]" in case.id or "sha512" in case.data):
        return True
    return case.data == name or any(test == name or test.startswith(f"{name}/") for test in case.official)


def read(environ: Mapping[str, str]) -> Wishes:
    """What the variables of the official suite, its file and its older names ask for. Raises `VariableInvalid`."""
    # Older names, then the file, then the variables: each goes before what comes earlier here.
    environ = {**configuration(environ), **{name: value for name, value in environ.items() if value}}
    wishes = Wishes()
    _older(environ, wishes)
    _target(environ, wishes)
    for variable, names in APIS.items():
        value = boolean(environ, variable)
        if value is False:
            wishes.off_apis |= dict.fromkeys(names, f"{variable} is false")
        elif value:
            wishes.on_apis.update(names)
    for variable, names in REQUIREMENTS.items():
        value = boolean(environ, variable)
        if value is False:
            wishes.off_requirements |= dict.fromkeys(names, f"{variable} is false")
        elif value:
            wishes.on_requirements.update(names)
    for variable, names in {"OCI_DATA_IMAGE": SETS, **DATA}.items():
        if boolean(environ, variable) is False:
            wishes.off_data |= dict.fromkeys(names, f"{variable} is false")
    if boolean(environ, "OCI_API_PULL") is False:
        wishes.off_categories[Category.PULL] = "OCI_API_PULL is false"
    if boolean(environ, "OCI_API_PUSH") is False:
        wishes.values["read_only"] = "true"
    atomic = ("OCI_API_BLOBS_ATOMIC", "OCI_API_MANIFESTS_ATOMIC", "OCI_API_TAGS_ATOMIC")
    if any(boolean(environ, variable) is False for variable in atomic):
        wishes.allow.add("async-delete")
    if boolean(environ, "OCI_DATA_SPARSE"):
        wishes.allow.add("sparse")
    wishes.test = environ.get("OCI_FILTER_TEST", "")
    return wishes


def configuration(environ: Mapping[str, str]) -> dict[str, str]:
    """What the suite's file says, by the names of its variables; empty if there is none. Raises `VariableInvalid`."""
    if FILE not in environ and not Path(DEFAULT_FILE).is_file():
        return {}
    import yaml

    name = environ.get(FILE, DEFAULT_FILE)
    try:
        # As it was written: a version is no number.
        document = yaml.load(Path(name).read_bytes(), yaml.BaseLoader)  # noqa: S506  (it makes nothing but text)
    except OSError as error:
        raise VariableInvalid(f"{FILE}: cannot read {name!r}: {error.strerror or error}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise VariableInvalid(f"{FILE}: {name!r} is not YAML: {error}") from None
    if document in (None, *NOTHING):
        return {}
    if not isinstance(document, dict):
        raise VariableInvalid(f"{FILE}: {name!r} has no keys")
    found = dict(_named(document, "OCI", name))
    for variable in {*APIS, *REQUIREMENTS, *DATA, *SWITCHES} & set(found):
        if found[variable] not in TRUE | FALSE:
            raise VariableInvalid(f"{name}: {variable} is {found[variable]!r}: true or false is expected")
    return found


def _named(document: dict[object, object], prefix: str, file: str) -> Iterator[tuple[str, str]]:
    """Each variable that the file stands for: OCI_API_PULL for `apis: {pull: …}`. Raises `VariableInvalid`."""
    for key, value in document.items():
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", str(key)).upper()
        name = NAMES.get(f"{prefix}_{words}", f"{prefix}_{words}")
        if isinstance(value, dict):
            yield from _named(value, name, file)
        elif isinstance(value, list):
            if not all(isinstance(entry, str) for entry in value):
                raise VariableInvalid(f"{FILE}: {file!r}: {key} is no list of words")
            yield name, " ".join(value)
        elif value not in NOTHING:
            yield name, str(value)


def boolean(environ: Mapping[str, str], variable: str) -> bool | None:
    """As Go's ParseBool reads it; None where it is not set or empty."""
    value = environ.get(variable, "")
    if not value:
        return None
    if value not in TRUE | FALSE:
        raise VariableInvalid(f"{variable} is {value!r}: true or false is expected")
    return value in TRUE


def _older(environ: Mapping[str, str], wishes: Wishes) -> None:
    """Names that the suite still reads: what the newer ones say goes before."""
    names = {
        "url": "OCI_ROOT_URL",
        "repository": "OCI_NAMESPACE",
        "second_repository": "OCI_CROSSMOUNT_NAMESPACE",
    }
    wishes.values |= {key: environ[name] for key, name in names.items() if environ.get(name)}
    switches = {category: boolean(environ, name) for name, category in WORKFLOWS.items()}
    wishes.categories = {category for category, on in switches.items() if on}
    if not wishes.categories:
        off = {category: f"OCI_TEST_… of {category.value} is false" for category, on in switches.items() if on is False}
        wishes.off_categories |= off


def _target(environ: Mapping[str, str], wishes: Wishes) -> None:
    values = wishes.values
    version = environ.get("OCI_VERSION")
    if version is not None:
        if version not in VERSIONS:
            raise VariableInvalid(f"OCI_VERSION is {version!r}: 1.0, 1.1, stable or dev is expected")
        values["level"] = VERSIONS[version].value
    tls = environ.get("OCI_TLS", "enabled").lower()
    if tls not in ("enabled", "insecure", "disabled"):
        raise VariableInvalid(f"OCI_TLS is {tls!r}: enabled, insecure or disabled is expected")
    if environ.get("OCI_REGISTRY"):
        values["url"] = f"{'http' if tls == 'disabled' else 'https'}://{environ['OCI_REGISTRY']}"
    if tls == "insecure":
        values["insecure"] = "true"
    names = {
        "repository": "OCI_REPO1",
        "second_repository": "OCI_REPO2",
        "user": "OCI_USERNAME",
        "password": "OCI_PASSWORD",
        "report_dir": "OCI_RESULTS_DIR",
    }
    values |= {key: environ[name] for key, name in names.items() if environ.get(name)}
    if "repository" in values or "second_repository" in values:
        values["fixed_repositories"] = "true"
    tags = (environ.get("OCI_RO_DATA_TAGS") or environ.get("OCI_TAG_NAME") or "").split()
    digests = (environ.get("OCI_RO_DATA_MANIFESTS") or environ.get("OCI_MANIFEST_DIGEST") or "").split()
    repository = values.get("repository", "conformance/repo1")
    if tags or digests:
        values["image"] = f"{repository}:{tags[0]}" if tags else f"{repository}@{digests[0]}"
