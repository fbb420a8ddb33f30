# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A configuration with one of every kind, and what the tests of awx_configuration ask of the double."""

from __future__ import annotations

import copy
import re
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.runner import awx_configuration
from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run

from tests.awx import Double

Json = dict[str, Any]


def survey() -> Json:
    return {
        "name": "Database",
        "description": "",
        "spec": [
            {
                "question_name": "Engine",
                "question_description": "",
                "variable": "engine",
                "type": "multiplechoice",
                "required": True,
                "choices": ["scylla", "yugabyte"],
                "default": "scylla",
            },
            {
                "question_name": "Replicas",
                "question_description": "",
                "variable": "replicas",
                "type": "integer",
                "required": False,
                "min": 1,
                "max": 9,
                "default": 3,
            },
        ],
    }


def configuration() -> Json:
    """One of every kind, in the shapes of infra.aap_configuration."""
    return {
        "controller_schedules": [
            {
                "name": "nightly",
                "unified_job_template": "provision",
                "organization": "DBaaS",
                "rrule": "DTSTART;TZID=Africa/Lagos:20300101T030000 RRULE:FREQ=DAILY;INTERVAL=1",
                "extra_data": {"engine": "scylla"},
            }
        ],
        "controller_roles": [
            {"team": "operators", "job_templates": ["provision", "wait"], "roles": ["execute", "read"]},
            {"team": "operators", "workflow": "order", "role": "approval", "lookup_organization": "DBaaS"},
            {"user": "alice", "target_team": "operators", "role": "member"},
        ],
        "controller_workflows": [
            {
                "name": "order",
                "organization": "DBaaS",
                "ask_variables_on_launch": "yes",
                "survey_enabled": True,
                "survey": survey(),
                "notification_templates_approvals": ["hook"],
                "simplified_workflow_nodes": [
                    {
                        "identifier": "approve",
                        "approval_node": {"name": "Order?", "description": "Look at the job before", "timeout": 600},
                        "success_nodes": ["deliver"],
                    },
                    {"identifier": "deliver", "unified_job_template": "provision", "always_nodes": ["check"]},
                    {"identifier": "check", "unified_job_template": "wait", "all_parents_must_converge": True},
                ],
            }
        ],
        "controller_templates": [
            {
                "name": "provision",
                "project": "content",
                "inventory": "platform",
                "playbook": "provision.yml",
                "execution_environment": "dbaas-ee",
                "credentials": ["git", {"name": "api", "credential_type": {"name": "API"}}],
                "labels": ["database"],
                "instance_groups": ["lagos"],
                "extra_vars": {"dbaas_wait": False},
                "survey_enabled": True,
                "survey_spec": survey(),
                "ask_variables_on_launch": True,
                "notification_templates_error": ["hook"],
            },
            {"name": "wait", "project": "content", "inventory": "platform", "playbook": "wait.yml"},
        ],
        "controller_inventory_sources": [
            {
                "name": "from-git",
                "inventory": "platform",
                "organization": "DBaaS",
                "source": "scm",
                "source_project": "content",
                "source_path": "inventory/hosts.yml",
                "update_on_launch": True,
            }
        ],
        "controller_groups": [{"name": "pops", "inventory": "platform", "hosts": ["lagos-1"]}],
        "controller_hosts": [{"name": "lagos-1", "inventory": "platform", "variables": {"pop": "lagos"}}],
        "controller_inventories": [{"name": "platform", "organization": "DBaaS", "variables": {"region": "africa"}}],
        "controller_projects": [
            {
                "name": "content",
                "organization": "DBaaS",
                "scm_type": "git",
                "scm_url": "https://git.example.test/dbaas.git",
                "scm_branch": "main",
                "scm_clean": "no",
                "credential": {"name": "git-read", "organization": {"name": "DBaaS"}},
            }
        ],
        "controller_notifications": [
            {
                "name": "hook",
                "organization": "DBaaS",
                "notification_type": "webhook",
                "notification_configuration": {
                    "url": "https://hooks.example.test/awx",
                    "headers": {"X-From": "awx"},
                    "username": "awx",
                    "password": "hook-secret-1",
                },
                "messages": {"success": {"body": '{"state": "{  { job.status }}"}'}},
            }
        ],
        "controller_credential_input_sources": [
            {
                "target_credential": "api",
                "input_field_name": "token",
                "source_credential": "vault",
                "metadata": {"secret_path": "dbaas/api", "secret_key": "token"},
            }
        ],
        "controller_credentials": [
            {
                "name": "git",
                "organization": "DBaaS",
                "credential_type": "GitOps",
                "inputs": {"url": "https://git.example.test/gitops.git", "token": "git-secret-1"},
            },
            {"name": "api", "organization": "DBaaS", "credential_type": "API", "inputs": {"url": "https://a.test"}},
            {
                "name": "git-read",
                "organization": "DBaaS",
                "credential_type": "Source Control",
                "inputs": {"username": "reader", "password": "scm-secret-1"},
            },
            {
                "name": "vault",
                "organization": "DBaaS",
                "credential_type": "HashiCorp Vault Secret Lookup",
                "inputs": {"url": "https://vault.example.test", "token": "vault-secret-1", "api_version": "v2"},
            },
        ],
        "controller_credential_types": [
            {
                "name": name,
                "kind": "cloud",
                "inputs": {
                    "fields": [
                        {"id": "url", "type": "string", "label": "URL"},
                        {"id": "token", "type": "string", "label": "Token", "secret": True},
                    ],
                    "required": ["url"],
                },
                "injectors": {"env": {f"{name.upper()}_URL": "{  { url }}", f"{name.upper()}_TOKEN": "{  { token }}"}},
            }
            for name in ("GitOps", "API")
        ],
        "controller_labels": [{"name": "database", "organization": "DBaaS"}],
        "controller_execution_environments": [
            {"name": "dbaas-ee", "organization": "DBaaS", "image": "registry.example.test/dbaas:1", "pull": "missing"}
        ],
        "controller_instance_groups": [{"name": "lagos", "is_container_group": True, "max_forks": 10}],
        "controller_teams": [{"name": "operators", "organization": "DBaaS", "description": "who operates"}],
        "controller_user_accounts": [
            {"username": "alice", "password": "user-secret-1", "email": "alice@example.test", "organization": "DBaaS"}
        ],
        "controller_organizations": [
            {
                "name": "DBaaS",
                "description": "Databases",
                "default_environment": "dbaas-ee",
                "instance_groups": ["lagos"],
                "notification_templates_error": ["hook"],
            }
        ],
    }


