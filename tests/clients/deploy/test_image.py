"""The container image: built from `deploy/docker/Dockerfile`, and run."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.image import Container, Image
from fixtures.server import free_port

# The image is built within the first test.
pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    base = os.environ.get("PUSHI_IMAGE_BASE")
    if not base:
        pytest.skip("PUSHI_IMAGE_BASE is not set: run tests/run.sh clients as root")
    built = Image(tmp_path_factory.mktemp("image"), Path(base))
    yield built
    built.buildah("rm", "--all")
    built.buildah("rmi", "--all", "--force")


@pytest.fixture
def container(image: Image, tmp_path: Path) -> Iterator[Container]:
    made = Container(tmp_path, image)
    yield made
    made.close()


def test_it_is_small_and_says_how_it_is_run(image: Image) -> None:
    assert image.size < 120_000_000
    config = image.config
    assert config["User"] == "10001:10001"
    assert config["StopSignal"] == "SIGTERM"
    assert set(config["ExposedPorts"]) == {"8080/tcp"}
    assert (image.root / "etc/ssl/certs/ca-certificates.crt").stat().st_size > 100_000
    assert list(config["Volumes"]) == [config["WorkingDir"]] == ["/var/lib/pushi"]


def test_it_runs_without_root_on_a_read_only_file_system(container: Container) -> None:
    container.start()
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{container.pid}/status").read_text().splitlines())
    assert set(status["Uid"].split()) == set(status["Gid"].split()) == {"10001"}
    assert (container.volume / "pushi.db").stat().st_uid == 10001
    mounts = [line.split() for line in Path(f"/proc/{container.pid}/mountinfo").read_text().splitlines()]
    assert ["ro" in fields[5].split(",") for fields in mounts if fields[4] == "/"] == [True]


def test_its_health_check_finds_a_server_and_only_a_server(container: Container) -> None:
    assert container.image.health(container.volume, free_port()) != 0
    container.start()
    assert container.image.health(container.volume, container.app_port) == 0
    container.stop()
    assert container.image.health(container.volume, container.app_port) != 0


def test_sigterm_ends_it_and_its_volume_keeps_the_data(container: Container) -> None:
    container.start()
    app = container.create_app()
    app.publish("orders", "first", persist=True)
    container.stop()
    container.start()
    assert [event["data"]["data"] for event in app.history("orders")] == ["first"]
