"""Pushes records at a steady rate to a service whose backend has stopped answering, and watches its memory.

The backend works at first, is then stopped where it is (SIGSTOP: its kernel takes requests, and nobody answers), and goes
on in the end. Meanwhile the service gives requests up and sends them again, and everything else waits on the disk: its
memory may grow by what is under way and by what the store keeps in memory before it writes it out, however long that
takes. Fails when a push is not taken, when memory grows by more than 150 MB, a third of what waits after ten minutes, or
when not every record is delivered in the end. Standard library only, beside throughput.py.
"""

import argparse
import http.client
import pathlib
import re
import signal
import sys
import tempfile
import time

import throughput as t

GROWTH_MB_MAX = 150
WARM_UP_SECONDS = 30


def resident_mb(program):
    status = pathlib.Path(f"/proc/{program.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1_000


class Sender:
    """Pushes records, no two of one session, at a steady rate over one connection."""

    def __init__(self, port, rate):
        self.connection = http.client.HTTPConnection("127.0.0.1", port)
        self.rate, self.lines, self.pushed = rate, list(t.records()), 0

    def push_for(self, seconds):
        begun = time.monotonic()
        for number in range(self.rate * seconds):
            time.sleep(max(0, begun + number / self.rate - time.monotonic()))
            record = self.lines[self.pushed % len(self.lines)].replace("throughput-", f"stall-{self.pushed}-")
            self.connection.request("POST", "/?action=cdr&version=1", record)
            response = self.connection.getresponse()
            answer = response.read()
            if response.status != 200:
                sys.exit(f"a push was answered with {response.status}: {answer.decode()}")
            self.pushed += 1


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("callspan", help="the program, as `cargo build --release` makes it")
    arguments.add_argument("yardstick", help="the yardstick, as `cargo build --release --example yardstick` makes it")
    arguments.add_argument("--seconds", type=int, default=600, help="how long the backend is stopped")
    arguments.add_argument("--rate", type=int, default=300, help="pushes a second")
    arguments.add_argument("--protocol", default="grpc")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        backend_port, port, admin_port = t.free_port(), t.free_port(), t.free_port()
        backend = t.Program([options.yardstick, f"127.0.0.1:{backend_port}"], backend_port)
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{backend_port}",
            "OTEL_EXPORTER_OTLP_PROTOCOL": options.protocol,
            "CALLSPAN_LOG": "error",
            "CALLSPAN_DATA_DIR": folder,
        }
        addresses = ["--address", f"127.0.0.1:{port}", "--admin-address", f"127.0.0.1:{admin_port}"]
        service = t.Program([options.callspan, "serve", *addresses], port, environment)

        sender = Sender(port, options.rate)
        sender.push_for(WARM_UP_SECONDS)
        t.drain(admin_port)
        before, tries = resident_mb(service), t.metric(admin_port, "export_tries_total")
        print(f"before: {before:.0f} MB", flush=True)

        backend.process.send_signal(signal.SIGSTOP)
        step = max(1, options.seconds // 20)
        samples = []
        for second in range(step, options.seconds + 1, step):
            sender.push_for(step)
            samples.append(resident_mb(service))
            waiting = t.metric(admin_port, "consumer_waiting_events")
            print(f"{second:>5} s  {waiting:>9,.0f} waiting  {samples[-1]:>5.0f} MB", flush=True)
        tries = t.metric(admin_port, "export_tries_total") - tries
        backend.process.send_signal(signal.SIGCONT)
        seconds = t.drain(admin_port)
        delivered = t.metric(admin_port, "consumer_settled_events_total")
        dead_letters = t.metric(admin_port, "dead_letters")
        spans, after, peak = t.spans_at(backend), resident_mb(service), service.peak_mb()
        service.stop()
        backend.stop()

    print(f"{sender.pushed:,} pushed, {delivered:,.0f} settled, {spans:,} spans at the backend, {tries:,.0f} tries in vain")
    print(f"drained in {seconds:.0f} s; memory: peak {peak:.0f} MB, {after:.0f} MB in the end")
    least = spans_of(options.callspan, sender)
    if delivered != sender.pushed or dead_letters or spans < least:
        sys.exit(f"{sender.pushed} records of {least} spans should have been delivered")
    if max(samples) - before > GROWTH_MB_MAX:
        sys.exit(f"it grew by more than {GROWTH_MB_MAX} MB")


def spans_of(callspan, sender):
    """How many spans all that was pushed becomes. What the backend had taken when it was stopped came twice."""
    counts = t.spans_per_record(callspan, sender.lines)
    rounds, rest = divmod(sender.pushed, len(counts))
    return rounds * sum(counts) + sum(counts[:rest])


if __name__ == "__main__":
    main()
