"""Measures what keeping strangers out costs those who are let in.

First what TLS and a password cost: pushes a second over TLS with HTTP Basic against pushes in the clear without, in turns;
64 connections, kept alive, each push synced to disk before it is answered.

Then how long somebody waits who pushes at a steady rate in the clear, alone, and while others hold 10,000 connections
without a word and 2,000 pushes a second are refused for a wrong password. The wait ends with the answer, which says that
the record is on disk.

wrk, openssl (Debian has both), service, backend and the others share the machine. Standard library only, beside
throughput.py.
"""

import argparse
import http.client
import json
import os
import pathlib
import re
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import throughput as t

IDLE = 10_000
REFUSED_A_SECOND = 2_000
STRANGERS = 44
# Each also waits for its answer, so they ask for some more.
ASKED_A_SECOND = 2_200
ADDRESSES = 50
AUTHORIZATION = "Basic Y2FsbGVyOmEgbG9uZyBhbmQgc2VjcmV0IHdvcmQ="
USER = "auth: { strategy: basic, username: caller, password: a long and secret word }"


def service(options, folder, name, settings):
    """A service whose source has these settings, with a backend that answers at once."""
    backend_port, port, admin_port = t.free_port(), t.free_port(), t.free_port()
    backend = t.Program([options.yardstick, f"127.0.0.1:{backend_port}"], backend_port)
    configuration = pathlib.Path(folder) / f"{name}.yaml"
    configuration.write_text(
        f"sources: {{ calls: {{ type: http_server, address: '127.0.0.1:{port}', {settings} }} }}\n"
        "transforms: { traces: { type: plugin, inputs: [calls] } }\n"
        "sinks: { backend: { type: opentelemetry, inputs: [traces],"
        f" endpoint: 'http://127.0.0.1:{backend_port}', protocol: grpc }} }}\n"
    )
    environment = {"CALLSPAN_LOG": "off", "CALLSPAN_DATA_DIR": f"{options.folder or folder}/{name}"}
    command = [options.callspan, "serve", "--config", configuration, "--admin-address", f"127.0.0.1:{admin_port}"]
    program = t.Program(command, port, environment)
    program.backend, program.admin_port = backend, admin_port
    return program


def stop(program):
    program.stop()
    program.backend.stop()


def certificate(folder):
    key, chain = f"{folder}/key.pem", f"{folder}/chain.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    subprocess.run([*command, "-subj", "/CN=localhost", "-keyout", key, "-out", chain], check=True, capture_output=True)
    return f"tls: {{ enabled: true, crt_file: '{chain}', key_file: '{key}' }}"


def cost_of_being_let_in(options, folder, bodies):
    plain = service(options, folder, "plain", "path: /")
    secured = service(options, folder, "secured", f"path: /, {USER}, {certificate(folder)}")
    ways = [(plain, "http", {}), (secured, "https", {"AUTHORIZATION": AUTHORIZATION})]
    for way in ways:
        push(*way, 3, bodies)
    ratios = []
    for _ in range(options.runs):
        rates = []
        for program, scheme, environment in ways:
            cpu = program.cpu_seconds()
            run = push(program, scheme, environment, options.seconds, bodies)
            t.drain(program.admin_port)
            cpu = (program.cpu_seconds() - cpu) / run["requests"]
            rates.append(run["requests"] / run["seconds"])
            print(f"{scheme:6} {rates[-1]:7.0f}/s  {1_000 * cpu:.4f} ms CPU a record  p99 {run['p99_ms']:.1f} ms  errors {run['errors']}", flush=True)
        ratios.append(rates[1] / rates[0])
    for program, _, _ in ways:
        stop(program)
    print(f"TLS and a password: {100 * statistics.median(ratios):.0f} % of the rate without")
    return statistics.median(ratios)


def push(program, scheme, environment, seconds, bodies):
    command = ["wrk", "-t1", f"-c{t.CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", str(t.HERE / "throughput.lua")]
    variables = {**os.environ, "RECORDS": str(bodies), "RUN": str(next(t.RUN)), **environment}
    output = subprocess.run([*command, f"{scheme}://127.0.0.1:{program.port}"], env=variables, capture_output=True, text=True)
    found = re.search(r"^FIGURES (.*)$", output.stdout, re.MULTILINE)
    return json.loads(found.group(1)) if found else sys.exit(f"wrk said no figures: {output.stdout}{output.stderr}")


