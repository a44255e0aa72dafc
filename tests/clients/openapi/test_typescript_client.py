"""A client made by `openapi-typescript` and `openapi-fetch`: it compiles strictly and works."""

import json
from collections.abc import Callable
from pathlib import Path

from fixtures.server import ADMIN_TOKEN, ROOT, Server
from fixtures.tool import run

HERE = Path(__file__).parent
MODULES = ROOT / "tests/node_modules"
COMPILER = {
    "strict": True,
    "exactOptionalPropertyTypes": True,
    "noUncheckedIndexedAccess": True,
    "skipLibCheck": False,
    "target": "es2022",
    "lib": ["es2023", "dom", "dom.iterable"],
    "module": "nodenext",
    "types": [],
    "outDir": "out",
}


def test_it_compiles_strictly_and_is_used(launch: Callable[..., Server], tmp_path: Path) -> None:
    server = launch()
    app = server.create_app("seen through the generated client")
    reader = app.connect_to("global")

    (tmp_path / "node_modules").symlink_to(MODULES.resolve())
    (tmp_path / "package.json").write_text('{"type":"module"}')
    (tmp_path / "openapi.json").write_text(server.http.get("/openapi.json").text)
    (tmp_path / "program.ts").write_text((HERE / "program.ts").read_text())
    run(MODULES / ".bin/openapi-typescript", "openapi.json", "-o", "schema.d.ts", cwd=tmp_path)
    (tmp_path / "tsconfig.json").write_text(json.dumps({"compilerOptions": COMPILER, "files": ["program.ts"]}))
    run(MODULES / ".bin/tsc", "--project", ".", cwd=tmp_path)
    printed = run(
        "node",
        "out/program.js",
        cwd=tmp_path,
        PUSHI_URL=server.url,
        PUSHI_ADMIN=ADMIN_TOKEN,
        PUSHI_SESSION=app.token,
    )
    told = json.loads(printed)
    assert told["created"] in {entry["ident"] for entry in server.admin.get("/apps").json()["apps"]}
    assert told["published"] == "success"
    assert told["subscriptions"] == [["ann", "news"]]
    assert told["missing"] == 404
    assert reader.expect("message", "global")["data"] == "from the generated client"
    app.close()
