"""What is asked of a registry: a module for each group of cases."""

import importlib
import pkgutil

from conformance.case import CASES, RegistryCase


def load() -> dict[str, RegistryCase]:
    """All cases."""
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
        importlib.import_module(f"{__name__}.{module.name}")
    return CASES
