"""The linters of Redocly and Stoplight find nothing in the document."""

import os
from collections.abc import Callable
from pathlib import Path

from fixtures.server import Server
from fixtures.tool import run
from generated.workshop import BIN, NODE

HERE = Path(__file__).parent


def lint(launch: Callable[..., Server], folder: Path, *command: str | Path) -> str:
    """Runs a linter on the served document."""
    (folder / "openapi.json").write_text(launch().http.get("/openapi.json").text)
    return run(*command, "openapi.json", cwd=folder, PATH=f"{NODE}:{os.environ['PATH']}", REDOCLY_TELEMETRY="off")


def test_redocly_finds_nothing(launch: Callable[..., Server], tmp_path: Path) -> None:
    config = HERE / "redocly.yaml"
    lint(launch, tmp_path, BIN / "redocly", "lint", "--max-problems=100", f"--config={config}", "--format=stylish")


def test_spectral_finds_nothing(launch: Callable[..., Server], tmp_path: Path) -> None:
    ruleset = HERE / "spectral.yaml"
    found = lint(launch, tmp_path, BIN / "spectral", "lint", "--fail-severity=hint", f"--ruleset={ruleset}")
    assert "No results" in found, found
