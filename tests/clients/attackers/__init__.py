"""Clients that exhaust memory, queues or time of a server. Each attack is a process: `python -m attackers NAME`."""
