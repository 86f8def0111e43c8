"""The command line of Chromium: headless, alone, and with no way to the network but the guard."""

from __future__ import annotations

from typing import Final

import msgspec

DEBUGGER_FILE: Final = "DevToolsActivePort"
"""Where Chromium writes the port and the path of its debugger, in its profile."""
PROFILE_OPTION: Final = "--user-data-dir="

_FEATURES_OFF: Final = (
    # The frame of a window that nobody sees: without them each page has a second process, and 20
    # pages need 0.8 GiB instead of 1.4 (measured on Chromium 156).
    "InitialWebUI",
    "WebUIReloadButton",
    "WebUIToolbar",
    "WebUILocationBar",
    "WebUIOmniboxPopup",
    "WebUIOmniboxFullPopup",
    "WebUIOmniboxAimPopup",
    # What would ask the outside on its own.
    "AimEnabled",
    "AutofillServerCommunication",
    "CertificateTransparencyComponentUpdater",
    "DialMediaRouteProvider",
    "Glic",
    "LensOverlay",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PreconnectToSearch",
    "Translate",
    # What Playwright needs off, to see and steer what it expects.
    "AvoidCorsURLLoaderRestartOnRedirect",
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "PaintHolding",
    "ThirdPartyStoragePartitioning",
)
_FEATURES_ON: Final = ("CDPScreenshotNewSurface", "SkipListAccountsWithoutGaiaCookies")
_POINTERS: Final = (
    "primaryHoverType=2",
    "availableHoverTypes=2",
    "primaryPointerType=4",
    "availablePointerTypes=4",
)
_ALWAYS: Final = (
    "--headless",
    "--no-startup-window",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-pings",
    "--no-service-autorun",
    "--disable-background-networking",
    "--disable-breakpad",
    "--disable-component-extensions-with-background-pages",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-field-trial-config",
    "--disable-gpu",
    "--disable-infobars",
    "--disable-search-engine-choice-screen",
    "--disable-stack-profiler",
    "--disable-sync",
    "--metrics-recording-only",
    "--password-store=basic",
    # A page in the background works as one in the foreground.
    "--disable-back-forward-cache",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--disable-hang-monitor",
    "--disable-ipc-flooding-protection",
    "--disable-popup-blocking",
    "--disable-prompt-on-repost",
    "--allow-pre-commit-input",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    "--mute-audio",
    f"--blink-settings={','.join(_POINTERS)}",
    # Nothing goes past the proxy of a session: not QUIC, not WebRTC, not a name of its own. What
    # belongs to no session has a proxy that never answers (the discard port).
    "--disable-quic",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--dns-prefetch-disable",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--proxy-server=http://127.0.0.1:9",
    "--proxy-bypass-list=<-loopback>",
    "--remote-debugging-address=127.0.0.1",
    "--remote-debugging-port=0",
)


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """How a Chromium is started.

    Without enough `shared_memory` it uses files instead; `cover` is a command that runs it.
    """

    program: str
    sandbox: bool
    shared_memory: bool
    cover: tuple[str, ...] = ()


def command(launch: Launch, profile: str) -> list[str]:
    """Chromium with this profile."""
    return [
        launch.program,
        f"{PROFILE_OPTION}{profile}",
        *_ALWAYS,
        f"--disable-features={','.join(_FEATURES_OFF)}",
        f"--enable-features={','.join(_FEATURES_ON)}",
        *(() if launch.sandbox else ("--no-sandbox",)),
        *(() if launch.shared_memory else ("--disable-dev-shm-usage",)),
    ]


def debugger_url(text: str) -> str | None:
    """The websocket URL of the debugger, from what Chromium wrote; None while it is not whole."""
    port, _, path = text.partition("\n")
    if not port.isdigit() or not path.startswith("/devtools/"):
        return None
    return f"ws://127.0.0.1:{port}{path.strip()}"


def port_of(debugger: str) -> int:
    """The port in the URL of a debugger."""
    return int(debugger.split(":")[2].partition("/")[0])


def version_of(text: str) -> str:
    """The number in what the program says of itself; empty where there is none."""
    return next((word for word in text.split() if word[:1].isdigit()), "")
