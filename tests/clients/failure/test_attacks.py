"""All attacks at once, on a server with little memory: another tenant is served in time and loses nothing."""

import time
from collections.abc import Callable

import pytest

from fixtures.attack import KINDS, Attack, hanging_receiver
from fixtures.machine import Machine
from fixtures.memory import MemoryLimit, peak
from fixtures.server import Server
from fixtures.tenant import CHANNEL, Tenant

MEMORY = 256 * 1024 * 1024
SECONDS = 60
# The longest time of a publish, its delivery and a webhook of the other tenant, in seconds of `Machine`: the part of
# the processors that other programs use, and stalls of the disk, are not counted. The attackers get what the server and
# the tenant leave, as if they had machines of their own. So the limit is that of a fair server, on a busy machine as
# well.
LIMIT = 1.0
# The longest time of a stop without a drain time.
STOP_LIMIT = 1.0


@pytest.mark.timeout(400)
def test_a_tenant_is_served_while_others_attack(launch: Callable[..., Server]) -> None:
    limit = MemoryLimit(MEMORY)
    # The server's own time-out does not know how busy the machine is.
    settings = {"PUSHI_WEBHOOK_ALLOW_PRIVATE": 1, "PUSHI_STORE_TIMEOUT": "20s"}
    server = launch(ready=False, preexec=limit.enter, **settings)
    try:
        server.start()
        with hanging_receiver() as receiver:
            attack = Attack(server, receiver)
            machine = Machine(lambda: [server.pid, *(process.pid for process in attack.processes)], server.folder)
            tenant = Tenant(server, machine)
            try:
                begun = time.monotonic()
                report = attack.run(SECONDS, list(KINDS))
                available = machine.seconds(begun, time.monotonic()) / SECONDS
                assert server.process is not None
                assert server.process.poll() is None, f"ended with {server.process.returncode} (-9: out of memory)"
                tenant.finish()
                used = peak(server.pid)
                events = stored(tenant)
                begun = time.monotonic()
                server.stop()
                stopped = machine.seconds(begun, time.monotonic())
            finally:
                machine.close()
                tenant.close()
                attack.close()
        print(f"{tenant.report()}\nstop: {stopped * 1000:.0f} ms\npeak: {used // 1024} KiB")
        print(f"attacks: {report}\nused by other programs: {machine.foreign:.0%} of the machine")
        print(f"the disk stalled {machine.stalled:.1f} s")
        # Where other programs used the machine, an attack could do less.
        for name, kind in KINDS.items():
            assert report[name].get(kind.count, 0) >= kind.least * min(available, 1.0), f"{name}: {report[name]}"
        assert tenant.failures == []
        for name in ("publish", "delivery", "channel_occupied", "channel_vacated"):
            measured = tenant.measured[name]
            assert measured.lost == [], name
            assert measured.slowest < LIMIT, f"{name}\n{tenant.report()}"
        assert events == [(number + 1, str(number)) for number in range(len(tenant.measured["publish"].begun))]
        assert used <= MEMORY, f"{used // 1024} KiB"
        assert stopped < STOP_LIMIT
    finally:
        server.close()
        limit.close()
        # Gigabytes.
        for file in server.folder.glob("pushi.db*"):
            file.unlink()


def stored(tenant: Tenant) -> list[tuple[int, str]]:
    """The serials and texts of all events of the tenant, oldest first."""
    events: list[tuple[int, str]] = []
    while page := tenant.app.history(CHANNEL, since=events[-1][0] if events else 0, count=100):
        events += [(event["serial"], event["data"]["data"]) for event in page]
    return events
