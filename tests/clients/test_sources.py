"""The Python of the tests, and the locks of what they install."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

CLIENTS = Path(__file__).parent
TESTS = CLIENTS.parent


@pytest.mark.parametrize("folder", [CLIENTS, TESTS / "conformance"], ids=lambda folder: folder.name)
def test_ruff_finds_nothing(folder: Path) -> None:
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--config", CLIENTS / "ruff.toml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def normal(names: list[str]) -> list[str]:
    """The names and versions as indexes compare them, in order."""
    return sorted(re.sub(r"[-_.]+", "-", name).lower() for name in names)


PINNED = ["clients", "clients/original/service", "mongo"]


@pytest.mark.parametrize("folder", PINNED)
def test_each_pinned_package_is_locked_by_its_hashes(folder: str) -> None:
    pinned = re.findall(r"^[^#\s]+$", (TESTS / folder / "requirements.txt").read_text(), re.MULTILINE)
    lock = (TESTS / folder / "requirements.lock").read_text()
    locked = re.findall(r"^(\S+==\S+) (?=\\\n +--hash=sha256:)", lock, re.MULTILINE)
    assert normal(locked) == normal(pinned)
