"""Masking alone: how much of a build's log goes through a second of the processor, beside one plain search for each form.

The plain search (`bytes.find`) finds only what stands there whole: no base64 within something longer, nothing wrapped,
nothing across two pieces. It is what masking would cost at least without one search for all.
"""

import base64
import random
import string
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.parts import Row
from headway.base.secret import Secret
from headway.drivers.runner.masking import Masker

SIZE = 8 << 20
PIECE = 64 << 10
TIMES = 5
WORDS = [
    "building",
    "linking",
    "resolving",
    "dependency",
    "package",
    "module",
    "cached",
    "layer",
    "image",
    "test",
    "passed",
    "skipped",
    "warning",
    "unused",
]


def measure(folder: Path) -> list[Row]:
    chance = random.Random(1)
    tokens = ["".join(chance.choices(string.ascii_letters + string.digits, k=24)) for _ in range(50)]
    body = base64.b64encode(chance.randbytes(1200)).decode()
    lines = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
    key = f"-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----\n"
    log, blobs = build_log(chance), encoded_log(chance)
    return [
        row("a build's log, one token of 24 characters", log, tokens[:1], "≥ 600"),
        row("the same, five tokens", log, tokens[:5], "≥ 600"),
        row("the same, fifty tokens", log, tokens, ""),
        row("the same, a private key of 26 lines", log, [key], "≥ 79"),
        row("a log that is half base64 of other things, one token", blobs, tokens[:1], ""),
        row("the same, five tokens", blobs, tokens[:5], ""),
        row("the same, a private key", blobs, [key], "≥ 79"),
        Row(
            "five tokens and a key made ready, once for each set of secrets", "ms", ready([*tokens[:5], key])
        ),
    ]


def row(what: str, log: bytes, values: list[str], target: str) -> Row:
    secrets = [Secret(f"S{number}", value) for number, value in enumerate(values)]
    forms = sorted({form for secret in secrets for form in secret.forms()})
    pieces = [log[at : at + PIECE] for at in range(0, len(log), PIECE)]

    def masked() -> None:
        masker = Masker(secrets)
        for piece in pieces:
            masker.feed(piece)
        masker.finish()

    def searched() -> None:
        for piece in pieces:
            for form in forms:
                piece.find(form)

    masked()
    rates = [[len(log) / 1e6 / seconds(run) for _ in range(TIMES)] for run in (masked, searched)]
    return Row(
        what, "MB/s", *rates, rival=f"`bytes.find`, {len(forms)} forms", target=target, higher_is_better=True
    )


def ready(values: list[str]) -> list[float]:
    # Other names are another set.
    sets = [[Secret(f"S{turn}-{n}", value) for n, value in enumerate(values)] for turn in range(TIMES)]
    return [1000 * seconds(partial(Masker, secrets)) for secrets in sets]


def seconds(run: Callable[[], object]) -> float:
    """Of the processor, not of the clock: the machine may have other work."""
    begin = time.process_time()
    run()
    return time.process_time() - begin


def build_log(chance: random.Random) -> bytes:
    lines, size = [], 0
    while size < SIZE:
        number = len(lines)
        lines.append(
            chance.choice(
                [
                    f"tests/app/test_orders.py::test_{number} PASSED [{number % 100:3}%] {chance.random():.3f}s\n",
                    f"gcc -O2 -fPIC -I/usr/include -c src/{chance.choice(WORDS)}_{number}.c -o build/{chance.choice(WORDS)}.o\n",
                    " ".join(chance.choices(WORDS, k=12)) + "\n",
                ]
            )
        )
        size += len(lines[-1])
    return "".join(lines).encode()


def encoded_log(chance: random.Random) -> bytes:
    """Source maps, checksums, certificates: 32 KiB of them after 32 KiB of a build's lines."""
    log, half = build_log(chance), PIECE // 2
    blobs = base64.encodebytes(chance.randbytes(SIZE // 2))
    return b"".join(log[at : at + half] + blobs[at : at + half] for at in range(0, SIZE // 2, half))
