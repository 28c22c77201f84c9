"""What a preparation found: for programs as JSON, for people as a table."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tacotrain.data.findings import Finding, Severity
from tacotrain.errors import DataError

if TYPE_CHECKING:
    from rich.console import Console

REPORT = "report.json"


@dataclass(frozen=True, slots=True)
class Report:
    """What a preparation found."""

    source: str
    recordings: int
    usable: int
    seconds: float
    """Duration of the usable recordings."""
    findings: tuple[Finding, ...] = ()

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Findings that make a file unusable."""
        return tuple(finding for finding in self.findings if finding.severity is Severity.ERROR)

    def to_json(self) -> str:
        """The content of report.json."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Report":
        """Read what `to_json` wrote."""
        document: dict[str, Any] = json.loads(text)
        findings = tuple(
            Finding(**{**finding, "severity": Severity(finding["severity"])})
            for finding in document.pop("findings")
        )
        return cls(**document, findings=findings)


class UnusableData(DataError):  # noqa: N818 - the data is what is unusable
    """Some recordings cannot be used; `report` says which and why."""

    def __init__(self, report: Report, path: Path) -> None:
        self.report = report
        self.path = path
        if errors := report.errors:
            bad = list(dict.fromkeys(finding.file for finding in errors))
            named = ", ".join(bad[:3]) + (", …" if len(bad) > 3 else "")
            what = f"{len(bad)} of {report.recordings} recordings cannot be used ({_counts(errors)}): {named}"
            todo = "repair them, or leave them out with --skip-bad" if report.usable > 1 else "repair them"
        else:
            what = f"too few usable recordings ({report.usable})"
            todo = "at least 2 are needed, one to train and one to validate"
        super().__init__(f"{report.source}: {what}; {todo}; details: {path}")


def print_report(report: Report, console: "Console", *, most: int = 40) -> None:
    """Print a table of the findings, errors first, and a line that sums up."""
    from rich.markup import escape  # noqa: PLC0415 - only when a table is printed
    from rich.table import Table  # noqa: PLC0415

    if report.findings:
        table = Table("file", "severity", "finding", "what to know", box=None, header_style="bold")
        ordered = sorted(report.findings, key=lambda finding: finding.severity is not Severity.ERROR)
        for finding in ordered[:most]:
            style = "red" if finding.severity is Severity.ERROR else "yellow"
            severity = f"[{style}]{finding.severity}[/]"
            table.add_row(escape(finding.file), severity, finding.code, escape(finding.message))
        console.print(table)
        if len(ordered) > most:
            console.print(f"… and {len(ordered) - most} more findings")
    counts = f"; {_counts(report.findings)}" if report.findings else ""
    console.print(
        f"{report.usable} of {report.recordings} recordings usable, {report.seconds / 60:.1f} minutes{counts}",
        highlight=False,
    )


def _counts(findings: Iterable[Finding]) -> str:
    return ", ".join(
        f"{code} {count}" for code, count in Counter(finding.code for finding in findings).most_common()
    )
