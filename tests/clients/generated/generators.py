"""How the client of each generator is generated and compiled, and how its program is run."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass

from generated.workshop import BIN, DOCUMENT, HERE, INSTALLED, Workshop, jars


@dataclass(frozen=True)
class Generator:
    """A generator of clients."""

    name: str
    # Generates and compiles in a folder; returns the command that runs the program.
    build: Callable[[Workshop], list[str]]
    # Whether its clients can publish additional members.
    additional_members: bool = True


def go(workshop: Workshop) -> list[str]:
    """openapi-generator, go."""
    workshop.openapi_generator("go", "--git-host=pushi.tests", "--git-user-id=tests", "--git-repo-id=client")
    (workshop.folder / "client/go.mod").write_text("module pushi.tests/client\n\ngo 1.23\n")
    shutil.rmtree(workshop.folder / "client/test")
    return build_go(workshop)


def build_go(workshop: Workshop) -> list[str]:
    """Checks and compiles a program in Go."""
    workshop.run("go", "vet", ".")
    workshop.run("go", "build", "-o", "program", ".")
    return ["./program"]


def oapi_codegen(workshop: Workshop) -> list[str]:
    """oapi-codegen."""
    (workshop.folder / "client").mkdir()
    workshop.run(INSTALLED / "go/bin/oapi-codegen", "-config", "config.yml", DOCUMENT)
    return build_go(workshop)


def ogen(workshop: Workshop) -> list[str]:
    """ogen."""
    target = ("--target", "client", "--package", "client", "--config", "ogen.yml")
    workshop.run(INSTALLED / "go/bin/ogen", *target, DOCUMENT)
    return build_go(workshop)


def java(workshop: Workshop) -> list[str]:
    """openapi-generator, java with the HTTP client of the JDK."""
    workshop.openapi_generator("java", "--library=native", "--global-property=apiTests=false,modelTests=false")
    sources = sorted((workshop.folder / "client/src/main/java").rglob("*.java"))
    options = ("-J-XX:TieredStopAtLevel=1", "-Xlint:deprecation", "-proc:none", "-cp", jars("java"), "-d", "classes")
    # The generator's own code, whatever the document.
    own = r"\[deprecation\] (setS|s)erializationInclusion\(|^\d+ warnings$"
    workshop.run("javac", *options, "Program.java", *sources, allowed=own)
    return ["java", "-XX:TieredStopAtLevel=1", "-cp", f"classes:{jars('java')}", "Program"]


def kotlin(workshop: Workshop) -> list[str]:
    """openapi-generator, kotlin."""
    workshop.openapi_generator("kotlin", "--global-property=apiTests=false,modelTests=false")
    compiler = ("java", "-Xmx1g", "-cp", jars("kotlin/compiler"), "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler")
    libraries = ":".join(str(jar) for jar in sorted((INSTALLED / "jars/kotlin").glob("*.jar")))
    options = ("-no-stdlib", "-no-reflect", "-cp", libraries, "-d", "classes")
    # The generator's own code, whatever the document.
    own = r"infrastructure/ApiClient\.kt:\d+:\d+: warning: elvis operator"
    workshop.run(*compiler, *options, "Program.kt", "client/src/main/kotlin", allowed=own)
    return ["java", "-XX:TieredStopAtLevel=1", "-cp", f"classes:{libraries}", "ProgramKt"]


def php(workshop: Workshop) -> list[str]:
    """openapi-generator, php."""
    # The generator writes no defaults of lists, and takes a parameter for a model.
    own = r"Cannot convert OpenAPI default of type .*ArrayNode to a PHP literal"
    own += r"|echo \(reserved word\) cannot be used as model name"
    workshop.openapi_generator("php", "--global-property=apiTests=false,modelTests=false", allowed=own)
    for source in (workshop.folder / "client/lib").rglob("*.php"):
        workshop.run("php", "-l", source, allowed="^No syntax errors")
    return ["php", "-d", "zend.assertions=1", "-d", "error_reporting=-1", "program.php"]


def ruby(workshop: Workshop) -> list[str]:
    """openapi-generator, ruby."""
    workshop.openapi_generator("ruby", "--global-property=apiTests=false,modelTests=false")
    for source in (workshop.folder / "client/lib").rglob("*.rb"):
        workshop.run("ruby", "-c", source)
    return ["ruby", "-Iclient/lib", "program.rb"]


def python(workshop: Workshop) -> list[str]:
    """openapi-generator, python."""
    # It logs this for every document with a string.
    own = "Failed to get the schema name: null"
    workshop.openapi_generator("python", allowed=own)
    (workshop.folder / "client/openapi_client").rename(workshop.folder / "openapi_client")
    workshop.run("mypy", "--follow-imports=silent", "--strict", "program.py", allowed="^Success")
    return ["python", "program.py"]


def typescript_fetch(workshop: Workshop) -> list[str]:
    """openapi-generator, typescript-fetch."""
    prepare_typescript(workshop)
    workshop.openapi_generator("typescript-fetch", "--additional-properties=importFileExtension=.js")
    return build_typescript(workshop)


def prepare_typescript(workshop: Workshop) -> None:
    """Adds the compiler's settings, which generators read as well, and the packages."""
    (workshop.folder / "node_modules").symlink_to(INSTALLED / "npm/node_modules")
    (workshop.folder / "package.json").write_text('{"type":"module"}')
    shutil.copy(HERE / "tsconfig.json", workshop.folder)


