"""Sends many records through `callspan transform` and watches its memory: it has to stay flat.

Distinct records of about 2 kB with three participants, 1 in 1,000 torn, through a pipe. Fails when a record is lost, or
when the resident memory at the end is more than 1.1 times that at a tenth of the way. Standard library only.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import threading
import time

GROWTH_MAX = 1.1
TORN_EVERY = 1_000
EXAMPLE = pathlib.Path(__file__).parent.parent / "examples/records/01-transferred.json"


def record_around_its_number():
    """What stands before and behind the number that makes each record another session."""
    record = json.loads(EXAMPLE.read_text())
    session = record["SessionId"]
    head, tail = json.dumps(record).split(session)
    return head.encode(), tail.encode()


def produce(pipe, count, head, tail):
    """Writes the records, one on each line."""
    torn = head[:100]
    with pipe:
        for start in range(0, count, 1_000):
            lines = [
                torn if number % TORN_EVERY == TORN_EVERY - 1 else head + b"soak-%d" % number + tail
                for number in range(start, min(start + 1_000, count))
            ]
            pipe.write(b"\n".join(lines) + b"\n")


def count_lines(pipe, counter):
    for block in iter(lambda: pipe.read1(1 << 16), b""):
        counter[0] += block.count(b"\n")


def resident_kb(process_id):
    """None for a process that has just ended."""
    status = pathlib.Path(f"/proc/{process_id}/status").read_text()
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")), None)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("callspan", help="the program, as `cargo build --release` makes it")
    arguments.add_argument("--records", type=int, default=1_000_000)
    options = arguments.parse_args()

    head, tail = record_around_its_number()
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    callspan = subprocess.Popen([options.callspan, "transform"], **pipes)
    traces, refusals = [0], [0]
    threads = [
        threading.Thread(target=produce, args=(callspan.stdin, options.records, head, tail)),
        threading.Thread(target=count_lines, args=(callspan.stdout, traces)),
        threading.Thread(target=count_lines, args=(callspan.stderr, refusals)),
    ]
    begin = time.monotonic()
    for thread in threads:
        thread.start()

    tenth, samples = options.records // 10, []
    while callspan.poll() is None:
        done, resident = traces[0] + refusals[0], resident_kb(callspan.pid)
        if resident and done >= tenth * (len(samples) + 1) - tenth // 50:
            samples.append(resident)
            print(f"{done:>10,} records  {resident:>8,} kB", flush=True)
        time.sleep(0.01)
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - begin

    torn = options.records // TORN_EVERY
    if (traces[0], refusals[0]) != (options.records - torn, torn):
        sys.exit(f"{options.records - torn} traces and {torn} refusals expected, {traces[0]} and {refusals[0]} came out")
    if callspan.returncode != 1:
        sys.exit(f"exit code {callspan.returncode}, 1 expected: some were refused")
    growth = samples[-1] / samples[0]
    print(f"{options.records:,} records in {seconds:.0f} s, memory grew {growth:.3f} times since the first tenth")
    if growth > GROWTH_MAX:
        sys.exit(f"more than {GROWTH_MAX}")


if __name__ == "__main__":
    main()
