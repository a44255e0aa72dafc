"""`schemathesis` sends valid and invalid requests to every operation of the document."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.server import ADMIN_TOKEN, Server
from fixtures.tool import run

# Its answers are streams, which last for a second at least.
TAIL = "/apps/{ident}/tail"


@pytest.mark.timeout(400)
@pytest.mark.parametrize("who", ["session", "administrator", "signed"])
def test_no_answer_is_outside_the_document(launch: Callable[..., Server], tmp_path: Path, who: str) -> None:
    # Made-up credentials would block the address of this test's own administrator.
    server = launch(PUSHI_MAX_FAILED_LOGINS="0")
    app = server.create_app("attacked")
    token = ADMIN_TOKEN if who == "administrator" else app.token
    choice = {
        # The session would be ended, and all later requests would answer 401.
        "session": ["--exclude-path", "/logout", "--exclude-path", TAIL],
        "administrator": ["--exclude-path", TAIL],
        # The other two tokens are answered 401 here.
        "signed": ["--include-tag", "Pusher"],
    }
    signing = {"IDENT": app.ident, "KEY": app.key, "SECRET": app.secret}
    hooks = {"SCHEMATHESIS_HOOKS": "signing" if who == "signed" else "words", "PYTHONPATH": str(Path(__file__).parent)}
    run(
        "schemathesis",
        "run",
        f"{server.url}/openapi.json",
        # The document's own address is relative.
        f"--url={server.url}",
        "--checks=all",
        "--max-examples=30",
        "--seed=1",
        "--request-timeout=10",
        "--continue-on-failure",
        "--generation-database=none",
        # The hooks leave out what the document states only in words.
        "--suppress-health-check=filter_too_much",
        f"--header=Authorization: Bearer {token}",
        "--no-color",
        *choice[who],
        cwd=tmp_path,
        seconds=380,
        **hooks,
        **{f"PUSHI_SIGNING_{name}": value for name, value in signing.items()},
    )
    assert "panicked" not in server.log
    # The server still works, even if the app was changed or deleted.
    app.close()
    after = server.create_app("after the attack")
    after.connect_to("global")
    after.close()
