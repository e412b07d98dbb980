"""What is asked of a registry: a folder for each subject, a module for each group of cases, named by `case.group`."""

import importlib
import pkgutil

from conformance.case import CASES, RegistryCase, group


def load() -> dict[str, RegistryCase]:
    """All cases."""
    modules = [module.name for module in pkgutil.walk_packages(__path__, f"{__name__}.") if not module.ispkg]
    for module in sorted(modules, key=group):
        importlib.import_module(module)
    return CASES
