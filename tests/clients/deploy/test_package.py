"""The Debian package: installed, run, upgraded and purged in a folder of its own."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.server import BINARY, ROOT, Server

pytestmark = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="not a Debian")


def build(folder: Path) -> Path:
    """Builds the package."""
    subprocess.run(["bash", ROOT / "deploy/dist.sh", "deb", BINARY, folder], check=True, timeout=100)
    (package,) = folder.glob("pushi_*.deb")
    return package


def with_version(package: Path, version: str) -> Path:
    """The same files as a package of another version."""
    files, changed = package.parent / "files", package.parent / "changed.deb"
    subprocess.run(["dpkg-deb", "-R", package, files], check=True)
    control = files / "DEBIAN/control"
    control.write_text(re.sub(r"^Version: .*$", f"Version: {version}", control.read_text(), flags=re.MULTILINE))
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "-b", files, changed], check=True, stdout=subprocess.DEVNULL)
    return changed


class Machine:
    """A folder that dpkg takes as the root of a machine."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for part in ("var/lib/dpkg/info", "var/lib/dpkg/updates", "var/log"):
            (root / part).mkdir(parents=True)
        (root / "var/lib/dpkg/status").touch()

    def dpkg(self, *arguments: str | Path) -> str:
        forced = ["--force-script-chrootless", "--force-not-root", "--force-depends", "--force-confold", "--force-bad-path"]
        done = subprocess.run(
            ["dpkg", f"--root={self.root}", f"--log={self.root}/var/log/dpkg.log", *forced, *arguments],
            env={"PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def files(self) -> set[str]:
        found = (path.relative_to(self.root) for path in self.root.rglob("*") if path.is_file())
        return {str(path) for path in found if not str(path).startswith(("var/lib/dpkg", "var/log"))}


INSTALLED = {
    "usr/bin/pushi",
    "usr/lib/systemd/system/pushi.service",
    "usr/lib/sysusers.d/pushi.conf",
    "etc/pushi/pushi.env",
    "usr/share/man/man1/pushi.1.gz",
    "usr/share/man/man1/pushi-serve.1.gz",
    "usr/share/bash-completion/completions/pushi",
    "usr/share/zsh/vendor-completions/_pushi",
    "usr/share/fish/vendor_completions.d/pushi.fish",
    "usr/share/doc/pushi/copyright",
}


def test_the_package_is_installed_upgraded_and_purged(launch: Callable[..., Server], tmp_path: Path) -> None:
    machine = Machine(tmp_path / "machine")
    package = build(tmp_path)
    machine.dpkg("-i", package)
    assert machine.files() >= INSTALLED
    settings = machine.root / "etc/pushi/pushi.env"
    assert settings.stat().st_mode & 0o077 == 0
    unit = (machine.root / "usr/lib/systemd/system/pushi.service").read_text()
    assert "ExecStart=/usr/bin/pushi serve" in unit and "User=pushi" in unit

    launch(binary=machine.root / "usr/bin/pushi").stop()

    settings.write_text("PUSHI_DRAIN_SECONDS=1\n")
    data = machine.root / "var/lib/pushi"
    data.mkdir()
    (data / "pushi.db").touch()
    machine.dpkg("-i", with_version(package, "99.0.0"))
    assert settings.read_text() == "PUSHI_DRAIN_SECONDS=1\n" and (data / "pushi.db").exists()

    machine.dpkg("--remove", "pushi")
    assert machine.files() == {"etc/pushi/pushi.env", "var/lib/pushi/pushi.db"}
    machine.dpkg("--purge", "pushi")
    assert machine.files() == set()


def test_manual_pages_and_completions_are_valid(tmp_path: Path) -> None:
    subprocess.run([BINARY, "man", tmp_path], check=True)
    page = (tmp_path / "pushi-serve.1").read_text()
    assert "DATABASE_URL" in page and page.startswith(".ie")
    script = subprocess.run([BINARY, "completions", "bash"], check=True, capture_output=True).stdout
    (tmp_path / "pushi.bash").write_bytes(script)
    asked = "source pushi.bash; COMP_WORDS=(pushi tri); COMP_CWORD=1; _pushi pushi tri pushi; echo ${COMPREPLY[*]}"
    done = subprocess.run(["bash", "-c", asked], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["trigger"]
