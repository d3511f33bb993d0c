"""The numbers of a run on a terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from .figures import FIGURES, held_note, written
from .statistics import Statistics, Summary


def summary_table(summary: Summary) -> Table:
    """The numbers of the account, and beside them those of each strategy where there are several."""
    columns: list[tuple[str, Statistics]] = [("account", summary.total)]
    if len(summary.strategies) > 1:
        columns += [(f"strategy {name}", each) for name, each in summary.strategies.items()]
    made = plain_table("", *(name for name, _ in columns))
    for figure in FIGURES:
        made.add_row(figure.title, *(written(getattr(each, figure.key), figure.kind) for _, each in columns))
    share = f"{summary.path_deals:,} of {summary.total.deals:,}"
    made.add_row("Deals that depend on the path in candles", share)
    if summary.deals_in_gaps or summary.deals_after_gaps:
        made.add_row("Deals in gaps of the data", f"{summary.deals_in_gaps:,}")
        made.add_row("Deals of orders that met a gap", f"{summary.deals_after_gaps:,}")
    if summary.unvalued:
        made.add_row("Without a price, not counted", Text(", ".join(summary.unvalued), style="red"))
    return made


def notes(summary: Summary) -> list[str]:
    """What should be known before the numbers are believed, each a line."""
    held = held_note(summary.total)
    found = [] if held is None else [held]
    if summary.deals_in_gaps or summary.deals_after_gaps:
        found.append(
            "Nobody recorded what deals in gaps would have got: fill the gaps (data check), "
            "or leave them out."
        )
    return found


def plain_table(first: str, *others: str) -> Table:
    """A table without lines; numbers stand at the right.

    :param first: title of the first column
    """
    made = Table(box=None, header_style="bold", pad_edge=False)
    made.add_column(Text(first), no_wrap=True)
    for title in others:
        made.add_column(Text(title), justify="right", no_wrap=True)
    return made
