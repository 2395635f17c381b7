#!/usr/bin/env python3
"""Derives identifiers, counts, parents, names, times and links of every golden payload anew and holds the snapshots against them.

It is written from the description of the mapping alone and shares nothing with the Rust code. Of attributes it sees only the two
counts, and it sees no events: those are for the snapshots written by hand. With --allow-missing, a payload needs no snapshot.
"""
from __future__ import annotations

import gzip
import hashlib
import json
import re
import sys
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import accumulate
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple, Union

HERE = Path(__file__).parent
BODY_BYTES_MAX, DEPTH_MAX, PARTICIPANTS_MAX, SESSION_ID_BYTES_MAX = 1 << 20, 64, 256, 256
UNITS = (10**9, 10**6, 10**3, 1)  # nanoseconds in a second, a millisecond, a microsecond, a nanosecond
EARLIEST, LATEST = 946_684_800 * 10**9, 4_102_444_800 * 10**9  # 2000-01-01 and 2100-01-01, both inclusive
INBOUND, OUTBOUND = ("inbound call", "server"), ("outbound call", "client")
CALL_TYPES = {1: OUTBOUND, 2: INBOUND, 3: ("audio inbound call", "server"), 5: ("predictive call", "client"), 6: ("internal call", "internal")}
DIRECTIONS = {0: INBOUND, 1: OUTBOUND}
SEAT_TYPES = ["staffSeat", "staffPhoneSeat", "miniProgramSeat", "outboundSeat", "staffExtensionSeat"]
FAILED = ["error", "operatorError", "clientError", "asrError", "llmasrError", "ttsError", "clientTimeout", "voipClientError"]

class Number(str):
    """A JSON number in its own spelling, so that 1e400 and 20-digit ids stay what they are."""

class Object(List[Tuple[str, Any]]):
    """A JSON object with its duplicate names, in their order."""

@dataclass
class Refusal:
    reason: str

@dataclass
class Span:
    key: str
    name: str = ""
    kind: str = "internal"
    parent: str = "session"
    status: str = "unset"
    start: int = 0
    end: int = 0
    links: List[str] = field(default_factory=list)
    counts: Dict[str, int] = field(default_factory=dict)
    id: str = ""

@dataclass
class Trace:
    key: str
    id: str
    spans: List[Span]

# What a payload holds

def records(payload: bytes) -> Iterator[str]:
    """An array's elements, a file's lines, or one object that may be pretty-printed; bytes that are no UTF-8 as lone surrogates."""
    data = gzip.decompress(payload) if payload.startswith(b"\x1f\x8b") else payload
    text = data.decode("utf-8-sig", "surrogateescape")
    if text.lstrip().startswith("["):
        end, between = text.index("[") + 1, re.compile(r"[\s,]*")
        while text[(start := between.match(text, end).end())] != "]":
            _, end = json.JSONDecoder().raw_decode(text, start)
            yield text[start:end]
        return
    lines = [line for line in text.split("\n") if line.strip()]
    yield from lines if len(lines) > 1 and is_json(lines[0]) else [text] if lines else []

def parse(text: str) -> Any:
    is_none_of = [].index  # raises ValueError: NaN and Infinity are no JSON
    return json.loads(text, object_pairs_hook=Object, parse_int=Number, parse_float=Number, parse_constant=is_none_of)

def is_json(text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True

def depth(text: str) -> int:
    brackets = re.sub(r'"[^"\\]*(?:\\.[^"\\]*)*"|[^][{}]', "", text, flags=re.S)
    return max(accumulate(1 if bracket in "[{" else -1 for bracket in brackets), default=0)

def lower(text: str) -> str:
    return re.sub("[A-Z]", lambda letter: letter[0].lower(), text)  # ASCII only: the Kelvin sign is no k

def get(record: Object, name: str) -> Any:
    """The exact spelling, else the first of the inexact ones; of one spelling the last value."""
    spellings = [n for n, _ in record if lower(n) == lower(name)]
    chosen = name if name in spellings else (spellings or [None])[0]
    return ([value for n, value in record if n == chosen] or [None])[-1]

def text_of(record: Object, name: str) -> Optional[str]:
    value = str(get(record, name)).lower() if isinstance(get(record, name), bool) else get(record, name)
    return re.sub("[\ud800-\udfff]", "\ufffd", value) if isinstance(value, str) and value.strip() else None

def integer_of(record: Object, name: str) -> Optional[int]:
    value = get(record, name)
    if isinstance(value, Number):
        number = Decimal(value)
        return int(number) if number.adjusted() < 30 and number == number.to_integral_value() else None
    return int(value) if isinstance(value, str) and re.fullmatch("-?[0-9]+", value.strip()) else None

def instants_of(record: Object, names: str) -> List[Optional[int]]:
    """Timestamps in nanoseconds, whichever of the four units each is in."""
    numbers = [integer_of(record, f"{name}Timestamp") or 0 for name in names.split()]
    return [next((n * unit for unit in UNITS if EARLIEST <= n * unit <= LATEST), None) for n in numbers]

# The trace that must come out

def digest(size: int, *parts: str) -> str:
    made = hashlib.sha256(b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)).digest()[:size]
    return (made if any(made) else made[:-1] + b"\x01").hex()

