"""Which jobs of a plan are to be done: those without a result that is up to date."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from i2i.convert.manifest import Manifest, NoManifest
from i2i.convert.plan import Job, Plan

if TYPE_CHECKING:
    from i2i.convert.api import Result

ExistingPolicy = Literal["continue", "skip", "overwrite"]
Remarks = Mapping[Job, Mapping[str, Any]]  # fields that the line of a job's result gets in the manifest


def open_manifest(plan: Plan, out: Path, settings_hash: str, remarks: Remarks | None = None) -> Manifest | NoManifest:
    """Return the manifest of the folder ``out``; for a result that the user named, one that records nothing."""
    return NoManifest(out.parent) if plan.is_named else Manifest(out, settings_hash, remarks)


def pending_jobs(
    jobs: Sequence[Job], manifest: Manifest | NoManifest, existing: ExistingPolicy, result: "Result"
) -> list[Job]:
    """Return the jobs to be done. The others are added to ``result.skipped`` with their reason."""
    pending = []
    reasons = {
        "current": "is up to date",
        "outdated": "exists already",
        "unrecorded": "exists already (--overwrite replaces it)",
        "foreign": "exists already, and i2i did not make it from this source (--overwrite replaces it)",
    }
    for job in jobs:
        state = manifest.state(job)
        if state == "absent" or existing == "overwrite" or (state == "outdated" and existing == "continue"):
            pending.append(job)
        else:
            result.skipped.append((job.source, job.target, f"{job.target} {reasons[state]}"))
    return pending