def waits(port, lines, seconds, rate, round):
    """How long each answer took, in milliseconds, of pushes over one connection at this rate."""
    connection = http.client.HTTPConnection("127.0.0.1", port, source_address=("127.0.2.1", 0))
    headers = {"Authorization": AUTHORIZATION}
    begun, taken = time.monotonic(), []
    for number in range(rate * seconds):
        time.sleep(max(0, begun + number / rate - time.monotonic()))
        body = lines[number % len(lines)].replace("throughput-", f"honest-{round}-{number}-")
        pushed = time.monotonic()
        connection.request("POST", "/", body, headers)
        response = connection.getresponse()
        response.read()
        taken.append(1_000 * (time.monotonic() - pushed))
        if response.status != 200:
            sys.exit(f"an honest push was answered with {response.status}")
    return taken


def p99(figures):
    return statistics.quantiles(figures, n=100)[98]


def waiting_among_strangers(options, folder, lines):
    limits = "limits: { connections_max: 12000, connections_per_address_max: 1000, header_timeout_secs: 3600, idle_timeout_secs: 3600 }"
    program = service(options, folder, "crowded", f"path: /, {USER}, {limits}")
    waits(program.port, lines, 3, options.rate, 0)
    alone = p99(waits(program.port, lines, options.seconds, options.rate, 1))
    idle = [socket.create_connection(("127.0.0.1", program.port), source_address=(f"127.0.1.{1 + n % ADDRESSES}", 0)) for n in range(IDLE)]
    command = ["wrk", "-t1", f"-c{STRANGERS}", f"-d{options.seconds + 2}s", "-s", str(t.HERE / "strangers.lua"), f"http://127.0.0.1:{program.port}"]
    delay = str(1_000 * STRANGERS // ASKED_A_SECOND)
    strangers = subprocess.Popen(command, env={**os.environ, "DELAY": delay}, stdout=subprocess.PIPE, text=True)
    time.sleep(1)
    crowded = p99(waits(program.port, lines, options.seconds, options.rate, 2))
    found = re.search(r"^REFUSED (\S+) OTHERS (\S+)$", strangers.communicate()[0], re.MULTILINE)
    refused = float(found.group(1))
    open_still = sum(1 for connection in idle if is_open(connection))
    print(
        f"p99 of {options.rate}/s: {alone:.2f} ms alone, {crowded:.2f} ms among {open_still} idle connections and "
        f"{refused:.0f} refused pushes a second ({crowded / alone:.1f} times); peak {program.peak_mb():.0f} MB"
    )
    for connection in idle:
        connection.close()
    stop(program)
    return crowded, alone, refused


def is_open(connection):
    connection.setblocking(False)
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("callspan", help="the program, as `cargo build --release` makes it")
    arguments.add_argument("yardstick", help="the yardstick, as `cargo build --release --example yardstick` makes it")
    arguments.add_argument("--seconds", type=int, default=15)
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--rate", type=int, default=200, help="honest pushes a second")
    arguments.add_argument("--folder", help="where the queue is put, on the disk to be measured; else a temporary one")
    options = arguments.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (2 * IDLE, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    lines = list(t.records())
    print(f"{len(lines)} records, {statistics.mean(map(len, lines)):.0f} bytes on average; load {os.getloadavg()[0]:.2f}")
    with tempfile.TemporaryDirectory() as folder:
        bodies = pathlib.Path(folder) / "records.ndjson"
        bodies.write_text("\n".join(lines))
        crowded, alone, refused = waiting_among_strangers(options, folder, lines)
        ratio = cost_of_being_let_in(options, folder, bodies)
    is_reached = ratio >= 0.7 and crowded <= max(3 * alone, 25) and refused >= REFUSED_A_SECOND
    sys.exit(0 if is_reached else 1)


if __name__ == "__main__":
    main()
