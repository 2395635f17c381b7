"""An OTLP receiver, gRPC and HTTP, on the official generated messages: the oracle for what callspan puts on the wire.

HTTP is taken on every path, in protocol buffers and in JSON; the path is part of what is told. Compressed requests are
taken too, and it is told that they were. With a certificate, both speak TLS; it is read again for each connection. With a
CA for clients, clients have to show a certificate of it.

Talks in JSON lines. Standard output: first {"grpc": port, "http": port}, then one object for each export request, with
what it held, and with how it was answered. Standard input: what the next requests are to be answered with,
{"answer": NAME, "times": N, ...}; a line {"cued": NAME} confirms it. The last answer stays in force when N is 0.

    accept       everything is taken (the default)
    as before    changes nothing: its confirmation says that all before it has been said
    partial      taken, but for {"rejected": N} spans, with a message
    unavailable  503 / UNAVAILABLE, with Retry-After / RetryInfo when {"retry_after": SECONDS}
    throttled    429 / RESOURCE_EXHAUSTED, the same
    refused      400 / INVALID_ARGUMENT
    unauthorized 401 / UNAUTHENTICATED
    too_large    413 / RESOURCE_EXHAUSTED without RetryInfo
    guilty       refused if a span has {"session": TEXT} as its tccc.session.id, else taken
    silent       no answer for {"seconds": N}
    held         no answer until another standing answer is cued, then taken
    huge         503 with a body of 500 MB; over gRPC, a message of 100 MB
"""

import argparse
import base64
import gzip
import json
import random
import ssl
import sys
import threading
import time
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import zstandard
from google.protobuf import any_pb2, duration_pb2, json_format
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

OUTPUT = threading.Lock()
TELLS_CANONICAL = "--canonical" in sys.argv


def say(message):
    with OUTPUT:
        print(json.dumps(message), flush=True)


class Cue:
    """What the next requests are answered with."""

    def __init__(self):
        self.lock = threading.Condition()
        self.queue = []
        self.standing = {"answer": "accept"}

    def set(self, cue):
        with self.lock:
            times = cue.get("times", 0)
            if times:
                self.queue.extend([cue] * times)
            else:
                self.queue, self.standing = [], cue
                self.lock.notify_all()

    def next(self):
        with self.lock:
            return self.queue.pop(0) if self.queue else self.standing

    def wait_out(self, cue):
        with self.lock:
            self.lock.wait_for(lambda: self.standing is not cue)


CUE = Cue()


def value(any_value):
    kind = any_value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [value(item) for item in any_value.array_value.values]
    if kind in ("kvlist_value", "bytes_value"):
        raise ValueError(f"{kind}: callspan never sends that")
    return getattr(any_value, kind)


def attributes(pairs):
    decoded = {pair.key: value(pair.value) for pair in pairs}
    if len(decoded) != len(pairs):
        raise ValueError(f"a key stands twice among {[pair.key for pair in pairs]}")
    return decoded


