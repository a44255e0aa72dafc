"""The samples of `deploy/`: checks that do not need the programs they configure."""

import re
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from fixtures.server import BINARY

DEPLOY = Path(__file__).parents[3] / "deploy"
MANIFESTS = list(yaml.safe_load_all((DEPLOY / "kubernetes" / "pushi.yaml").read_text()))


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda manifest: manifest["kind"])
def test_manifests_fit_their_schemas(manifest: dict[str, object]) -> None:
    kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


def test_there_is_a_manifest_of_each_kind() -> None:
    kinds = [manifest["kind"] for manifest in MANIFESTS]
    assert kinds == ["Deployment", "Service", "PodDisruptionBudget", "Ingress"]


SAMPLES = ["kubernetes/pushi.yaml", "docker/compose.yaml", "docker/Dockerfile", "systemd/pushi.env"]


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_set_only_what_the_server_knows(name: str) -> None:
    text = (DEPLOY / name).read_text()
    used = set(re.findall(r"\b(?:PUSHI_[A-Z_]+|(?:APP|SERVER)_(?:HOST|PORT)|DATABASE_URL|BUS_URL)\b", text))
    told = subprocess.run([BINARY, "serve", "--help"], capture_output=True, text=True, check=True, timeout=20).stdout
    assert used, name
    assert not {variable for variable in used if variable not in told}


def test_compose_has_the_nodes_that_its_balancer_names() -> None:
    services = yaml.safe_load((DEPLOY / "docker" / "compose.yaml").read_text())["services"]
    named = re.findall(r"^ +server \S+ ([\w-]+):8080$", (DEPLOY / "docker" / "haproxy.cfg").read_text(), re.MULTILINE)
    assert named == [name for name in services if name.startswith("node-")]


def test_the_image_has_everything_that_the_build_reads() -> None:
    root = DEPLOY.parent
    ignore = (DEPLOY / "docker" / "Dockerfile.dockerignore").read_text().splitlines()
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "docker" / "Dockerfile").read_text(), re.MULTILINE)
    names = " ".join(copied).split()
    for name in names:
        assert (root / name).exists()
        assert f"!{name}" in ignore
    (members,) = re.findall(r"^members = (\[.*\])$", (root / "Cargo.toml").read_text(), re.MULTILINE)
    read = {root / member for member in yaml.safe_load(members) if member != "."}
    for source in (root / "src").rglob("*.rs"):
        for name in re.findall(r'include_(?:str|bytes)!\(\s*"([^"]+)"', source.read_text()):
            read.add((source.parent / name).resolve())
    missing = [path for path in read if not any(path.is_relative_to(root / name) for name in names)]
    assert len(read) > 10 and not missing
