#!/usr/bin/env python3
"""Writes release vectors: an implementation of the format that shares no code with the crate.

python3 make.py > vectors.json. CBOR as RFC 8949 section 4.2.1 orders it, Ed25519 as RFC 8032
describes it; nothing but the standard library.
"""
import copy
import hashlib
import json

P = 2**255 - 19
Q = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def add(a, b):
    (x1, y1), (x2, y2) = a, b
    t = D * x1 * x2 * y1 * y2 % P
    x = (x1 * y2 + x2 * y1) * pow(1 + t, P - 2, P) % P
    y = (y1 * y2 + x1 * x2) * pow(1 - t, P - 2, P) % P
    return x, y


def times(n, point):
    result = (0, 1)
    while n:
        if n & 1:
            result = add(result, point)
        point = add(point, point)
        n >>= 1
    return result


def base():
    y = 4 * pow(5, P - 2, P) % P
    xx = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(xx, (P + 3) // 8, P)
    if (x * x - xx) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    return (P - x if x & 1 else x), y


B = base()


def compress(point):
    x, y = point
    return (y | (x & 1) << 255).to_bytes(32, "little")


def number(data):
    return int.from_bytes(data, "little")


def expand(seed):
    digest = hashlib.sha512(seed).digest()
    scalar = number(digest[:32]) & ((1 << 254) - 8) | 1 << 254
    return scalar, digest[32:]


def public(seed):
    return compress(times(expand(seed)[0], B))


def sign(seed, message):
    scalar, prefix = expand(seed)
    r = number(hashlib.sha512(prefix + message).digest()) % Q
    big_r = compress(times(r, B))
    k = number(hashlib.sha512(big_r + public(seed) + message).digest()) % Q
    return big_r + ((r + k * scalar) % Q).to_bytes(32, "little")


def head(major, n):
    if n < 24:
        return bytes([major << 5 | n])
    for code, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if n < 1 << 8 * size:
            return bytes([major << 5 | code]) + n.to_bytes(size, "big")
    raise ValueError(n)


def cbor(value):
    if value is None:
        return b"\xf6"
    if isinstance(value, int):
        return head(0, value)
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    pairs = sorted((cbor(k), cbor(v)) for k, v in value.items())
    return head(5, len(pairs)) + b"".join(k + v for k, v in pairs)


def body(manifest):
    return b"openkey/release/v1\0" + cbor(manifest)


MANIFEST = {
    "version": 1,
    "name": "openkey-enclave",
    "release": "1.2.3",
    "epoch": 3,
    "source_commit": "0123456789abcdef0123456789abcdef01234567",
    "cargo_lock_sha256": "11" * 32,
    "toolchain": {"rustc": "1.95.0", "linux": "6.12.73", "gcc": "14.2.0"},
    "measurements": {"0": "ab" * 48, "1": "cd" * 48, "2": "ef" * 48},
    "configuration": "cf" * 32,
    "page": {"index.html": "22" * 32, "vendor/x.js": "33" * 32},
    "not_before": "2026-02-01T00:00:00Z",
    "not_after": "2027-02-01T00:00:00Z",
}
SEEDS = {name: hashlib.sha256(name.encode()).digest() for name in ("ada", "ben", "cyd", "eve")}
AT = "2026-06-01T00:00:00Z"


def signature(name, manifest):
    seed = SEEDS[name]
    return {"key": public(seed).hex(), "signature": sign(seed, body(manifest)).hex()}


def file(manifest, *names):
    return {"manifest": manifest, "signatures": [signature(name, manifest) for name in names]}


def changed(**members):
    manifest = copy.deepcopy(MANIFEST)
    manifest.update(members)
    return manifest


def main():
    cases = []

    def case(name, content, rule, at=AT):
        text = content if isinstance(content, str) else json.dumps(content)
        cases.append({"name": name, "at": at, "rule": rule, "file": text})

    good = file(MANIFEST, "ada", "cyd")
    case("two of three", good, None)
    case("all three", file(MANIFEST, "ada", "ben", "cyd"), None)
    case("two and a stranger", file(MANIFEST, "eve", "ada", "ben"), None)
    bare = changed(configuration=None, page=None, toolchain={})
    case("without configuration, page and tools", file(bare, "ben", "cyd"), None)
    signed = changed(measurements={**MANIFEST["measurements"], "8": "44" * 48})
    case("a signed image", file(signed, "ben", "cyd"), None)
    case("the first moment", good, None, MANIFEST["not_before"])
    case("the last moment", good, None, MANIFEST["not_after"])
    case("too early", good, "release_not_yet_valid", "2026-01-31T23:59:59Z")
    case("too late", good, "release_expired", "2027-02-01T00:00:01Z")
    case("one signature", file(MANIFEST, "ada"), "release_signatures")
    case("one and a stranger", file(MANIFEST, "ada", "eve"), "release_signatures")
    case("one, twice", file(MANIFEST, "ada", "ada"), "release_signature_twice")
    raised = {"manifest": changed(epoch=4), "signatures": good["signatures"]}
    case("another epoch under the same signatures", raised, "release_signature")
    unlabelled = copy.deepcopy(good)
    unlabelled["signatures"][0]["signature"] = sign(SEEDS["ada"], cbor(MANIFEST)).hex()
    case("a signature without the label", unlabelled, "release_signature")
    swapped = copy.deepcopy(good)
    one, two = swapped["signatures"]
    one["signature"], two["signature"] = two["signature"], one["signature"]
    case("signatures swapped", swapped, "release_signature")
    malleable = copy.deepcopy(good)
    raw = bytes.fromhex(malleable["signatures"][0]["signature"])
    raw = raw[:32] + (number(raw[32:]) + Q).to_bytes(32, "little")
    malleable["signatures"][0]["signature"] = raw.hex()
    case("a signature's second form", malleable, "release_signature")
    case("another version", file(changed(version=2), "ada", "ben"), "release_version")
    for member, value in (
        ("name", "Open Key"),
        ("release", ""),
        ("epoch", 0),
        ("source_commit", "HEAD"),
        ("cargo_lock_sha256", "AA" * 32),
        ("toolchain", {"rustc": "1.95.0\n"}),
        ("measurements", {"0": "ab" * 48, "1": "cd" * 48}),
        ("measurements", {**MANIFEST["measurements"], "3": "ab" * 48}),
        ("measurements", {**MANIFEST["measurements"], "0": "00" * 48}),
        ("configuration", "cf" * 31),
        ("page", {"main.js": "22" * 32}),
        ("page", {"index.html": "22" * 32, "../x": "22" * 32}),
        ("not_before", "2026-02-01"),
        ("not_before", "2026-02-01T01:00:00+01:00"),
        ("not_after", MANIFEST["not_before"]),
    ):
        name = f"{member}: {json.dumps(value)[:60]}"
        case(name, file(changed(**{member: value}), "ada", "ben"), "release_member")
    extra = file(changed(extra=1), "ada", "ben")
    case("an unknown member", extra, "release_file_malformed")
    missing = changed()
    del missing["page"]
    case("a missing member", file(missing, "ada", "ben"), "release_file_malformed")
    text = json.dumps(good)
    twice = text.replace('"epoch": 3', '"epoch": 3, "epoch": 3')
    case("a member twice", twice, "release_file_malformed")
    twice = text.replace('"gcc":', '"gcc": "0", "gcc":')
    case("a tool twice", twice, "release_file_malformed")
    case("text behind it", text + "{}", "release_file_malformed")
    case("no JSON", "release", "release_file_malformed")

    keys = {"threshold": 2, "keys": [public(SEEDS[name]).hex() for name in ("ada", "ben", "cyd")]}
    signed_bytes = body(MANIFEST).hex()
    print(json.dumps({"keys": keys, "signed_bytes": signed_bytes, "cases": cases}, indent=1))


main()