def spans(request):
    for resource_spans in request.resource_spans:
        resource = attributes(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                yield {
                    "resource": resource,
                    "scope": scope_spans.scope.name,
                    "canonical": canonical(resource_spans, scope_spans, span) if TELLS_CANONICAL else None,
                    "trace_id": span.trace_id.hex(),
                    "span_id": span.span_id.hex(),
                    "parent_span_id": span.parent_span_id.hex(),
                    "name": span.name,
                    "kind": span.kind,
                    "start_unix_nano": span.start_time_unix_nano,
                    "end_unix_nano": span.end_time_unix_nano,
                    "status": span.status.code,
                    "attributes": attributes(span.attributes),
                    "events": [
                        {"name": e.name, "time_unix_nano": e.time_unix_nano, "attributes": attributes(e.attributes)}
                        for e in span.events
                    ],
                    "links": [
                        {"trace_id": l.trace_id.hex(), "span_id": l.span_id.hex(), "attributes": attributes(l.attributes)}
                        for l in span.links
                    ],
                }


def canonical(resource_spans, scope_spans, span):
    """A span and all that is said of it, in the one order of fields that protocol buffers has, unknown ones at the end."""
    parts = [resource_spans.resource, scope_spans.scope, span]
    encoded = [part.SerializeToString(deterministic=True).hex() for part in parts]
    return [resource_spans.schema_url, scope_spans.schema_url, *encoded]


def from_protobuf(body):
    return trace_service_pb2.ExportTraceServiceRequest.FromString(body)


def from_json(body):
    """Ids are hexadecimal in OTLP/JSON, where the JSON of protocol buffers has base64; else the two are the same."""

    def with_base64_ids(fields):
        for key in ("traceId", "spanId", "parentSpanId"):
            if key in fields:
                fields[key] = base64.b64encode(bytes.fromhex(fields[key])).decode()
        return fields

    fields = json.loads(body, object_hook=with_base64_ids)
    # An unknown field is an error.
    return json_format.ParseDict(fields, trace_service_pb2.ExportTraceServiceRequest())


def report(protocol, path, encoding, headers, request, cue):
    say(
        {
            "protocol": protocol,
            "path": path,
            "encoding": encoding,
            "headers": {name.lower(): text for name, text in headers if isinstance(text, str)},
            "answer": cue["answer"],
            "spans": list(spans(request)),
        }
    )


def accepted(cue):
    response = trace_service_pb2.ExportTraceServiceResponse()
    if cue["answer"] == "partial":
        response.partial_success.rejected_spans = cue.get("rejected", 1)
        response.partial_success.error_message = "told to"
    return response


ENCODINGS = {"": bytes, "gzip": gzip.decompress, "zstd": lambda body: zstandard.ZstdDecompressor().decompressobj().decompress(body)}
# What each begins with is no field of a request.
MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number, payload):
    return bytes([number << 3 | 2]) + varint(len(payload)) + payload


def status_with_retry_info(code, seconds):
    """google.rpc.Status by hand: its generated messages are another package."""
    delay = duration_pb2.Duration(seconds=seconds).SerializeToString()
    info = any_pb2.Any(type_url="type.googleapis.com/google.rpc.RetryInfo", value=field(1, delay))
    return bytes([1 << 3]) + varint(code) + field(3, info.SerializeToString())


class TraceService:
    METHOD = ("opentelemetry.proto.collector.trace.v1.TraceService", "Export")
    CODES = {
        "unavailable": grpc.StatusCode.UNAVAILABLE,
        "throttled": grpc.StatusCode.RESOURCE_EXHAUSTED,
        "refused": grpc.StatusCode.INVALID_ARGUMENT,
        "unauthorized": grpc.StatusCode.UNAUTHENTICATED,
        "too_large": grpc.StatusCode.RESOURCE_EXHAUSTED,
    }

    @classmethod
    def handler(cls):
        """Takes requests as they are on the wire, so that it can be seen whether they were compressed."""
        service, method = cls.METHOD
        export = grpc.unary_unary_rpc_method_handler(cls.export, response_serializer=lambda it: it.SerializeToString())
        return grpc.method_handlers_generic_handler(service, {method: export})

    @classmethod
    def export(cls, body, context):
        cue = CUE.next()
        if cue["answer"] == "huge":
            say({"misbehaved": "huge"})
            response = trace_service_pb2.ExportTraceServiceResponse()
            response.partial_success.error_message = " " * 100_000_000
            return response
        encoding = next((name for magic, name in MAGIC.items() if body.startswith(magic)), "")
        request = from_protobuf(ENCODINGS[encoding](body))
        cue = judged(cue, request)
        report("grpc", "/" + "/".join(cls.METHOD), encoding, context.invocation_metadata(), request, cue)
        if cue["answer"] == "silent":
            time.sleep(cue.get("seconds", 60))
        if cue["answer"] == "held":
            CUE.wait_out(cue)
        code = cls.CODES.get(cue["answer"])
        if code is None:
            return accepted(cue)
        if "retry_after" in cue:
            details = status_with_retry_info(code.value[0], cue["retry_after"])
            context.set_trailing_metadata([("grpc-status-details-bin", details)])
        context.abort(code, "told to")


def judged(cue, request):
    """What this request is answered with, where that depends on it."""
    if cue["answer"] != "guilty":
        return cue
    is_guilty = any(span["attributes"].get("tccc.session.id") == cue["session"] for span in spans(request))
    return {"answer": "refused" if is_guilty else "accept"}


def huge():
    yield b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 500000000\r\n\r\n"
    for _ in range(500):
        yield b" " * 1_000_000


