"""`docs/performance.md`, drawn from results: what was compared, how, and what is not as it is wanted."""

from collections.abc import Iterator, Mapping
from statistics import median

from bench.machine import QUIET
from bench.peers import OURS, PEERS
from bench.plots import SPEED
from bench.results import Comparison, Row

Found = Mapping[str, Comparison]

INTRODUCTION = """# Performance

Darkroom beside its peers: on one machine, in one run, on the same photographs, with results that look alike. Absolute
figures hold for this machine alone; ratios travel further, but change with what a processor is good at. `make bench`
measures all of it anew, and this page is drawn from what it found: `python -m bench --report`.
"""

CHAPTERS: Mapping[str, tuple[str, str]] = {
    "cold": (
        "Pictures that nobody asked for before",
        "Eight clients ask for renditions 600 pixels wide, each of an original under a name that is new to the server: "
        "nothing is shared and nothing is kept. The file is in the page cache.",
    ),
    "known": (
        "Further sizes of an original",
        "Eight originals were asked for at 320 and 1200 pixels; then eight clients ask for widths around 600 that "
        "nobody asked for. IPX does the whole work each time.",
    ),
    "srcset": (
        "A whole `srcset`",
        "Eight widths from 320 to 1920 pixels of a new original, all asked for at once: processor time of the whole "
        "process tree, what is done after the last answer included. libvips makes them one by one.",
    ),
    "hot": (
        "Answers that were given before",
        "Signed and negotiated. Server on one core and the load on another; then, without pinning the server, hits "
        "while eight clients keep every core busy with cold pictures.",
    ),
    "loop": (
        "What HTTP costs",
        "The server beside a loop over the very work of its workers, in a process to a core.",
    ),
    "memory": (
        "Memory",
        "JPEGs of 1 to 24 megapixels, a progressive one, PNG and WebP, at random widths from 200 to 1280 as JPEG, WebP "
        "and AVIF, for four clients; the memory of each worker is looked at twice a second.",
    ),
    "overload": (
        "More than can be done",
        "Sixty-four clients ask for AVIFs 1920 pixels wide of a 24 megapixel JPEG, each of a new name, while hits go "
        "on over four connections. Who is refused comes back when told.",
    ),
}
"""Title and method of each comparison, in the order of the page."""

PICTURES: Mapping[str, tuple[str, str]] = {
    "memory": ("performance-memory.svg", "Memory of the front and of each worker over the run"),
    "overload": ("performance-overload.svg", "Median and 99th percentile of hits before, during and after the load"),
}
RATIOS = "![How many times as fast as each peer](images/performance-ratios.svg)"

METHOD = """## How it is measured

Those who are compared take turns in rounds whose order is turned round each time; a figure is the median over the
rounds of the ratio within a round, with the least and the greatest beside it. Before a round the bench waits for a
quiet machine, and what other processes take meanwhile is recorded: Darkroom's workers are niced and those of peers are
not, so foreign work slows Darkroom more than them. Clients and servers share the cores, but for hits, where the server
is pinned to one core and the load to another. No cache is removed before the run is over, since ext4 without a
journal makes files more slowly for minutes after that. Memory is the RSS of the whole process tree, looked at
ten times a second; what processes share is counted for each.

SSIM is that of luma, with a Gaussian window of 11 by 11 and sigma 1.5, to a full decode and Lanczos resize of the
original at the size of the result; damage to colour alone is not seen by it. JPEG and WebP of ours have the least
`q_` from 80 on that comes within .002 of IPX at quality 80; AVIF the least that comes within .0005 of IPX's default,
and thumbor's likewise. libvips encodes with our settings.
"""


def page(found: Found) -> str:
    """The page in Markdown."""
    known = {name: found[name] for name in CHAPTERS if name in found}
    parts = [INTRODUCTION, "\n".join(_summary(known)), "\n\n".join(_chapters(known)), METHOD, "\n".join(_taken(known))]
    return "\n".join(part.strip("\n") + "\n" for part in parts if part.strip())


