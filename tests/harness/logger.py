"""An application that logs call records with OpenTelemetry's SDK, configured by the standard variables.

Logs each line of its standard input, flushes, and ends: with code 1 if an export failed.

    --with logging   through the handler for Python's own logging (the default)
    --with logger    through the SDK's Logger, the line as the body
    --with map       the same, what the line says in JSON as the body
"""

import argparse
import json
import logging
import os
import sys

from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExportResult

EXPORTERS = {"grpc": GrpcExporter, "http/protobuf": HttpExporter}
FAILED = []


def watched(exporter):
    """The SDK reports a failed export to nobody but its own log."""
    export = exporter.export

    def export_and_remember(batch):
        result = export(batch)
        if result is not LogRecordExportResult.SUCCESS:
            FAILED.append(result)
        return result

    exporter.export = export_and_remember
    return exporter


def emitter(way, provider):
    if way == "logging":
        application = logging.getLogger("calls")
        application.setLevel(logging.INFO)
        application.addHandler(LoggingHandler(logger_provider=provider))
        return application.info
    logger = provider.get_logger("calls")
    return lambda line: logger.emit(body=json.loads(line) if way == "map" else line)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--with", dest="way", choices=["logging", "logger", "map"], default="logging")
    options = arguments.parse_args()

    # The SDK's own troubles go to the standard error.
    logging.basicConfig()
    provider = LoggerProvider()
    exporter = EXPORTERS[os.environ["OTEL_EXPORTER_OTLP_PROTOCOL"]]()
    provider.add_log_record_processor(BatchLogRecordProcessor(watched(exporter)))
    emit = emitter(options.way, provider)
    for line in sys.stdin:
        emit(line.rstrip("\n"))
    is_flushed = provider.force_flush()
    provider.shutdown()
    sys.exit(0 if is_flushed and not FAILED else 1)


if __name__ == "__main__":
    main()
