"""Makes tests/awx/recordings from a folder of recorded exchanges: `python -m tests.awx.cut FOLDER`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parent / "recordings"
HEADERS = ("Allow", "Content-Type", "Location", "WWW-Authenticate")
# What the double has no use for: dashboards, ad hoc commands, AWX's own 500, smart inventories' host filter.
LEFT_OUT = {60, 61, 269, 274, 275, 276, 325}
DEFINITIONS = {
    *("ExecutionEnvironment", "Group", "Host", "InstanceGroup", "Inventory", "InventorySource", "JobTemplate", "Label"),
    *("CredentialInputSource", "CredentialSerializerCreate", "CredentialType", "NotificationTemplate", "Organization"),
    *(
        "OAuth2Token",
        "Project",
        "RoleDefinition",
        "RoleTeamAssignment",
        "RoleUserAssignment",
        "Schedule",
        "Team",
        "User",
    ),
    *("WorkflowApprovalTemplate", "WorkflowJobTemplate", "WorkflowJobTemplateNode", "SettingSingleton"),
    "WorkflowJobTemplateNodeCreateApproval",
}
PROPERTY = (
    "type",
    "readOnly",
    "default",
    "enum",
    "x-nullable",
    "maxLength",
    "minimum",
    "maximum",
    "title",
    "description",
)


def main(source: Path) -> None:
    lines = []
    for file in sorted((source / "responses").glob("*.json")):
        number = int(file.name[:3])
        recorded = json.loads(file.read_text())
        if number in LEFT_OUT or "response" not in recorded:
            continue
        lines.append(json.dumps(_exchange(number, recorded)))
    (TARGET / "exchanges.jsonl").write_text("\n".join(lines) + "\n")
    schema = json.loads((source / "awx-openapi2.json").read_text())
    (TARGET / "schema.json").write_text(json.dumps(_schema(schema), indent=1) + "\n")


def _exchange(number: int, recorded: dict[str, Any]) -> dict[str, Any]:
    request, response = recorded["request"], recorded["response"]
    content = response.get("body", response.get("text"))
    if request["method"] == "OPTIONS":
        content = {key: value for key, value in content.items() if key != "description"}
        content["actions"] = {"POST": content["actions"]["POST"]}
    return {
        "number": number,
        "name": recorded["name"],
        "method": request["method"],
        "path": request["path"],
        "auth": request["auth"],
        **({"body": request["body"]} if "body" in request else {}),
        "status": response["status"],
        "headers": {name: response["headers"][name] for name in HEADERS if name in response["headers"]},
        "content": _short(content),
    }


def _short(value: Any) -> Any:
    """How a job's process was started says nothing to those who call the API."""
    if isinstance(value, dict):
        empty = {"job_args": "", "job_env": {}}
        return {key: empty[key] if key in empty else _short(entry) for key, entry in value.items()}
    return [_short(entry) for entry in value] if isinstance(value, list) else value


def _schema(schema: dict[str, Any]) -> dict[str, Any]:
    methods = ("get", "post", "put", "patch", "delete")
    paths = {
        path.replace("/api/{version}/", "/api/v2/"): [method.upper() for method in methods if method in operations]
        for path, operations in schema["paths"].items()
        if "/analytics/" not in path and "/service-index/" not in path
    }
    definitions = {
        name: {
            "required": schema["definitions"][name].get("required", []),
            "properties": {
                key: {word: value[word] for word in PROPERTY if word in value}
                for key, value in schema["definitions"][name]["properties"].items()
            },
        }
        for name in sorted(DEFINITIONS)
    }
    return {"paths": paths, "definitions": definitions}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
