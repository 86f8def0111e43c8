"""The page that shows a session as it goes; pure."""

from __future__ import annotations

import base64
import hashlib
import html
from typing import Final

import msgspec

from sessions.dialects.notte.wire_debug import Sockets

_STYLE: Final = """
body{margin:0;font:15px/1.4 system-ui,sans-serif;background:#16181d;color:#e6e6e6}
header{padding:.6rem 1rem;display:flex;gap:1rem;align-items:baseline;flex-wrap:wrap}
h1{font-size:1rem;margin:0}
img{display:block;max-width:100%;margin:0 auto;background:#fff}
pre{max-height:30vh;overflow:auto;margin:0;padding:.6rem 1rem;font-size:12px}
"""
_SCRIPT: Final = """
"use strict";
const at = JSON.parse(document.getElementById("places").textContent);
const state = document.getElementById("state");
const picture = document.getElementById("picture");
const log = document.getElementById("log");
let shown = "";
const recording = new WebSocket(at.recording);
recording.binaryType = "blob";
recording.onopen = () => { state.textContent = "live"; };
recording.onmessage = (message) => {
  const next = URL.createObjectURL(message.data);
  picture.src = next;
  if (shown) URL.revokeObjectURL(shown);
  shown = next;
};
recording.onclose = (event) => { state.textContent = event.reason || "no longer live"; };
const logs = new WebSocket(at.logs);
logs.onmessage = (message) => {
  const line = JSON.parse(message.data);
  const text = [line.status ?? "-", line.method, line.url, line.error].join(" ");
  log.append(text.trim() + "\\n");
  while (log.childNodes.length > 500) log.firstChild.remove();
  log.scrollTop = log.scrollHeight;
};
"""
_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Session {id}</title>
<style>{style}</style>
<header><h1>Session {id}</h1><span id="state" role="status">{state}</span></header>
<img id="picture" alt="What the browser shows">
<pre id="log" aria-label="Requests of the browser"></pre>
{script}
</html>
"""


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src blob:; connect-src 'self' ws: wss:; "
        f"script-src {_hash(_SCRIPT)}; style-src {_hash(_STYLE)}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
"""The address of the page is a permission: it is told to nobody and kept nowhere."""


def page(session_id: str, ws: Sockets | None) -> str:
    """The page; without websockets it says that the session has ended."""
    shown = html.escape(session_id)
    if ws is None:
        return _PAGE.format(id=shown, style=_STYLE, state="The session has ended.", script="")
    places = msgspec.json.encode(ws).decode().replace("<", "\\u003c")
    script = (
        f'<script type="application/json" id="places">{places}</script>\n<script>{_SCRIPT}</script>'
    )
    return _PAGE.format(id=shown, style=_STYLE, state="connecting", script=script)