def expected(record: str) -> Union[Trace, Refusal]:
    if len(record.encode("utf-8", "surrogateescape")) > BODY_BYTES_MAX:
        return Refusal("policy/body_too_large")
    if re.search("[\ud800-\udfff]", record):
        return Refusal("malformed/invalid_encoding")
    if depth(record) > DEPTH_MAX:
        return Refusal("malformed/too_deep")
    if not is_json(record):
        return Refusal("malformed/not_json")
    root = parse(record)
    if not isinstance(root, Object):
        return Refusal("malformed/not_an_object")
    session_id = (text_of(root, "SessionId") or "").strip()
    if isinstance(get(root, "SessionId"), bool) or not 0 < len(session_id.encode()) <= SESSION_ID_BYTES_MAX:
        return Refusal("incomplete/incomplete")
    key = f"tccc/{integer_of(root, 'SdkAppId') or 0}/{session_id}"
    spans = spans_of(root)
    for span in spans:
        span.id = digest(8, "callspan/1 span", key, span.key)
        span.end += span.start == span.end
    return Trace(key, digest(16, "callspan/1 trace", key), spans) if spans else Refusal("incomplete/no_time")

def spans_of(root: Object) -> List[Span]:
    """Root, phases, participants; nothing when the record has no valid time. Ids are still missing, and lengths may be zero."""
    listed = get(root, "ServeParticipants")
    if isinstance(listed, str) and is_json(listed):
        listed = parse(listed)
    elements = [listed] if isinstance(listed, Object) else listed if isinstance(listed, list) else []
    people = [(index, person) for index, person in enumerate(elements[:PARTICIPANTS_MAX]) if isinstance(person, Object)]

    start, ring, accept, queued, ended = instants_of(root, "Start Ring Accept Queued Ended")
    all_times = [start, ring, accept, queued, ended] + [t for _, p in people for t in instants_of(p, "Start Ring Accept Ended")]
    valid = [time for time in all_times if time]
    if not valid:
        return []
    name, kind = CALL_TYPES.get(integer_of(root, "CallType")) or DIRECTIONS.get(integer_of(root, "Direction")) or ("call", "internal")
    status = text_of(root, "EndStatusString")
    session = Span("session", name, kind, "", "error" if status in FAILED else "unset", start or min(valid))
    session.end = max(session.start, ended or max(valid))

    ivr_end = queued or (ended if status in ("ivrEnd", "ivrGiveUp") else None)
    queue_ends = [ring, ended] + [time for _, person in people for time in instants_of(person, "Start Ring")]
    queue_end = min((time for time in queue_ends if time and queued and time >= queued), default=None)
    phases = [Span(f"phase/{name}", name, start=begin, end=end)
              for name, begin, end in (("ivr", start, ivr_end), ("queue", queued, queue_end)) if begin and end and begin < end]

    sequences = [integer_of(person, "Sequence") for _, person in people]
    usable = all(s is not None and 0 <= s < 2**63 for s in sequences) and len(set(sequences)) == len(sequences)
    order = sorted(zip(sequences, people), key=lambda entry: (entry[0] is None, entry[0] or 0, entry[1][0]))
    serving = [participant_span(person, f"participant/{sequence if usable else f'#{index}'}", session) for sequence, (index, person) in order]
    for position, (_, (_, person)) in enumerate(order):
        source = predecessor(person, [other for _, (_, other) in order[:position]])
        serving[position].links = [] if source is None else [serving[source].key]
    session.counts = {"participant": sum(isinstance(e, Object) for e in elements), "transfer": sum(len(s.links) for s in serving)}
    return [session, *phases, *serving]

def participant_span(person: Object, key: str, session: Span) -> Span:
    start, ring, accept, ended = instants_of(person, "Start Ring Accept Ended")
    seat = next((known for known in SEAT_TYPES if lower(known) == lower(text_of(person, "Type") or "")), "agent")
    status = "error" if text_of(person, "EndStatusString") in [*FAILED, "seatGiveUp"] else "unset"
    span = Span(key, f"serve {seat}", status=status, start=start or ring or accept or session.start)
    span.end = max(span.start, ended or session.end)
    return span

