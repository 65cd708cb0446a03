"""``python -m groupscat.testing NAME``: hold a registered backend to the contract, print what fails."""

from __future__ import annotations

import argparse
import sys

from groupscat.backend import backend_names, get_backend
from groupscat.errors import BackendError
from groupscat.testing.contract import BackendContract
from groupscat.testing.runner import run_contract


def main() -> int:
    """Returns 0 if the contract holds, 1 if not, 2 if there is no such backend."""
    parser = argparse.ArgumentParser(prog="python -m groupscat.testing", description=__doc__)
    parser.add_argument("backend", help=f"registered here: {', '.join(backend_names())}")
    parser.add_argument("--examples", type=int, default=25, help="cases drawn per property (default: 25)")
    arguments = parser.parse_args()
    try:
        get_backend(arguments.backend)
    except BackendError as error:
        print(error, file=sys.stderr)
        return 2
    held = type("Held", (BackendContract,), {"name": arguments.backend, "examples": arguments.examples})
    outcomes = []
    for outcome in run_contract(held):
        outcomes.append(outcome)
        if outcome.failed:
            print(f"FAILED {outcome.case}: {type(outcome.error).__name__}: {outcome.error}".splitlines()[0])
    failed, skipped = sum(o.failed for o in outcomes), sum(o.skipped for o in outcomes)
    print(f"{arguments.backend}: {len(outcomes) - failed - skipped} held, {failed} failed, {skipped} skipped")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
