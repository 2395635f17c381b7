"""Sends the spans of an OTLP/JSON request, given on standard input, with the gRPC exporter of OpenTelemetry's SDK, as often
as it can in some seconds, and prints how many spans that were in a second.

    sdk.py HOST:PORT
"""

import json
import sys
import time

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags

SECONDS = 5


def value(written):
    ((kind, content),) = written.items()
    if kind == "arrayValue":
        return [value(element) for element in content.get("values", [])]
    return int(content) if kind == "intValue" else content


def attributes(written):
    return {pair["key"]: value(pair["value"]) for pair in written.get("attributes", [])}


def context(trace_id, span_id):
    return SpanContext(int(trace_id, 16), int(span_id, 16), False, TraceFlags(TraceFlags.SAMPLED))


def read(request):
    for group in request["resourceSpans"]:
        resource = Resource(attributes(group["resource"]))
        for scoped in group["scopeSpans"]:
            scope = InstrumentationScope(scoped["scope"]["name"], scoped["scope"]["version"])
            for span in scoped["spans"]:
                parent = span.get("parentSpanId")
                yield ReadableSpan(
                    span["name"],
                    context(span["traceId"], span["spanId"]),
                    context(span["traceId"], parent) if parent else None,
                    resource,
                    attributes(span),
                    [Event(it["name"], attributes(it), int(it["timeUnixNano"])) for it in span.get("events", [])],
                    [Link(context(it["traceId"], it["spanId"]), attributes(it)) for it in span.get("links", [])],
                    SpanKind(span["kind"] - 1),
                    instrumentation_scope=scope,
                    start_time=int(span["startTimeUnixNano"]),
                    end_time=int(span["endTimeUnixNano"]),
                )


def main():
    spans = list(read(json.load(sys.stdin)))
    exporter = OTLPSpanExporter(f"http://{sys.argv[1]}", insecure=True)
    exporter.export(spans)
    begun, sent = time.perf_counter(), 0
    while time.perf_counter() - begun < SECONDS:
        if exporter.export(spans) is not SpanExportResult.SUCCESS:
            sys.exit("the backend did not take them")
        sent += len(spans)
    print(sent / (time.perf_counter() - begun))


if __name__ == "__main__":
    main()
