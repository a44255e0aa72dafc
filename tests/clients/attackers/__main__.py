"""Runs one attack on the target in standard input, and prints what it did as a JSON object of counts."""

import asyncio
import json
import sys

from . import bodies, events, requests, sockets
from .target import Target

ATTACKS = {
    attack.__name__: attack
    for attack in (
        bodies.trickled_bodies,
        bodies.slow_bodies,
        bodies.large_bodies,
        requests.failed_logins,
        requests.half_open_connections,
        requests.unread_pages,
        sockets.unread_answers,
        sockets.latest_requests,
        sockets.presence_lists,
        events.subscribe_and_leave,
        events.client_events,
        events.wide_publishes,
    )
}

if __name__ == "__main__":
    target = Target(**json.load(sys.stdin))
    asyncio.run(target.run(ATTACKS[sys.argv[1]]))
    print(json.dumps(target.counts))