class Traces(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    CODES = {"unavailable": 503, "throttled": 429, "refused": 400, "unauthorized": 401, "too_large": 413}
    TYPES = {"application/x-protobuf": ("http/protobuf", from_protobuf), "application/json": ("http/json", from_json)}

    def do_POST(self):
        cue = CUE.next()
        length = int(self.headers["content-length"])
        body = self.rfile.read(length)
        encoding = self.headers.get("content-encoding", "")
        protocol, decode = self.TYPES.get(self.headers["content-type"], (None, None))
        if protocol is None or encoding not in ENCODINGS:
            return self.answer(415, b"")
        if cue["answer"] == "huge":
            say({"misbehaved": "huge"})
            return self.misbehave()
        request = decode(ENCODINGS[encoding](body))
        cue = judged(cue, request)
        report(protocol, self.path, encoding, self.headers.items(), request, cue)
        if cue["answer"] == "silent":
            time.sleep(cue.get("seconds", 60))
        if cue["answer"] == "held":
            CUE.wait_out(cue)
        code = self.CODES.get(cue["answer"])
        if code is not None:
            return self.answer(code, b"", cue.get("retry_after"))
        response = accepted(cue)
        is_json = protocol == "http/json"
        self.answer(200, json_format.MessageToJson(response).encode() if is_json else response.SerializeToString())

    def misbehave(self):
        self.close_connection = True
        try:
            for chunk in huge():
                self.wfile.write(chunk)
                self.wfile.flush()
        except OSError:
            pass  # The client has heard enough.

    def answer(self, code, body, retry_after=None):
        self.send_response(code)
        self.send_header("content-type", self.headers["content-type"])
        self.send_header("content-length", str(len(body)))
        if retry_after is not None:
            self.send_header("retry-after", str(retry_after))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    read_certificate = None

    def secure(self, options):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if options.client_ca:
            context.load_verify_locations(options.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        # Whoever resumes a session is shown no certificate.
        context.num_tickets = 0
        self.read_certificate = lambda: context.load_cert_chain(options.certificate, options.key)
        # Each connection shakes hands in its own thread, with its first read.
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def get_request(self):
        if self.read_certificate:
            self.read_certificate()
        return super().get_request()


def credentials(options):
    def read():
        with open(options.key, "rb") as key, open(options.certificate, "rb") as certificate:
            pair = (key.read(), certificate.read())
        return grpc.ssl_server_certificate_configuration([pair], root_certificates=roots)

    roots = None
    if options.client_ca:
        with open(options.client_ca, "rb") as file:
            roots = file.read()
    return grpc.dynamic_ssl_server_credentials(read(), read, require_client_authentication=roots is not None)


def bound(port, bind):
    """Binds to this port, or to a free one of those that the system gives nobody by itself: a backend that comes back
    finds it free."""
    if port:
        return bind(port)
    for _ in range(100):
        try:
            return bind(random.randrange(15_000, 32_000))
        except (OSError, RuntimeError):
            continue
    sys.exit("no free port was found")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--grpc-port", type=int, default=0)
    arguments.add_argument("--http-port", type=int, default=0)
    arguments.add_argument("--certificate", help="a file in PEM")
    arguments.add_argument("--key", help="a file in PEM")
    arguments.add_argument("--client-ca", help="a file in PEM")
    arguments.add_argument("--canonical", action="store_true", help="tells the canonical bytes of each span too")
    options = arguments.parse_args()

    channel_options = [("grpc.so_reuseport", 0), ("grpc.per_message_decompression", 0)]
    service = grpc.server(futures.ThreadPoolExecutor(max_workers=8), options=channel_options)
    service.add_generic_rpc_handlers((TraceService.handler(),))
    http = bound(options.http_port, lambda port: Server(("127.0.0.1", port), Traces))
    if options.certificate:
        own = credentials(options)
        grpc_port = bound(options.grpc_port, lambda port: service.add_secure_port(f"127.0.0.1:{port}", own))
        http.secure(options)
    else:
        grpc_port = bound(options.grpc_port, lambda port: service.add_insecure_port(f"127.0.0.1:{port}"))
    service.start()
    threading.Thread(target=http.serve_forever, daemon=True).start()
    say({"grpc": grpc_port, "http": http.server_address[1]})

    # Ends when the test that started it does.
    for line in sys.stdin:
        cue = json.loads(line)
        if cue["answer"] != "as before":
            CUE.set(cue)
        say({"cued": cue["answer"]})
    service.stop(grace=None)


if __name__ == "__main__":
    main()