def options(double: Double, **more: Any) -> Json:
    return {"controller_host": double.url, "controller_oauthtoken": double.token, "validate_certs": True, **more}


def apply(double: Double, given: Json, *, check: bool = False, diff: bool = False, **more: Any) -> Json:
    more = {"label": "dbaas", **more}
    run = Run(options(double, configuration=copy.deepcopy(given), **more), check=check, diff=diff)
    return awx_configuration.run(run)


def drift(double: Double, given: Json, **more: Any) -> Json:
    given = options(double, configuration=copy.deepcopy(given), **{"label": "dbaas", "fail": False, **more})
    return awx_configuration.info(Run(given))


def writes(double: Double) -> list[str]:
    return [f"{call.method} {call.path}" for call in double.writes]


def shape(written: list[str]) -> list[str]:
    """Writes without what stands for ids."""
    return sorted(re.sub(r"/(<[^>]*>|\d+)/", "/*/", line) for line in written)


def written_by(double: Double, given: Json, **more: Any) -> list[str]:
    """What a run writes, after it was held against what check mode says, and a run after it writes nothing."""
    said = apply(double, given, check=True, **more)
    before = len(double.writes)
    done = apply(double, given, **more)
    assert not done.get("failed"), done["msg"]
    made = writes(double)[before:]
    assert shape(made) == shape(said["writes"])
    assert shape(made) == shape(done["writes"])
    after = len(double.writes)
    again = apply(double, given, **{**more, "update_secrets": False})
    assert (again["changed"], again["writes"], len(double.writes)) == (False, [], after)
    return made


def one(double: Double, kind: str, name: str) -> Json:
    """An object of the double, as its API shows it."""
    found: list[Json] = double.by_hand("GET", f"{kind}/?name={name}")["results"]
    assert len(found) == 1, found
    return found[0]


def what(report: Json) -> set[tuple[str, str, str]]:
    return {(item["code"], item["name"], item["what"]) for item in report["drift"]}
