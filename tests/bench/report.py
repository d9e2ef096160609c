"""The results as a table in text and as a picture: bars of the ratio, with the goals."""

from math import log10
from statistics import median
from xml.sax.saxutils import escape


def spread(values):
    return {"median": median(values), "min": min(values), "max": max(values)}


def ratios(values, base):
    """Each repeat against the base of the same repeat."""
    return spread([value / other for value, other in zip(values, base) if other > 0] or [0])


def rows(mode, results):
    """One dictionary a subject; the first subject is the base."""
    base = next(iter(results.values()))
    for label, values in results.items():
        ours = label in ("empty", "headers", "attachments")
        figure = spread(values)
        row = {"mode": mode.name, "title": mode.title, "unit": mode.unit, "label": label, "ours": ours,
               "repeats": len(values), "figure": figure, "ratio": ratios(values, base),
               "goal": mode.goals.get(label), "absolute": mode.absolute}
        if mode.name == "latency":
            row["added"] = spread([value - other for value, other in zip(values, base)])
        if row["goal"] is not None:
            row["reached"] = reached(row)
        yield row


def reached(row):
    if "added" in row:
        return row["added"]["median"] <= row["goal"]
    return row["figure" if row["absolute"] else "ratio"]["median"] <= row["goal"]


def number(value):
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}"


def goal_text(row):
    if row["goal"] is None:
        return ""
    kind = "added ≤ " if "added" in row else "≤ " if row["absolute"] else "ratio ≤ "
    return f"{kind}{row['goal']:g}: {'reached' if row['reached'] else 'NOT reached'}"


def table(all_rows):
    lines, mode = [], None
    for row in all_rows:
        if row["mode"] != mode:
            mode = row["mode"]
            lines += ["", f"{mode}: {row['title']} ({row['unit']}, {row['repeats']} repeats)",
                      f"  {'':14} {'median':>9} {'min':>9} {'max':>9}   ratio (min to max)"]
        figure, ratio = row["figure"], row["ratio"]
        added = f"  added {number(row['added']['median'])}" if row["ours"] and "added" in row else ""
        lines.append(f"  {row['label']:14} {number(figure['median']):>9} {number(figure['min']):>9} "
                     f"{number(figure['max']):>9}   {ratio['median']:.2f} ({ratio['min']:.2f} to "
                     f"{ratio['max']:.2f}){added}  {goal_text(row)}".rstrip())
    return "\n".join(lines[1:]) + "\n"


# ---- the picture ----

LEFT, SCALE, LINE, CAP = 170, 220, 20, 3.0
COLOURS = {True: "#2a6f97", False: "#b0b0b0"}


def text(x, y, words, more=""):
    return f'<text x="{x:.0f}" y="{y:.0f}" {more}>{escape(words)}</text>'


def bar(row, y):
    ratio = row["ratio"]
    length = min(ratio["median"], CAP) * SCALE
    low, high = (min(ratio[name], CAP) * SCALE + LEFT for name in ("min", "max"))
    yield text(LEFT - 8, y + 13, row["label"], 'text-anchor="end"')
    yield (f'<rect x="{LEFT}" y="{y + 2}" width="{length:.1f}" height="{LINE - 6}" '
           f'fill="{COLOURS[row["ours"]]}"/>')
    yield f'<path d="M{low:.1f} {y + 9}H{high:.1f}" stroke="black"/>'
    yield text(max(LEFT + length, high) + 6, y + 13,
               f"{ratio['median']:.2f}  ({number(row['figure']['median'])} {row['unit']})")
    if row["goal"] is not None and not row["absolute"]:
        x = LEFT + row["goal"] * SCALE
        yield f'<path d="M{x:.1f} {y}v{LINE - 2}" stroke="#c1121f" stroke-width="2"/>'


def picture(all_rows, note):
    """An SVG: 1 is what the ratios are taken to, the red marks are the goals."""
    parts, y, mode, top = [], 50, None, 0
    for row in all_rows:
        if row["mode"] != mode:
            mode, y = row["mode"], y + 24
            parts.append(text(10, y - 4, row["title"], 'font-weight="bold"'))
            top = y
        parts += bar(row, y)
        y += LINE
        parts.append(f'<path d="M{LEFT + SCALE} {top}V{y}" stroke="#888" stroke-dasharray="3 3"/>')
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" width="1060" height="{y + 20}" '
            f'font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" fill="white"/>')
    title = [text(10, 20, "Mailweir beside its peers: ratio of the medians, with minimum and maximum",
                  'font-size="15"'), text(10, 40, note, 'fill="#555"')]
    return "\n".join([head, *title, *parts, "</svg>\n"])


# ---- curves: both axes logarithmic, so that a straight line with slope 1 is linear growth ----

WIDTH, HEIGHT, MARGIN = 640, 360, 70
LINES = ("#2a6f97", "#c1121f", "#606060", "#bc6c25")


def scale(values, low, high):
    """A function from a value to a place; a zero stands left of everything else."""
    logs = [log10(value) for value in values if value > 0]
    first, last = min(logs) - (0.5 if 0 in values else 0), max(logs)
    span = max(last - first, 0.5)
    return lambda value: low + (high - low) * ((log10(value) if value > 0 else first) - first) / span


def marks(points, across):
    for point in points:
        yield text(across(point), HEIGHT - MARGIN + 18, f"{point:,}", 'text-anchor="middle"')
        yield f'<path d="M{across(point):.1f} {MARGIN}V{HEIGHT - MARGIN}" stroke="#ddd"/>'


def line(label, values, colour, across, up):
    places = [(across(point), up(median(values[point]))) for point in sorted(values)]
    yield (f'<polyline fill="none" stroke="{colour}" points="'
           + " ".join(f"{x:.1f},{y:.1f}" for x, y in places) + '"/>')
    for (x, y), point in zip(places, sorted(values)):
        low, high = up(min(values[point])), up(max(values[point]))
        yield f'<path d="M{x:.1f} {low:.1f}V{high:.1f}" stroke="{colour}" stroke-width="3"/>'
        yield text(x, y - 8, number(median(values[point])), f'fill="{colour}" text-anchor="middle"')
    yield text(places[-1][0] + 24, places[-1][1] + 4, label, f'fill="{colour}"')


def chart(curve):
    figures = curve["figures"]
    points = sorted({point for values in figures.values() for point in values})
    every = [value for values in figures.values() for repeats in values.values() for value in repeats]
    across, up = scale(points, MARGIN, WIDTH - 120), scale(every, HEIGHT - MARGIN - 10, MARGIN)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
             f'font-family="sans-serif" font-size="11">',
             '<rect width="100%" height="100%" fill="white"/>',
             text(10, 20, f"{curve['title']} ({curve['unit']})", 'font-size="13"'),
             *marks(points, across)]
    for (label, values), colour in zip(figures.items(), LINES):
        parts += line(label, values, colour, across, up)
    return "\n".join([*parts, "</svg>\n"])
