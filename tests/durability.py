"""Measures what a queue on disk costs: the wait for an answer, and a backlog of a million records.

1. Waits: 500 pushes a second over one connection, and after each a bare append of 4 kB with fdatasync to a file beside the
   queue, so that both meet the same disk at the same time.
2. Backlog: with a backend that is down, pushes until so many records wait; the process is killed, and started again with a
   backend that answers at once, until everything is delivered. Memory, start, rate, and what the disk gets back.

The rate at which a backlog is drained is held against that of `make throughput` in the same program, which this measures
first. Needs wrk, the program and the yardstick; see throughput.py. Standard library only.
"""

import argparse
import http.client
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import throughput as t

PUSHES_PER_SECOND = 500
APPEND_BYTES = 4096


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def start(options, folder, backend_port, port, admin_port):
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{backend_port}",
        "CALLSPAN_LOG": "warn",
        "CALLSPAN_DATA_DIR": str(folder),
    }
    command = [options.callspan, "serve", "--address", f"127.0.0.1:{port}", "--admin-address", f"127.0.0.1:{admin_port}"]
    return t.Program(command, port, environment)


def waits(options, folder, lines):
    """How long pushes wait for their answers, and appends for the disk, in milliseconds."""
    backend_port, port, admin_port = t.free_port(), t.free_port(), t.free_port()
    backend = t.Program([options.yardstick, f"127.0.0.1:{backend_port}"], backend_port)
    service = start(options, folder / "waits", backend_port, port, admin_port)
    connection = http.client.HTTPConnection("127.0.0.1", port)
    file = os.open(folder / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    block = b"x" * APPEND_BYTES
    pushes, appends = [], []
    begun = time.monotonic()
    for number in range(PUSHES_PER_SECOND * options.seconds):
        time.sleep(max(0, begun + number / PUSHES_PER_SECOND - time.monotonic()))
        record = lines[number % len(lines)].replace("throughput-", f"waits-{number}-")
        before = time.perf_counter()
        connection.request("POST", "/?action=cdr&version=1", record, {"X-TCCC-PUSH-UUID": f"waits-{number}"})
        response = connection.getresponse()
        response.read()
        pushes.append(1_000 * (time.perf_counter() - before))
        if response.status != 200:
            sys.exit(f"a push was answered with {response.status}")
        before = time.perf_counter()
        os.write(file, block)
        os.fdatasync(file)
        appends.append(1_000 * (time.perf_counter() - before))
    os.close(file)
    service.stop()
    backend.stop()
    return pushes, appends


def disk_mb(folder):
    return int(subprocess.run(["du", "-s", "--block-size=1000000", folder], capture_output=True, text=True).stdout.split()[0])


def rate(options, folder, bodies):
    """Pushes a second that are stored and delivered."""
    backend_port, port, admin_port = t.free_port(), t.free_port(), t.free_port()
    backend = t.Program([options.yardstick, f"127.0.0.1:{backend_port}"], backend_port)
    service = start(options, folder / "rate", backend_port, port, admin_port)
    t.push(port, 3, bodies)
    t.drain(admin_port)
    run = t.push(port, options.seconds, bodies)
    seconds = run["seconds"] + t.drain(admin_port)
    service.stop()
    backend.stop()
    return run["requests"] / seconds


def backlog(options, folder, bodies):
    backend_port, port, admin_port = t.free_port(), t.free_port(), t.free_port()
    queue = folder / "backlog"
    service = start(options, queue, backend_port, port, admin_port)
    waiting, pushed, begun = 0, 0, time.monotonic()
    while waiting < options.backlog:
        pushed += t.push(port, 10, bodies)["requests"]
        waiting = t.metric(admin_port, "consumer_waiting_events")
    growing = (time.monotonic() - begun, service.peak_mb(), disk_mb(queue))
    service.process.kill()
    service.process.communicate()

    backend = t.Program([options.yardstick, f"127.0.0.1:{backend_port}"], backend_port)
    begun = time.monotonic()
    service = start(options, queue, backend_port, port, admin_port)
    started = time.monotonic() - begun
    waiting = t.metric(admin_port, "consumer_waiting_events")
    begun = time.monotonic()
    t.drain(admin_port)
    seconds = time.monotonic() - begun
    draining = (service.peak_mb(), disk_mb(queue))
    time.sleep(5)
    left = disk_mb(queue)
    service.stop()
    backend.stop()
    return pushed, growing, started, waiting, waiting / seconds, draining, left


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("callspan", help="the program, as `cargo build --release` makes it")
    arguments.add_argument("yardstick", help="the yardstick, as `cargo build --release --example yardstick` makes it")
    arguments.add_argument("--seconds", type=int, default=15)
    arguments.add_argument("--backlog", type=int, default=1_000_000)
    arguments.add_argument("--folder", help="where the queue is put, on the disk to be measured; else a temporary one")
    options = arguments.parse_args()
    lines = list(t.records())
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        folder = pathlib.Path(folder)
        bodies = folder / "records.ndjson"
        bodies.write_text("\n".join(lines))

        pushes, appends = waits(options, folder, lines)
        for share in (0.5, 0.99):
            push, append = percentile(pushes, share), percentile(appends, share)
            print(f"p{100 * share:.0f}: answer {push:.2f} ms, bare append and fdatasync {append:.2f} ms, ratio {push / append:.1f}, difference {push - append:.2f} ms", flush=True)

        sustained = rate(options, folder, bodies)
        print(f"stored and delivered: {sustained:.0f}/s", flush=True)
        pushed, (seconds, peak, disk), started, waiting, drained, (drain_peak, drain_disk), left = backlog(options, folder, bodies)
        print(f"backlog: {waiting:.0f} of {pushed} in {seconds:.0f} s, peak {peak:.0f} MB, {disk} MB on disk")
        print(f"start after a kill: {started:.2f} s")
        print(f"drain: {drained:.0f}/s, {drained / sustained:.2f} times as stored and delivered, peak {drain_peak:.0f} MB")
        print(f"on disk: {drain_disk} MB when drained, {left} MB after 5 s")


if __name__ == "__main__":
    main()
