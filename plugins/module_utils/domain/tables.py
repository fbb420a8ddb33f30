# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tables as text, for people. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

Json = dict[str, Any]


def lines(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """One line a row, columns as wide as their widest cell; those of these numbers stand to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            text.rjust(width) if column in right else text.ljust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def costs(result: Json) -> list[str]:
    """What services cost and promise, out of a result of service_claim or service_claims; one line each, and the sum.

    Only what such a result tells of: of many services those that change.
    """
    claims: list[Json] = [result["claim"]] if "claim" in result else result["claims"]
    if not claims:
        return ["nothing changes"]
    restarts = {
        (item["tenant"], item["name"]): (item.get("plan") or {}).get("restart", "") for item in result["operations"]
    }
    rows = [("service", "SKU", "plan", "regions", "USD a month", "SLA %", "restart")]
    rows += [
        (
            f"{item['tenant']}/{item['name']}",
            item["sku"],
            item["plan"],
            ", ".join(item["regions"]),
            str(item["price_monthly_usd"]),
            str(item["sla_percent"]),
            restarts.get((item["tenant"], item["name"]), ""),
        )
        for item in claims
    ]
    if len(claims) > 1:
        total = sum(item["price_monthly_usd"] for item in claims)
        rows.append((f"{len(claims)} services", "", "", "", str(total), "", ""))
    return lines(rows, right=(4, 5))