def predecessor(person: Object, earlier: List[Object]) -> Optional[int]:
    """Which of the earlier participants handed the call over, if any did: by the first rule that finds one, the nearest."""
    def address(record: Object, name: str) -> Optional[str]:
        value = (text_of(record, name) or "").strip()
        return value.lower() if "@" in value else re.sub("^00", "+", re.sub("[ -]", "", value)) or None
    source, here = address(person, "TransferFrom"), {address(person, "Mail"), address(person, "Phone")} - {None}
    group = {str(integer_of(person, "SkillGroupId") or ""), text_of(person, "SkillGroupName")} - {None, ""}
    rules = [lambda other: source and source in (address(other, "Mail"), address(other, "Phone")),
             lambda other: address(other, "TransferTo") in here or text_of(other, "TransferTo") in group,
             lambda other: text_of(person, "TransferFromType") and instants_of(other, "Accept")[0]]
    return next((i for rule in rules for i in reversed(range(len(earlier))) if rule(earlier[i])), None)

# The snapshots

def read_snapshot(text: str) -> List[Union[Trace, Refusal]]:
    found: List[Any] = []
    for line in text.split("\n"):
        word, _, rest = line.strip().partition(" ")
        if word == "record":
            found.append(Trace("", "", []) if rest.endswith(" trace") else Refusal(""))
        elif word in ("class", "code"):
            found[-1].reason += rest if word == "class" else f"/{rest}"
        elif re.match("(key|id) ", line):
            setattr(found[-1], word, re.sub(r"\\u00([0-9a-fA-F]{2})", lambda escape: chr(int(escape[1], 16)), rest))
        elif word == "span":
            found[-1].spans.append(Span("", json.loads(rest[17:]), "", "", "", id=rest[:16]))
        elif re.match("  (key|parent|kind|status|start|end) ", line):
            setattr(found[-1].spans[-1], word, int(rest) if word in ("start", "end") else rest)
        elif line.startswith("  link "):
            found[-1].spans[-1].links.append(rest)
        elif re.match(r"  tccc\.(participant|transfer)\.count = ", line):
            found[-1].spans[-1].counts[word.split(".")[1]] = int(rest[2:])
    return found

def differences(derived: Any, written: Any) -> Iterator[str]:
    def unequal(what: str, a: Any, b: Any) -> List[str]:
        return [f"{what}: the payload gives {a!r}, the snapshot says {b!r}"] if a != b else []
    if isinstance(derived, Refusal) or isinstance(written, Refusal):
        yield from unequal("outcome", *(getattr(side, "reason", "trace") for side in (derived, written)))
        return
    yield from unequal("key", derived.key, written.key) + unequal("id", derived.id, written.id)
    yield from unequal("spans", [span.key for span in derived.spans], [span.key for span in written.spans])
    by_key = {span.key: vars(span) for span in written.spans}
    for span in derived.spans:
        for name, value in vars(span).items():
            yield from unequal(f"span {span.key}: {name}", value, by_key.get(span.key, vars(span))[name])

def check(payload: Path, snapshot: Path) -> Iterator[str]:
    derived = [expected(record) for record in records(payload.read_bytes())]
    written = read_snapshot(snapshot.read_text("utf-8"))
    if len(derived) != len(written):
        yield f"{payload.name}: the payload holds {len(derived)} records, the snapshot {len(written)}"
    for number, pair in enumerate(zip(derived, written)):
        yield from (f"{payload.name}: record {number}: {difference}" for difference in differences(*pair))

def main() -> int:
    payloads, snapshots = ({path.name: path for path in (HERE / folder).iterdir()} for folder in ("payloads", "expected"))
    found = [f"{name}: no such payload" for name in snapshots if name[:-4] not in payloads]
    required = (HERE / "by-hand.txt").read_text("utf-8").split() if "--allow-missing" in sys.argv else payloads
    found += [f"{name}: no snapshot" for name in sorted(required) if f"{name}.txt" not in snapshots]
    checked = [name for name in sorted(payloads) if f"{name}.txt" in snapshots]
    found += [difference for name in checked for difference in check(payloads[name], snapshots[f"{name}.txt"])]
    print("\n".join([*found, f"{len(checked)} payloads checked, {len(found)} differences"]))
    return 1 if found else 0

if __name__ == "__main__":
    sys.exit(main())
