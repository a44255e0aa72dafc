"""The workflows of `.github`: what actionlint finds, and rules that it does not know."""

import json
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

GITHUB = Path(__file__).parents[3] / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))


def test_actionlint_finds_nothing() -> None:
    program = os.environ.get("PUSHI_ACTIONLINT")
    if not program:
        pytest.skip("PUSHI_ACTIONLINT is not set: run tests/run.sh clients")
    # Without the linters of scripts, which are not installed everywhere.
    command = [program, "-no-color", "-shellcheck=", "-pyflakes=", *map(str, WORKFLOWS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_and_permissions_are_few(path: Path) -> None:
    text = path.read_text()
    used = re.findall(r"uses: *(.*)", text)
    assert used
    for action in used:
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v[0-9.]+", action), action
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        assert "timeout-minutes" in job, name
        # Only the job that creates the release may write, and it runs nothing of the repository.
        writes = "write" in str(job.get("permissions"))
        checks_out = any("actions/checkout" in step.get("uses", "") for step in job["steps"])
        assert not (writes and checks_out), name
        for step in job["steps"]:
            if "actions/checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False, name


def test_the_version_has_notes_and_is_the_same_everywhere() -> None:
    root = GITHUB.parent
    version = tomllib.loads((root / "Cargo.toml").read_text())["package"]["version"]
    heading = rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d\n\n### "
    assert re.search(heading, (root / "CHANGELOG.md").read_text(), re.MULTILINE)
    for name in ("pushi", "asyncapi"):
        assert json.loads((root / f"openapi/{name}.json").read_text())["info"]["version"] == version
    for lock in (root / "Cargo.lock", root / "tests/fuzz/Cargo.lock"):
        (locked,) = [package for package in tomllib.loads(lock.read_text())["package"] if package["name"] == "pushi"]
        assert locked["version"] == version, lock


def test_forms_of_issues_have_unique_ids_and_labels() -> None:
    forms = [path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml"]
    assert len(forms) == 2
    for path in forms:
        form = yaml.safe_load(path.read_text())
        assert form["name"] and form["description"], path.name
        asked = [part for part in form["body"] if part["type"] != "markdown"]
        ids = [part["id"] for part in asked]
        assert len(set(ids)) == len(ids), path.name
        assert all(part["attributes"]["label"] for part in asked), path.name
