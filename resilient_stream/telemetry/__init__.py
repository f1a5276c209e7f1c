"""Tells operators of a call: by spans and metrics through OpenTelemetry's API, and by log records.

Telemetry is told of events by the call and never changes the stream. Without an OpenTelemetry SDK, and with logging
off, a call has no observer and pays nothing.

No span is the current one across a `yield`: the caller's own spans would become its children. Prompts and answers are
recorded only when the user asks for it (`Telemetry(content=True)`), headers and keys never.
"""
