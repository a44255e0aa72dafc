"""`tests/conformance/pusher.py`, held against this server: every row must pass."""

import json
import subprocess
import sys
from collections.abc import Callable

from fixtures.server import ROOT, Server, free_port

SCRIPT = ROOT / "tests/conformance/pusher.py"


def test_every_rule_is_kept(launch: Callable[..., Server]) -> None:
    server = launch(PUSHI_ACTIVITY_TIMEOUT=2, PUSHI_WEBHOOK_ALLOW_PRIVATE=1)
    url = f"http://127.0.0.1:{free_port()}/hook"
    settings = {"client_events": True, "subscription_count": True, "replay": {"replayed-": 50}}
    app = server.create_app(settings={**settings, "webhooks": [{"url": url}]})
    done = subprocess.run(
        [
            sys.executable,
            SCRIPT,
            server.url,
            app.ident,
            app.key,
            app.secret,
            "--slow",
            "--pushi",
            f"--webhooks={url}",
            "--form=json",
            "--timeout=20",
        ],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    rows = json.loads(done.stdout)
    assert len(rows) > 100, done.stderr
    assert [row for row in rows if not row["passed"]] == []
    assert done.returncode == 0
