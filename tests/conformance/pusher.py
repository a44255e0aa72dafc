#!/usr/bin/env python3
"""Holds a server against the rules of Pusher Channels (protocol 7): a row a rule, passed or failed.

    python3 -m pip install websockets
    python3 tests/conformance/pusher.py http://127.0.0.1:8080 APP_ID KEY SECRET

Any server that speaks the protocol will do. The app must take client events, and tell its subscribers how many they
are. The exit code is 0 where all rows pass.
"""

import argparse
import json
import sys
from importlib import import_module

from app import App
from receiver import Receiver
from rules import ALL, Row, hold

# In the order of the table.
for module in ("connecting", "subscribing", "whispers", "users", "publishing", "queries", "webhooks", "additions"):
    import_module(module)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("api", help="where the HTTP API is: http[s]://HOST:PORT")
    parser.add_argument("app_id")
    parser.add_argument("key")
    parser.add_argument("secret")
    parser.add_argument("--ws", help="where WebSockets connect, if elsewhere: ws[s]://HOST:PORT")
    parser.add_argument(
        "--timeout", type=float, default=5, help="how long an answer is waited for, in seconds (default 5)"
    )
    parser.add_argument("--webhooks", help="also webhooks: http://HOST:PORT/… here, to which those of the app lead")
    parser.add_argument("--slow", action="store_true", help="also what waits for the server's own timers")
    parser.add_argument("--pushi", action="store_true", help="also what Pushi adds to the protocol")
    parser.add_argument("--only", default="", help="only rules whose section or text holds this")
    parser.add_argument("--form", choices=["text", "markdown", "json"], default="text")
    return parser.parse_args()


def show(rows: list[Row], form: str) -> None:
    """Prints the table."""
    if form == "json":
        print(json.dumps([row.told for row in rows], indent=1))
        return
    if form == "markdown":
        print("| section | rule | |\n| --- | --- | --- |")
        for row in rows:
            print(f"| {row.rule.section} | {row.rule.text} | {'pass' if row.passed else f'**fail**: {row.fault}'} |")
    passed = sum(row.passed for row in rows)
    print(f"{passed} of {len(rows)} rules are kept")


def main() -> int:
    """Runs the rules."""
    given = arguments()
    api = given.api.rstrip("/")
    app = App(
        api,
        (given.ws or api.replace("http", "ws", 1)).rstrip("/"),
        given.app_id,
        given.key,
        given.secret,
        given.timeout,
    )
    wanted = {"", *(kind for kind in ("slow", "pushi", "webhooks") if getattr(given, kind))}
    if given.webhooks:
        app.receiver = Receiver(given.webhooks)
    rows = []
    for one in ALL:
        if one.kind not in wanted or given.only not in f"{one.section} {one.text}":
            continue
        row = hold(one, app)
        rows.append(row)
        if given.form == "text":
            print(f"{'pass' if row.passed else 'FAIL'}  {one.section}: {one.text}", flush=True)
            if not row.passed:
                print(f"      {row.fault}", flush=True)
    show(rows, given.form)
    return 0 if rows and all(row.passed for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
