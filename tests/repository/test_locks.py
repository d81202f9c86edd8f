"""The locks: whole, with hashes, of one mind, and all that anything is installed from."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import base_images

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
LOCKS = [
    *("requirements-dev.lock", "requirements-airflow-3.1.lock", "requirements-image.lock"),
    *("include/local_aws/requirements.lock", "include/training_image/requirements.lock"),
    *("tests/clients/requirements-sagemaker-2.lock", "tests/clients/requirements-sagemaker-3.lock"),
    "tests/cloudformation/requirements-checkov.lock",
    "docs/requirements.lock",
]
# What is asked for, and the lock that answers.
RANGES = [
    ("requirements.txt", "requirements-dev.lock"),
    ("requirements-dev.txt", "requirements-dev.lock"),
    ("requirements.txt", "requirements-airflow-3.1.lock"),
    ("requirements-image.txt", "requirements-image.lock"),
    ("include/local_aws/requirements.txt", "include/local_aws/requirements.lock"),
    ("include/training_image/requirements.txt", "include/local_aws/requirements.lock"),
    ("include/training_image/requirements.txt", "include/training_image/requirements.lock"),
]
DOCKERFILES = [file for file in base_images.FILES if file.endswith("Dockerfile")]
# "SageMaker AI expects all containers to run with root users":
# https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
ROOT_BY_RULE = {"include/training_image/Dockerfile"}


def entries(file: str) -> list[str]:
    """A requirements file's or lock's entries, each with its options on one line."""
    text = (ROOT / file).read_text().replace("\\\n", " ")
    return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def pins(file: str) -> dict[str, set[str]]:
    """The versions that a lock has of each package; more than one where Python's version decides."""
    found: dict[str, set[str]] = {}
    for entry in entries(file):
        name, version = entry.split(";")[0].split("--hash")[0].strip().split("==")
        found.setdefault(canonicalize_name(name.split("[")[0]), set()).add(version)
    return found


def ranges(file: str) -> list[Requirement]:
    return [Requirement(entry) for entry in entries(file) if not entry.startswith("-r ")]


def test_these_are_all_the_locks():
    found = [
        *ROOT.glob("*.lock"),
        *(path for folder in ("docs", "include", "tests") for path in (ROOT / folder).rglob("*.lock")),
    ]
    assert sorted(str(path.relative_to(ROOT)) for path in found) == sorted(LOCKS)


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_of_a_lock_is_one_version_with_its_hashes(lock):
    entry = re.compile(r"[\w.-]+==[\w.]+( ; [^-]+?)?( +--hash=sha256:[0-9a-f]{64})+", re.ASCII)
    assert [line for line in entries(lock) if not entry.fullmatch(line)] == []
    assert len(entries(lock)) >= 2


def test_the_constraints_are_the_lock_without_hashes():
    lock = [re.sub(r"( +--hash=\S+)+$", "", entry) for entry in entries("requirements-dev.lock")]
    assert entries("constraints.txt") == lock


@pytest.mark.parametrize("lock", [lock for lock in LOCKS if lock.startswith(("include/", "requirements-image"))])
def test_an_image_has_the_versions_that_are_tested(lock):
    tested = pins("requirements-dev.lock")
    # Celery is the Airflow image's alone.
    found = {name: versions for name, versions in pins(lock).items() if name != "celery"}
    assert {name: versions for name, versions in found.items() if not versions <= tested.get(name, set())} == {}


@pytest.mark.parametrize(("file", "lock"), RANGES)
def test_what_is_asked_for_is_in_the_lock_in_a_version_that_is_allowed(file, lock):
    locked = pins(lock)
    asked = ranges(file)
    assert asked
    assert [
        f"{requirement}: {versions}"
        for requirement in asked
        if not (versions := locked.get(canonicalize_name(requirement.name), set()))
        or not all(requirement.specifier.contains(version, prereleases=True) for version in versions)
    ] == []


def test_the_oldest_airflows_lock_has_every_lower_bound():
    locked = pins("requirements-airflow-3.1.lock")
    for requirement in ranges("requirements.txt"):
        (lowest,) = (part.version for part in requirement.specifier if part.operator == ">=")
        assert [
            version
            for version in locked[canonicalize_name(requirement.name)]
            if version not in requirement.specifier or not Requirement(f"x=={lowest}").specifier.contains(version)
        ] == []


def test_the_package_is_built_with_what_is_locked():
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert set(required) <= {str(requirement) for requirement in ranges("requirements-dev.txt")}


def test_no_registry_is_named():
    files = [*LOCKS, "constraints.txt", "Makefile", "pyproject.toml", *DOCKERFILES, *{file for file, _ in RANGES}]
    named = re.compile(r"--(?:extra-)?index|--find-links|(?:PIP|UV)_\w*(?:INDEX|LINKS)|^-[if] ", re.MULTILINE)
    assert [file for file in files if named.search((ROOT / file).read_text())] == []
    # Nor an address to fetch from: a lock's lines are versions, markers and hashes.
    assert [file for file in [*LOCKS, "constraints.txt"] if "://" in (ROOT / file).read_text()] == []


def test_every_image_installs_from_a_lock_with_hashes_only():
    for file in DOCKERFILES:
        text = (ROOT / file).read_text().replace("\\\n", " ")
        commands = [part for line in text.splitlines() if line.startswith("RUN") for part in line.split("&&")]
        installs = [part for part in commands if re.search(r"\b(pip|uv|easy_install)\b", part)]
        assert installs
        # With --no-index pip has nowhere to fetch from: it only says what is missing.
        assert [
            part
            for part in installs
            if not re.search(r"--require-hashes .*--requirement \S+\.lock\b", part) and "--no-index" not in part
        ] == []


def test_every_environment_is_set_up_from_a_lock_with_hashes_only():
    text = (ROOT / "Makefile").read_text()
    assert "LOCKED := --require-hashes --only-binary :all:\n" in text
    recipes = [line for line in text.splitlines() if re.search(r"pip (install|sync)|\$\(SYNC\)", line)]
    ours = [line for line in recipes if "--no-build-isolation --editable ." in line and "--no-deps" in line]
    assert len(ours) == 1
    assert [line for line in recipes if "$(LOCKED)" not in line and "$(SYNC)" not in line] == ours


def test_no_image_ends_as_root_but_the_one_of_which_sagemaker_expects_it():
    for file in DOCKERFILES:
        users = re.findall(r"^USER (.*)", (ROOT / file).read_text(), re.MULTILINE)
        if file in ROOT_BY_RULE:
            assert users == []
        else:
            assert users, file
            assert users[-1].split(":")[0] not in ("root", "0"), file


def test_the_training_images_tag_is_of_all_that_is_in_it():
    script = (ROOT / "include" / "cloudformation" / "stack.sh").read_text()
    dockerfile = (ROOT / "include" / "training_image" / "Dockerfile").read_text()
    hashed = re.search(r"cat (.*) \| git hash-object", script)
    assert hashed
    copied = {name for line in re.findall(r"^COPY (.*) \S+$", dockerfile, re.MULTILINE) for name in line.split()}
    assert copied | {"Dockerfile"} <= {name.removeprefix("./") for name in hashed[1].split()}
