"""Measures how many pushes a second `callspan serve` acknowledges and delivers, with its queue on disk and in memory.

On disk, a push is answered when it is synced, and delivered afterwards: the time until the last trace is delivered
counts too. In memory, it is answered when it is delivered.

The yardstick is a bare HTTP server in the same run that reads the same bodies and answers: absolute figures belong to
the machine and its hour, the ratios of rates and of CPU to the program. wrk, service and backend share the machine; 64 connections, kept alive; records of
about 2.3 kB with one to four participants, no two alike; nothing is compressed. After each run the spans that arrived at the backend
are counted and held against those that the answers promised. Needs wrk (Debian has it). Standard library only.
"""

import argparse
import copy
import itertools
import json
import os
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).parent
EXAMPLE = HERE.parent / "examples/records/01-transferred.json"
RECORDS = 1_000
CONNECTIONS = 64
PARTICIPANTS = [1, 2, 1, 3, 1, 2, 4, 2]
RECORD_BYTES = 2_260
PARTICIPANT_BYTES = 500
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def records():
    """Distinct records of two participants on average and about 2.3 kB, half of which waited in the queue."""
    example = json.loads(EXAMPLE.read_text())
    participant = example["ServeParticipants"][0]
    for number in range(RECORDS):
        count = PARTICIPANTS[number % len(PARTICIPANTS)]
        record = copy.deepcopy(example)
        record["SessionId"] = f"throughput-{number:012}"
        record["ServeParticipants"] = [dict(participant, Sequence=index) for index in range(count)]
        if number % 2:
            record["QueuedTimestamp"] = 0
        record["UserRemark"] = ""
        missing = RECORD_BYTES + (count - 2) * PARTICIPANT_BYTES - len(json.dumps(record))
        record["UserRemark"] = "r" * max(0, missing)
        yield json.dumps(record)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(port):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit(f"nobody listens on port {port}")


class Program:
    """A process with its figures from /proc."""

    def __init__(self, command, port, environment=None):
        self.process = subprocess.Popen(command, env={**os.environ, **(environment or {})}, stderr=subprocess.PIPE)
        self.port = port
        wait_for(port)

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    def peak_mb(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) / 1_000

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=60)


RUN = itertools.count()


def push(port, seconds, bodies):
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", str(HERE / "throughput.lua")]
    output = subprocess.run(
        [*command, f"http://127.0.0.1:{port}"], env={**os.environ, "RECORDS": bodies, "RUN": str(next(RUN))}, capture_output=True, text=True
    )
    found = re.search(r"^FIGURES (.*)$", output.stdout, re.MULTILINE)
    if not found:
        sys.exit(f"wrk said no figures: {output.stdout}{output.stderr}")
    return json.loads(found.group(1))


def push_bare(bare, seconds, bodies):
    """The same to the yardstick, with its CPU seconds a request."""
    cpu = bare.cpu_seconds()
    run = push(bare.port, seconds, bodies)
    return {**run, "cpu": (bare.cpu_seconds() - cpu) / run["requests"]}


def metric(port, name):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"callspan_{name}{{"))


def drain(admin_port):
    """Waits until everything that was stored is delivered; how long that took."""
    begun = time.monotonic()
    while metric(admin_port, "consumer_waiting_events") > 0:
        time.sleep(0.02)
    return time.monotonic() - begun


def spans_at(backend):
    with urllib.request.urlopen(f"http://127.0.0.1:{backend.port}/counts") as answer:
        return json.load(answer)["spans"]


