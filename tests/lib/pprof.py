"""A pprof writer: just enough protobuf to say what a scenario means, or to say it wrongly on purpose."""


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field, value):
    return varint(field << 3) + varint(value)


def message(field, body):
    return varint(field << 3 | 2) + varint(len(body)) + body


def packed(field, values):
    return message(field, b"".join(varint(v) for v in values))


class Strings:
    def __init__(self):
        self.at = {"": 0}

    def __getitem__(self, text):
        return self.at.setdefault(text, len(self.at))

    def encode(self):
        return b"".join(message(6, text.encode()) for text in self.at)


def pprof(stacks, types=(("cpu", "nanoseconds"),), time_ns=0, period=("cpu", "nanoseconds"), labels=None):
    """`stacks`: {"main;work": value or [value for each type]}, root first.  `labels`: {stack: {name: value}}."""
    strings, functions, out = Strings(), {}, bytearray()
    for kind, unit in types:
        out += message(1, number(1, strings[kind]) + number(2, strings[unit]))
    for stack, values in stacks.items():
        values = values if isinstance(values, (list, tuple)) else [values]
        frames = [functions.setdefault(name, len(functions) + 1) for name in stack.split(";")]
        body = packed(1, reversed(frames)) + packed(2, values)
        for name, value in (labels or {}).get(stack, {}).items():
            body += message(3, number(1, strings[name]) + number(2, strings[value]))
        out += message(2, body)
    out += message(3, number(1, 1) + number(7, 1))
    for name, i in functions.items():
        out += message(4, number(1, i) + number(2, 1) + message(4, number(1, i) + number(2, 1)))
        out += message(5, number(1, i) + number(2, strings[name]) + number(3, strings[name]))
    kind, unit = strings[period[0]], strings[period[1]]
    out += strings.encode()
    out += number(9, time_ns) + message(11, number(1, kind) + number(2, unit)) + number(12, 1)
    return bytes(out)
