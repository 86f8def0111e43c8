"""Collecting garbage again and again in a process that holds a whole test run."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def young() -> Iterator[None]:
    """A collection looks at what is made from here on only; at all there is it takes 60 ms."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
