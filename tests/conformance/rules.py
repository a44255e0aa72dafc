"""Rules, and how they are checked against a server."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from app import App

Check = Callable[[App], None]


@dataclass
class Rule:
    """One row of the table."""

    section: str
    text: str
    check: Check
    #: "": always; "slow": waits for the server's timers; "webhooks": needs an address for them; "pushi": an addition.
    kind: str = ""


@dataclass
class Row:
    """The result of a rule."""

    rule: Rule
    fault: str
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether the server conforms."""
        return not self.fault

    @property
    def told(self) -> dict[str, object]:
        """Its JSON form."""
        seconds = round(self.seconds, 3)
        rule = {"section": self.rule.section, "rule": self.rule.text}
        return {**rule, "passed": self.passed, "fault": self.fault, "seconds": seconds}


ALL: list[Rule] = []


def rule(section: str, text: str, kind: str = "") -> Callable[[Check], Check]:
    """Registers a function as a rule: it returns if the server conforms, and raises otherwise."""

    def add(check: Check) -> Check:
        ALL.append(Rule(section, text, check, kind))
        return check

    return add


def hold(one: Rule, app: App) -> Row:
    """Checks a rule. Any exception counts as a failure of the server, except an interruption."""
    began = time.monotonic()
    fault = ""
    try:
        one.check(app)
    except Exception as error:
        lines = str(error).strip().splitlines()
        fault = lines[0] if lines else type(error).__name__
    finally:
        app.close_sockets()
    return Row(one, fault, time.monotonic() - began)