def _summary(found: Found) -> Iterator[str]:
    """How many targets are met, and each that is not."""
    wanted = [(name, row) for name, each in found.items() for row in each.rows if row.target]
    missed = [(name, row) for name, row in wanted if not row.met]
    if not wanted:
        yield "Nothing was measured yet."
        return
    yield f"{len(wanted) - len(missed)} of {len(wanted)} targets are met." + (" These are not:" if missed else "")
    if missed:
        yield ""
        yield "| not met | is | wanted |"
        yield "|---|---|---|"
        for name, row in missed:
            yield f"| {_subject(row)} ([more](#{_anchor(CHAPTERS[name][0])})) | {_figure(row)} | {_target(row)} |"
    loud = [CHAPTERS[name][0] for name, each in found.items() if each.foreign and median(each.foreign) > QUIET]
    if loud:
        yield ""
        yield _wrapped(
            f"**Rough figures:** others took more than {QUIET:g} cores while these were taken, so that they are to be "
            f"taken again on a quiet machine: {'; '.join(loud)}."
        )
    if set(SPEED) & set(found):
        yield ""
        yield RATIOS


def _chapters(found: Found) -> Iterator[str]:
    for name, comparison in found.items():
        title, method = CHAPTERS[name]
        parts = [f"## {title}", _wrapped(method), "\n".join(_table(comparison.rows))]
        if name in PICTURES:
            file, words = PICTURES[name]
            parts.append(f"![{words}](images/{file})")
        parts += [_wrapped(note) for note in comparison.notes]
        yield "\n\n".join(parts)


def _table(rows: tuple[Row, ...]) -> Iterator[str]:
    looks = any(row.look for row in rows)
    yield "| what | ours | theirs | ratio | wanted | met |" + (" SSIM | bytes | settings |" if looks else "")
    yield "|---|---|---|---|---|---|" + ("---|---|---|" if looks else "")
    for row in rows:
        cells = [
            _subject(row),
            f"{number(median(row.ours))} {row.unit}" + ("" if row.peer else _range(row)),
            f"{number(median(row.theirs))} {row.unit}" if row.peer else "",
            f"{number(row.figure)}{_range(row)}" if row.peer else "",
            _target(row) if row.target else "",
            {True: "yes", False: "**no**", None: ""}[row.met],
        ]
        if looks:
            look = row.look
            cells += [
                f"{_ssim(look.ssim)}, {_ssim(look.ssim_theirs)}" if look else "",
                f"{look.bytes:,}, {look.bytes_theirs:,}" if look else "",
                row.settings,
            ]
        elif row.settings:
            cells[0] += f" ({row.settings})"
        yield f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |")


def _taken(found: Found) -> Iterator[str]:
    """On what and with whom."""
    if not found:
        return
    yield "| taken | on | rounds | seconds a turn | others took, median and most, cores |"
    yield "|---|---|---|---|---|"
    for name, each in found.items():
        foreign = f"{median(each.foreign):.2f}, {max(each.foreign):.2f}" if each.foreign else ""
        yield f"| {CHAPTERS[name][0]} | {each.machine.get('date', '')} | {each.rounds} | {each.seconds:g} | {foreign} |"
    latest = max(found.values(), key=lambda each: each.machine.get("date", ""))
    yield ""
    yield "| the machine | |"
    yield "|---|---|"
    yield from (f"| {name} | {value} |" for name, value in latest.machine.items() if name != "date")
    yield ""
    yield "| who | version | settings |"
    yield "|---|---|---|"
    versions = {name: version for each in found.values() for name, version in each.peers.items()}
    for peer in (OURS, *PEERS.values()):
        if peer.name in versions:
            yield f"| {peer.name} | {versions[peer.name]} | {peer.about} |"


def number(value: float) -> str:
    """Three digits that count, thousands apart."""
    if value >= 1000:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}" if value else "0"


def _subject(row: Row) -> str:
    return f"{row.what}, beside {row.peer}" if row.peer else row.what


def _figure(row: Row) -> str:
    return number(row.figure) if row.peer else f"{number(row.figure)} {row.unit}"


def _target(row: Row) -> str:
    assert row.target
    return f"{'at most' if row.target.most else 'at least'} {number(row.target.limit)}"


def _range(row: Row) -> str:
    return f" ({number(min(row.rounds))}–{number(max(row.rounds))})" if len(row.rounds) > 1 else ""


def _ssim(value: float) -> str:
    return f"{value:.4f}".removeprefix("0")


def _anchor(title: str) -> str:
    return title.lower().replace("`", "").replace(" ", "-")


def _wrapped(text: str) -> str:
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > 120:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return "\n".join([*lines, line])
