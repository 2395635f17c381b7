"""Measures what it costs senders when plugins are replaced under full load.

First a run as it always is, then one in which the plugin's file is replaced every few seconds by the other of two
components, which the service loads by itself, then one as the first; 64 connections, kept alive, each push synced to disk
before it is answered. No push may fail, and the 99th percentile of the wait for an answer may be twice what it is otherwise.

wrk, service and backend share the machine with the compiler of the components. Both were never compiled before: each is
made different by a section that means nothing, so that nothing comes from the cache. Needs wrk (Debian has it). Standard
library only, beside throughput.py.
"""

import argparse
import os
import pathlib
import sys
import tempfile
import threading
import time

import throughput as t

COMPONENT = t.HERE / "components/tccc-0.1.0.wasm"


def put(path, number):
    """A component that is like no other, in place of the one that is there."""
    content = f"replaced {number}".encode()
    section = bytes([len(b"number")]) + b"number" + content
    new = path.with_suffix(".new")
    new.write_bytes(COMPONENT.read_bytes() + bytes([0, len(section)]) + section)
    new.rename(path)


def replacing(path, every, stop, known):
    number = 0
    while not stop.wait(every):
        number += 1
        put(path, number % 2 if known else number)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("callspan", help="the program, as `cargo build --release` makes it")
    arguments.add_argument("yardstick", help="the yardstick, as `cargo build --release --example yardstick` makes it")
    arguments.add_argument("--seconds", type=int, default=60)
    arguments.add_argument("--every", type=float, default=5, help="seconds between two replacements")
    arguments.add_argument("--known", action="store_true", help="two components in turns, which the cache knows soon")
    arguments.add_argument("--folder", help="where the queue is put, on the disk to be measured; else a temporary one")
    options = arguments.parse_args()
    lines = list(t.records())
    with tempfile.TemporaryDirectory() as folder:
        bodies, plugin = pathlib.Path(folder) / "records.ndjson", pathlib.Path(folder) / "plugin.wasm"
        bodies.write_text("\n".join(lines))
        put(plugin, 0)
        backend_port, port, admin_port = t.free_port(), t.free_port(), t.free_port()
        backend = t.Program([options.yardstick, f"127.0.0.1:{backend_port}"], backend_port)
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{backend_port}",
            "CALLSPAN_LOG": "error",
            "CALLSPAN_DATA_DIR": f"{options.folder or folder}/data",
            "CALLSPAN_CACHE_DIR": f"{folder}/cache",
        }
        command = [options.callspan, "serve", "--address", f"127.0.0.1:{port}", "--plugin", plugin]
        service = t.Program([*command, "--admin-address", f"127.0.0.1:{admin_port}"], port, environment)
        t.push(port, 3, bodies)
        t.drain(admin_port)
        runs, replaced = [], 0
        for is_replaced in (False, True, False):
            before, stop = t.metric(admin_port, "plugin_reloads_total"), threading.Event()
            thread = threading.Thread(target=replacing, args=(plugin, options.every, stop, options.known))
            if is_replaced:
                thread.start()
            run = t.push(port, options.seconds, bodies)
            stop.set()
            behind = t.drain(admin_port)
            if is_replaced:
                # The last one is looked at when it stands still.
                thread.join()
                time.sleep(4)
            reloads = t.metric(admin_port, "plugin_reloads_total") - before
            runs.append(run)
            print(
                f"{'replaced every ' + format(options.every, 'g') + ' s' if is_replaced else 'left alone':19} "
                f"{run['requests'] / run['seconds']:7.0f}/s  p50 {run['p50_ms']:.1f} ms  p99 {run['p99_ms']:.1f} ms  "
                f"failed pushes {run['errors']}  reloads {reloads:.0f}  behind {behind:.2f} s  load {os.getloadavg()[0]:.1f}",
                flush=True,
            )
            replaced = max(replaced, reloads)
        failed = t.metric(admin_port, "component_discarded_events_total")
        peak = service.peak_mb()
        service.stop()
        backend.stop()
    normal = (runs[0]["p99_ms"] + runs[2]["p99_ms"]) / 2
    ratio = runs[1]["p99_ms"] / normal
    errors = sum(run["errors"] for run in runs)
    print(f"p99 {ratio:.2f} times the usual, {replaced:.0f} reloads, {errors} failed pushes, {failed:.0f} refused; peak {peak:.0f} MB")
    sys.exit(0 if ratio <= 2 and errors == 0 and failed == 0 and replaced > 0 else 1)


if __name__ == "__main__":
    main()
