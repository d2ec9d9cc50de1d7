"""The machine that a program runs on, and what is installed there."""

import contextlib
import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version


def cores() -> int:
    """Processor cores that this process may use, 1 or more."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS and Windows


def machine() -> str:
    """System and processor, as ``Linux x86_64``."""
    return f"{platform.system()} {platform.machine()}"


def versions_of(packages: Iterable[str]) -> dict[str, str]:
    """Versions of the packages; those that are not installed are left out."""
    versions = {}
    for package in packages:
        with contextlib.suppress(PackageNotFoundError):
            versions[package] = version(package)
    return versions
