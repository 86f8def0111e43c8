"""What happens at which step: things that a runtime may do wrong, one after the other."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Literal

Act = Literal["ok", "fail", "hang", "die", "unavailable"]


class Died(Exception):
    """The script says that what does the step dies."""


class Script:
    """What happens at which time of which step; `calls` counts them."""

    def __init__(
        self,
        failed: type[Exception],
        unavailable: Exception,
        acts: dict[str, Act],
    ) -> None:
        self.acts: dict[str, list[Act]] = {step: [act] for step, act in acts.items()}
        self.calls: Counter[str] = Counter()
        self.entered = asyncio.Event()
        self.frozen = False
        """True once the service is dead: nothing is done any more."""
        self._failed = failed
        self._unavailable = unavailable

    def then(self, step: str, *acts: Act) -> None:
        """The next times of a step go so, and the later ones well."""
        self.acts[step] = list(acts)

    async def perform(self, step: str) -> None:
        """Do what the script says of this step; raises Died where something is to die."""
        self.calls[step] += 1
        acts = self.acts.get(step)
        act = "hang" if self.frozen else acts.pop(0) if acts else "ok"
        await asyncio.sleep(0)
        match act:
            case "fail":
                raise self._failed(f"the script fails {step}")
            case "unavailable":
                raise self._unavailable
            case "hang":
                self.entered.set()
                await asyncio.Event().wait()
            case "die":
                raise Died(step)
            case "ok":
                pass
