"""`python -m bench`: how fast the server is, as ratios taken in one run on this machine."""

import argparse

from rich.console import Console
from rich.table import Table

from bench import cold, hot
from bench.inputs import photographs
from bench.machine import described


def main() -> None:
    """Run the comparisons and print a table for each."""
    asked = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    asked.add_argument("--rounds", type=int, default=5, help="interleaved rounds; the median is shown")
    asked.add_argument("--seconds", type=float, default=4.0, help="length of each measurement")
    asked.add_argument("--only", choices=("cold", "hot"), help="one half alone")
    given = asked.parse_args()
    console = Console()
    console.print(described())
    photos = photographs(console.print)
    if given.only != "hot":
        rows = Table("cold: to 600 px", "darkroom /s", "raw libvips /s", "ratio", "bytes", "raw bytes")
        for row in cold.compare(photos, given.rounds, given.seconds, console.print):
            rows.add_row(
                row.name, f"{row.ours:.1f}", f"{row.raw:.1f}", f"{row.ratio:.2f}", f"{row.size:,}", f"{row.raw_size:,}"
            )
        console.print(rows)
    if given.only != "cold":
        rows = Table("hot: 40 KB, one core", "darkroom /s", "nginx static /s", "ratio", "p99 ms")
        for hit in hot.compare(photos[0], given.rounds, given.seconds, console.print):
            rows.add_row(hit.name, f"{hit.ours:,.0f}", f"{hit.nginx:,.0f}", f"{hit.ratio:.2f}", f"{hit.p99:.1f}")
        console.print(rows)


if __name__ == "__main__":
    main()
