"""Profiles that are refused, each for one reason: PROFILES, by what is wrong with them."""

import gzip
import time

from pprof import message, number, packed, pprof, varint

GOOD = pprof({"main;f": 1})
now = int(time.time() * 1000)


def cpu_profile(*fields, strings=("", "cpu", "nanoseconds", "main")):
    """Everything but what goes wrong: one type, one function, one location."""
    out = message(1, number(1, 1) + number(2, 2)) + message(3, number(1, 1))
    out += b"".join(message(6, s.encode()) for s in strings)
    return out + b"".join(fields)


FRAME = message(4, number(1, 1) + number(2, 1) + message(4, number(1, 1))) + message(5, number(1, 1) + number(2, 3))
SAMPLE = message(2, packed(1, [1]) + packed(2, [1]))

# What is pushed, and a word of the answer.
PROFILES = {
    "nothing at all": b"",
    "broken gzip": gzip.compress(GOOD)[:40] + b"\0" * 20,
    "gzip cut short": gzip.compress(GOOD)[:-12],
    "gzip that is none": b"\x1f\x8b" + b"\xff" * 60,
    "cut short": GOOD[: len(GOOD) // 2],
    "text": b"main;work 17\n",
    "varint without end": cpu_profile(b"\x48" + b"\xff" * 11),
    "length beyond the end": cpu_profile(b"\x12" + varint(1 << 40)),
    "length of 63 bits": cpu_profile(b"\x12" + varint((1 << 63) - 1)),
    "a group": cpu_profile(b"\x0b\x0c"),
    "no sample type": message(6, b"") + SAMPLE,
    "no string table": message(1, number(1, 0) + number(2, 0)) + SAMPLE,
    "first string not empty": cpu_profile(FRAME, SAMPLE, strings=("x", "cpu", "nanoseconds", "main")),
    "string index out of range": cpu_profile(message(4, number(1, 1) + number(2, 1) + message(4, number(1, 1))),
                                             message(5, number(1, 1) + number(2, 99)), SAMPLE),
    "negative string index": cpu_profile(message(4, number(1, 1) + message(4, number(1, 1))),
                                         message(5, number(1, 1) + number(2, -1)), SAMPLE),
    "location id 0": cpu_profile(message(4, number(1, 0) + message(4, number(1, 1))),
                                 message(5, number(1, 1) + number(2, 3)), message(2, packed(1, [0]) + packed(2, [1]))),
    "function id 0": cpu_profile(message(4, number(1, 1) + message(4, number(1, 0))),
                                 message(5, number(1, 0) + number(2, 3)), SAMPLE),
    "more values than types": cpu_profile(FRAME, message(2, packed(1, [1]) + packed(2, [1, 2]))),
    "too many samples": cpu_profile(FRAME, SAMPLE * 16001),
    "too large": cpu_profile(FRAME, SAMPLE, message(6, b"x" * (5 << 20))),
    "a bomb": gzip.compress(b"\0" * (64 << 20)),
    "invalid utf-8": cpu_profile(FRAME, SAMPLE).replace(b"main", b"m\xff\xfen"),
    "from last year": pprof({"main": 1}, time_ns=(now - 365 * 86_400_000) * 1_000_000),
    "from next week": pprof({"main": 1}, time_ns=(now + 7 * 86_400_000) * 1_000_000),
}
# 10^9 samples said by a length prefix, and packed location ids that would be that many.
PROFILES["10^9 declared samples"] = cpu_profile(FRAME, b"\x12" + varint(10**9 * 8))
PROFILES["10^9 declared locations"] = cpu_profile(FRAME, message(2, b"\x0a" + varint(10**9)))