def build_typescript(workshop: Workshop, *options: str) -> list[str]:
    """Compiles a program in TypeScript strictly."""
    workshop.run(BIN / "tsc", "--project", ".", *options)
    return ["node", "out/program.js"]


def rust(workshop: Workshop) -> list[str]:
    """openapi-generator, rust."""
    # It reports the names of all media types and headers, for their slashes and dashes, and words of Rust.
    names = "ApplicationJson|ApplicationXNdjson|TextEventStream|TextPlain;Charset=utf8|(?i:(idempotency|last_?event)_?(key|id))"
    names += "|retry_after|www_authenticate|pushi_stream|pushi_cursor|type|use"
    own = f"AbstractRustCodegen - ({names}) cannot be used as a (model|parameter|field/variable) name"
    # The version stands in the committed lock: not that of the server.
    version = "--additional-properties=packageVersion=1.0.0"
    workshop.openapi_generator("rust", version, "--global-property=apiTests=false,modelTests=false", allowed=own)
    workshop.run("cargo", "build", "--locked", "--quiet")
    shutil.copy(INSTALLED / "cargo/debug/program", workshop.folder)
    # The dependencies stay for the next client.
    workshop.run("cargo", "clean", "--locked", "--quiet", "--package=openapi", "--package=program")
    return ["./program"]


def openapi_python_client(workshop: Workshop) -> list[str]:
    """openapi-python-client."""
    flags = ("--meta", "none", "--output-path", "pushi_client", "--fail-on-warning")
    workshop.run("openapi-python-client", "generate", "--path", DOCUMENT, *flags)
    workshop.run("mypy", "--strict", "--follow-imports=silent", "program.py", allowed="^Success")
    return ["python", "program.py"]


def hey_api(workshop: Workshop) -> list[str]:
    """@hey-api/openapi-ts."""
    prepare_typescript(workshop)
    workshop.run(BIN / "openapi-ts", "--no-log-file")
    return build_typescript(workshop)


def openapi_typescript(workshop: Workshop) -> list[str]:
    """openapi-typescript with openapi-fetch."""
    prepare_typescript(workshop)
    # Without the flag, a member with a default is required in bodies.
    (workshop.folder / "client").mkdir()
    flags = ("--default-non-nullable=false", "-o", "client/schema.d.ts")
    workshop.run(BIN / "openapi-typescript", DOCUMENT, *flags)
    # The others write `undefined` into members that may be left out.
    return build_typescript(workshop, "--exactOptionalPropertyTypes")


# The slowest first, since two are built at a time.
GENERATORS = [
    Generator("kotlin", kotlin, additional_members=False),
    Generator("ogen", ogen),
    Generator("rust", rust, additional_members=False),
    Generator("java", java, additional_members=False),
    Generator("go", go),
    Generator("oapi_codegen", oapi_codegen),
    Generator("python", python),
    Generator("openapi_python_client", openapi_python_client),
    Generator("typescript_fetch", typescript_fetch),
    Generator("hey_api", hey_api),
    Generator("openapi_typescript", openapi_typescript),
    Generator("php", php, additional_members=False),
    Generator("ruby", ruby, additional_members=False),
]
