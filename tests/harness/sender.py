"""Sends one OTLP logs request with the official generated messages, and tells how it was answered.

Standard input: the bodies of the log records, a JSON array of texts. Standard output: one JSON object,

    status       the name of the gRPC code, or the number of HTTP
    rejected     how many log records were refused, by partial_success
    message      its error_message, or what the error says
    retry_after  in seconds, by RetryInfo, and over HTTP by Retry-After too, which has to say the same; or null
"""

import argparse
import json
import sys
import urllib.error
import urllib.request

import grpc
from google.protobuf import json_format
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc


def request_of(bodies):
    request = logs_service_pb2.ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    for body in bodies:
        records.add().body.string_value = body
    return request


def taken(status, response):
    partial = response.partial_success
    return {
        "status": status,
        "rejected": partial.rejected_log_records,
        "message": partial.error_message,
        "retry_after": None,
    }


def refused(status, error):
    delays = []
    for detail in error.details:
        info = error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            delays.append(info.retry_delay.seconds + info.retry_delay.nanos / 1e9)
    return {
        "status": status,
        "rejected": 0,
        "message": error.message,
        "retry_after": delays[0] if delays else None,
    }


def over_grpc(url, request):
    with grpc.insecure_channel(url.removeprefix("http://")) as channel:
        try:
            return taken("OK", logs_service_pb2_grpc.LogsServiceStub(channel).Export(request, timeout=30))
        except grpc.RpcError as error:
            details = dict(error.trailing_metadata()).get("grpc-status-details-bin", b"")
            return refused(error.code().name, status_pb2.Status.FromString(details))


def over_http(url, request, is_json):
    content_type = "application/json" if is_json else "application/x-protobuf"
    body = json_format.MessageToJson(request).encode() if is_json else request.SerializeToString()

    def message(answer, kind):
        if answer.headers["content-type"] != content_type:
            raise ValueError(f"{content_type} was answered with {answer.headers['content-type']}")
        return json_format.Parse(answer.read(), kind()) if is_json else kind.FromString(answer.read())

    post = urllib.request.Request(f"{url}/v1/logs", data=body, headers={"content-type": content_type})
    try:
        with urllib.request.urlopen(post, timeout=30) as answer:
            return taken(str(answer.status), message(answer, logs_service_pb2.ExportLogsServiceResponse))
    except urllib.error.HTTPError as answer:
        told = refused(str(answer.status), message(answer, status_pb2.Status))
        in_header = answer.headers["retry-after"]
        if (in_header and float(in_header)) != told["retry_after"]:
            raise ValueError(f"Retry-After says {in_header}, RetryInfo {told['retry_after']}") from None
        return told


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("protocol", choices=["grpc", "http/protobuf", "http/json"])
    arguments.add_argument("url")
    options = arguments.parse_args()

    request = request_of(json.load(sys.stdin))
    if options.protocol == "grpc":
        answer = over_grpc(options.url, request)
    else:
        answer = over_http(options.url, request, options.protocol == "http/json")
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
