"""The report: one page to look at, with player, plots and moments."""

from reelpulse.export.report.page import write_report

__all__ = ["write_report"]
