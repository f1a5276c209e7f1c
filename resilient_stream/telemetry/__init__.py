"""What operators see of a call: spans and metrics through OpenTelemetry's API, and log records.

The one rule: it watches. It is told of events by the call and changes nothing about the stream; without an
OpenTelemetry SDK, and with logging off, a call has no observer and pays nothing.
Must never: make a span current across a yield (R1), or record a prompt, an answer, a header or a key unless asked.
"""