def spans_per_record(callspan, lines):
    """How many spans each of the records becomes, as `callspan transform` says it."""
    output = subprocess.run([callspan, "transform"], input="\n".join(lines).encode(), capture_output=True, check=True)
    counts = []
    for line in output.stdout.splitlines():
        resource_spans = json.loads(line)["resourceSpans"]
        counts.append(sum(len(scope["spans"]) for part in resource_spans for scope in part["scopeSpans"]))
    return counts


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("callspan", help="the program, as `cargo build --release` makes it")
    arguments.add_argument("yardstick", help="the yardstick, as `cargo build --release --example yardstick` makes it")
    arguments.add_argument("--seconds", type=int, default=15)
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--protocols", default="grpc,http/protobuf,http/json")
    arguments.add_argument("--durabilities", default="fsync,memory")
    arguments.add_argument("--folder", help="where the queue is put, on the disk to be measured; else a temporary one")
    arguments.add_argument("--percent-min", type=float, default=0, help="fail below this share of the yardstick")
    options = arguments.parse_args()

    lines = list(records())
    expected = spans_per_record(options.callspan, lines)
    mean_bytes = statistics.mean(map(len, lines))
    print(f"{len(lines)} records, {mean_bytes:.0f} bytes and {statistics.mean(expected):.2f} spans on average; load {os.getloadavg()[0]:.2f}")
    below = False
    with tempfile.TemporaryDirectory() as folder:
        bodies = pathlib.Path(folder) / "records.ndjson"
        bodies.write_text("\n".join(lines))
        bare_port = free_port()
        bare = Program([options.yardstick, f"127.0.0.1:{bare_port}"], bare_port)
        push(bare_port, 2, bodies)
        yardsticks = [push_bare(bare, options.seconds, bodies)]
        ways = itertools.product(options.protocols.split(","), options.durabilities.split(","))
        for number, (protocol, durability) in enumerate(ways):
            backend_port, port, admin_port = free_port(), free_port(), free_port()
            backend = Program([options.yardstick, f"127.0.0.1:{backend_port}"], backend_port)
            environment = {
                "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{backend_port}",
                "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
                "CALLSPAN_LOG": "warn",
                "CALLSPAN_DATA_DIR": f"{options.folder or folder}/{number}",
            }
            command = [options.callspan, "serve", "--address", f"127.0.0.1:{port}", "--durability", durability]
            command += ["--admin-address", f"127.0.0.1:{admin_port}"]
            service = Program(command, port, environment)
            push(port, 3, bodies)
            drain(admin_port)
            runs, rates, behind, cpu = [], [], [], service.cpu_seconds()
            before = spans_at(backend)
            for _ in range(options.runs):
                runs.append(push(port, options.seconds, bodies))
                behind.append(drain(admin_port))
                rates.append(runs[-1]["requests"] / (runs[-1]["seconds"] + behind[-1]))
            # wrk hangs up on what is under way when its time is over.
            time.sleep(0.5)
            cpu = service.cpu_seconds() - cpu
            arrived, errors = spans_at(backend) - before, sum(run["errors"] for run in runs)
            peak = service.peak_mb()
            service.stop()
            backend.stop()
            yardsticks.append(push_bare(bare, options.seconds, bodies))

            requests = sum(run["requests"] for run in runs)
            rate = statistics.median(rates)
            yardstick = statistics.mean(run["requests"] / run["seconds"] for run in yardsticks[-2:])
            yardstick_cpu = statistics.mean(run["cpu"] for run in yardsticks[-2:])
            promised = requests * statistics.mean(expected)
            percent = 100 * rate / yardstick
            below |= percent < options.percent_min or errors > 0
            if protocol != "http/json":
                below |= arrived < 0.999 * promised
            print(
                f"{protocol:13} {durability:6} {rate:7.0f}/s  {percent:5.1f} % of {yardstick:.0f}/s  "
                f"{1_000 * cpu / requests:.4f} ms CPU a record, {cpu / requests / yardstick_cpu:.2f} times the {1_000 * yardstick_cpu:.4f}  p50 {runs[-1]['p50_ms']:.1f} ms  "
                f"p99 {runs[-1]['p99_ms']:.1f} ms  behind {statistics.median(behind):.2f} s  peak {peak:.0f} MB  "
                f"errors {errors}  "
                f"{'' if protocol == 'http/json' else f'spans arrived/promised {arrived / promised:.4f}'}",
                flush=True,
            )
        bare.stop()
    sys.exit(1 if below else 0)


if __name__ == "__main__":
    main()
