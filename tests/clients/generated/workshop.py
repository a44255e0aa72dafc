"""A folder in which the client of a generator is generated, compiled and used, kept for the next run of the tests."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

from fixtures.tool import TOOLS

HERE = Path(__file__).parent


def installed(variable: str) -> Path:
    """The folder of programs that `tests/run.sh clients` installs and names in a variable."""
    return Path(os.environ.get(variable) or f"/{variable} is not set: run tests/run.sh clients")


# What tests/setup/generators.sh installs, and the Node that the newest generators need.
INSTALLED = installed("PUSHI_GENERATORS")
NODE = installed("PUSHI_RUNTIMES") / "node22/bin"
BIN = INSTALLED / "npm/node_modules/.bin"

# A line of a generator or compiler that reports a warning or an error, in any of their formats.
REPORT = re.compile(r"\b(warn(ing)?s?|errors?|deprecated)\b", re.IGNORECASE)
# Lines that state that there are none, or that are logged at a lower level.
CLEAN = re.compile(r"\b(0|no) (warnings?|errors?)\b|0 problems|\bINFO\b", re.IGNORECASE)

DOCUMENT = "openapi.json"
# In the folder of a client that is complete: the command that runs its program.
COMMAND = "command.json"
# How many clients of a generator are kept: those of a few branches.
KEPT = 4


class Workshop:
    """The folder of one client."""

    def __init__(self, folder: Path, name: str, address: str) -> None:
        self.folder = folder
        self.name = name
        # Where the document is served.
        self.address = address

    @property
    def environment(self) -> dict[str, str]:
        """The environment of tools and of the program."""
        go = INSTALLED / "go"
        return {
            **os.environ,
            "PATH": f"{NODE}:{TOOLS}:{os.environ['PATH']}",
            "CLIENT": str(self.folder / "client"),
            "GOPATH": str(go),
            "GOCACHE": str(go / "cache"),
            "GOFLAGS": "-trimpath",
            "CARGO_TARGET_DIR": str(INSTALLED / "cargo"),
            # The generated client of Python is no package that is installed.
            "PYTHONPATH": str(self.folder),
            "PYTHONWARNINGS": "error::DeprecationWarning,error::UserWarning",
        }

    def run(self, *command: str | Path, allowed: str = "(?!)", seconds: float = 400) -> str:
        """Runs a tool, which must succeed without a warning other than `allowed`; returns its output."""
        done = subprocess.run(
            [str(part) for part in command],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        output = done.stdout + done.stderr
        assert done.returncode == 0, f"{self.name}: {command[0]} ended with {done.returncode}\n{output[-20_000:]}"
        reported = [
            line
            for line in output.splitlines()
            if REPORT.search(line) and not CLEAN.search(line) and not re.search(allowed, line)
        ]
        assert not reported, f"{self.name}: {command[0]}:\n" + "\n".join(reported[:50])
        return output

    def use(self, program: list[str], settings: dict[str, str]) -> str:
        """Runs the program with settings, which must succeed and report nothing; returns what it prints."""
        done = subprocess.run(
            program,
            cwd=self.folder,
            env={**self.environment, **settings},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0 and not done.stderr, f"{self.name}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def openapi_generator(self, language: str, *options: str, allowed: str = "(?!)") -> None:
        """Generates with openapi-generator into `client`.

        It reads the document from the server: it warns of the relative address of the server in a file.
        """
        jar = next((INSTALLED / "jars/generator").glob("openapi-generator-cli-*.jar"))
        flags = ("-XX:TieredStopAtLevel=1", "-Xmx512m", "-jar", jar)
        output = ("-i", f"{self.address}/{DOCUMENT}", "-o", "client", "-g", language)
        self.run("java", *flags, "generate", *output, *options, allowed=allowed)


def jars(name: str) -> str:
    """A class path of the jars of a folder."""
    return f"{INSTALLED}/jars/{name}/*"


def sources(name: str) -> Iterator[Path]:
    """What a client is made from, but for the document and the installed tools."""
    yield from sorted(path for path in (HERE / name).rglob("*") if path.is_file())
    yield from (HERE / "tsconfig.json", HERE / "generators.py", HERE / "workshop.py")


def prepare(
    name: str, address: str, document: str, build: Callable[[Workshop], list[str]]
) -> tuple[Workshop, list[str]]:
    """A client and the command of its program: as it was built from the same document, program and tools, or new."""
    made_from = sha256(f"{INSTALLED}\n{NODE}\n{TOOLS}\n{document}".encode())
    for path in sources(name):
        made_from.update(f"\n{path.relative_to(HERE)}\n".encode() + path.read_bytes())
    clients = INSTALLED / "clients"
    folder = clients / f"{name}-{made_from.hexdigest()[:16]}"
    if not (folder / COMMAND).exists():
        clients.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=clients) as place:
            workshop = Workshop(Path(place) / "client", name, address)
            # Without the lists of packages that the setup reads.
            shutil.copytree(HERE / name, workshop.folder, ignore=shutil.ignore_patterns("pom.xml", "compiler"))
            (workshop.folder / DOCUMENT).write_text(document)
            (workshop.folder / COMMAND).write_text(json.dumps(build(workshop)))
            try:
                workshop.folder.rename(folder)
            except OSError:
                # A concurrent run was faster.
                assert (folder / COMMAND).exists(), folder
    (folder / COMMAND).touch()
    forget_old(clients, name)
    return Workshop(folder, name, address), json.loads((folder / COMMAND).read_text())


def forget_old(clients: Path, name: str) -> None:
    """Removes all clients of a generator but those that were used last."""
    commands = sorted(clients.glob(f"{name}-*/{COMMAND}"), key=lambda path: path.stat().st_mtime)
    for command in commands[:-KEPT]:
        command.unlink(missing_ok=True)
        shutil.rmtree(command.parent, ignore_errors=True)
