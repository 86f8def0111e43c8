"""The feeds: websocket, server-sent events and long poll over one cursor, the position."""
