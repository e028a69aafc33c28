"""A small chart as SVG text: accuracy over tokens, on a logarithmic axis, with intervals."""

import math
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Line", "Point", "chart"]

_COLOURS = ("#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#a463f2", "#9c6b4e", "#97bbf5")
_WIDTH, _HEIGHT = 800, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 260, 40, 50


class Point(NamedTuple):
    """Something measured."""

    x: float
    y: float
    low: float
    high: float


class Line(NamedTuple):
    """Points of one name, joined in the order of x."""

    name: str
    points: Sequence[Point]


def chart(title: str, lines: Sequence[Line], *, x: str, y: str, percent: bool = True) -> str:
    """Draw lines; a line of one point is a mark."""
    points = [point for line in lines for point in line.points]
    low_x, high_x = min(p.x for p in points) / 1.2, max(p.x for p in points) * 1.2
    high_y = 1.0 if percent else max(p.high for p in points) * 1.05

    def across(value: float) -> float:
        part = math.log(value / low_x) / math.log(high_x / low_x)
        return _LEFT + part * (_WIDTH - _LEFT - _RIGHT)

    def down(value: float) -> float:
        return _HEIGHT - _BOTTOM - value / high_y * (_HEIGHT - _TOP - _BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        _text(_LEFT, 22, title, size=14),
        _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 12, x, anchor="middle"),
        _text(16, _TOP - 4, y),
    ]
    for i in range(6):
        value = high_y * i / 5
        parts.append(_rule(_LEFT, down(value), _WIDTH - _RIGHT, down(value)))
        label = f"{value:.0%}" if percent else f"{value:.1f}"
        parts.append(_text(_LEFT - 6, down(value) + 4, label, anchor="end"))
    for tick in _ticks(low_x, high_x):
        parts.append(_rule(across(tick), _TOP, across(tick), _HEIGHT - _BOTTOM))
        parts.append(_text(across(tick), _HEIGHT - _BOTTOM + 16, f"{tick:,.0f}", anchor="middle"))
    for i, (name, marks) in enumerate(lines):
        colour, ordered = _COLOURS[i % len(_COLOURS)], sorted(marks)
        path = " ".join(f"{across(p.x):.1f},{down(p.y):.1f}" for p in ordered)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for p in ordered:
            bar = f'x1="{across(p.x):.1f}" y1="{down(p.low):.1f}" x2="{across(p.x):.1f}"'
            parts.append(f'<line {bar} y2="{down(p.high):.1f}" stroke="{colour}"/>')
            parts.append(
                f'<circle cx="{across(p.x):.1f}" cy="{down(p.y):.1f}" r="4" fill="{colour}"/>'
            )
        place = _TOP + 10 + 20 * i
        parts.append(f'<circle cx="{_WIDTH - _RIGHT + 20}" cy="{place}" r="4" fill="{colour}"/>')
        parts.append(_text(_WIDTH - _RIGHT + 30, place + 4, name))
    return "\n".join([*parts, "</svg>", ""])


def _ticks(low: float, high: float) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 3), (1, 2, 3, 4, 5, 7)):
        ticks = [factor * 10.0**power for power in powers for factor in factors]
        inside = [tick for tick in ticks if low <= tick <= high]
        if len(inside) > 2:
            break
    return inside


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#ddd"/>'


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12) -> str:
    safe = text.replace("&", "&amp;").replace("<", "&lt;")
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{safe}</text>'
