"""The colours of static/tokens.css can be read: on the ground, on raised parts, and on the soft variant of their own."""

import math
import re
from itertools import product

import pytest

from headway.web.static_files import FOLDER

TEXT = ["ink", "ink-soft", "accent", "good", "bad", "warn", "info", "quiet"]
STATES = ["accent", "good", "bad", "warn", "info", "quiet"]
_TOKEN = re.compile(r"--([\w-]+): oklch\(([\d.]+) ([\d.]+) ([\d.]+)\);")


def colours() -> dict[str, dict[str, tuple[float, ...]]]:
    light, dark = (FOLDER / "tokens.css").read_text().split("@media (prefers-color-scheme: dark)")
    return {
        theme: {name: tuple(map(float, numbers)) for name, *numbers in _TOKEN.findall(text)}
        for theme, text in (("light", light), ("dark", dark))
    }


def linear_srgb(lightness: float, chroma: float, hue: float) -> tuple[float, float, float]:
    """OKLCH to linear sRGB (the matrices of CSS Color 4)."""
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    l, m, s = (  # noqa: E741
        (lightness + x * a + y * b) ** 3
        for x, y in (
            (0.3963377774, 0.2158037573),
            (-0.1055613458, -0.0638541728),
            (-0.0894841775, -1.2914855480),
        )
    )
    return (
        4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
        -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
        -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s,
    )


def luminance(colour: tuple[float, ...]) -> float:
    red, green, blue = (min(max(part, 0.0), 1.0) for part in linear_srgb(*colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_black_on_white_is_21() -> None:
    assert contrast((0, 0, 0), (1, 0, 0)) == pytest.approx(21, abs=0.01)


def test_both_themes_have_the_same_names() -> None:
    themes = colours()
    assert set(themes["light"]) == set(themes["dark"])
    assert set(TEXT) < set(themes["light"])


@pytest.mark.parametrize(("theme", "name"), list(product(["light", "dark"], TEXT)))
def test_text_stands_out_from_what_it_may_stand_on(theme: str, name: str) -> None:
    known = colours()[theme]
    grounds = ["ground", "raised", "quiet-soft", "accent-soft"]
    grounds += [f"{name}-soft"] if name in STATES else [f"{state}-soft" for state in STATES]
    poor = {ground: round(contrast(known[name], known[ground]), 2) for ground in grounds}
    assert {ground: value for ground, value in poor.items() if value < 4.5} == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_buttons_and_shapes_stand_out(theme: str) -> None:
    known = colours()[theme]
    assert contrast(known["on-accent"], known["accent"]) >= 4.5
    assert contrast(known["on-accent"], known["bad"]) >= 4.5
    assert contrast(known["line-strong"], known["ground"]) >= 3
    assert contrast(known["line-strong"], known["raised"]) >= 3
