# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Argument specs of all modules, put together from parts: connections, waiting, the fields of claims and tenants."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.common.parameters import env_fallback
from ansible_collections.dbaas.platform.plugins.module_utils.domain import forge, platform, schema, tenant
from ansible_collections.dbaas.platform.plugins.module_utils.domain.deprovision import POLICIES
from ansible_collections.dbaas.platform.plugins.module_utils.domain.options import argument_spec

Spec = dict[str, Any]


def _text(variable: str | None = None, **more: Any) -> Spec:
    return {"type": "str", **({"fallback": (env_fallback, [variable])} if variable else {}), **more}


def connections() -> Spec:
    """Options of every module: repository and clusters, so that `module_defaults` can set both for the group."""
    return {
        "repository": _text("DBAAS_REPOSITORY"),
        "branch": _text("DBAAS_GIT_BRANCH"),
        "username": _text("DBAAS_GIT_USERNAME"),
        "token": _text("DBAAS_GIT_TOKEN", no_log=True),
        "token_file": {"type": "path", "fallback": (env_fallback, ["DBAAS_GIT_TOKEN_FILE"])},
        "ssh_key_file": {"type": "path", "fallback": (env_fallback, ["DBAAS_GIT_SSH_KEY_FILE"]), "no_log": False},
        "ssh_known_hosts": {"type": "path", "fallback": (env_fallback, ["DBAAS_GIT_SSH_KNOWN_HOSTS"])},
        "ca_cert": {"type": "path", "fallback": (env_fallback, ["DBAAS_GIT_CA_CERT"])},
        "proxy": _text("DBAAS_GIT_PROXY", no_log=True),
        "kubeconfig": {"type": "path", "fallback": (env_fallback, ["K8S_AUTH_KUBECONFIG", "KUBECONFIG"])},
    }


def controller() -> Spec:
    """Options of every module that speaks to AWX, under the names and environment variables of awx.awx."""
    return {
        "controller_host": _text("CONTROLLER_HOST"),
        "controller_oauthtoken": _text("CONTROLLER_OAUTH_TOKEN", no_log=True),
        "controller_username": _text("CONTROLLER_USERNAME"),
        "controller_password": _text("CONTROLLER_PASSWORD", no_log=True),
        "validate_certs": {"type": "bool", "default": True, "fallback": (env_fallback, ["CONTROLLER_VERIFY_SSL"])},
        "controller_ca_cert": {"type": "path", "fallback": (env_fallback, ["CONTROLLER_CA_CERT"])},
        "controller_prefix": _text("CONTROLLER_OPTIONAL_API_URLPATTERN_PREFIX"),
        "request_timeout": {
            "type": "float",
            "default": 30.0,
            "fallback": (env_fallback, ["CONTROLLER_REQUEST_TIMEOUT"]),
        },
    }


def _awx_configuration() -> Spec:
    return {
        "configuration": {"type": "dict"},
        "src": {"type": "path"},
        "label": _text(),
    }


def awx_configuration() -> Spec:
    """Of module awx_configuration."""
    return {
        "argument_spec": {
            **_awx_configuration(),
            "adopt": {"type": "bool", "default": False},
            "purge": {"type": "bool", "default": False},
            # says whether, and is none itself
            "update_secrets": {"type": "bool", "default": False, "no_log": False},
            "wait_timeout": {"type": "int", "default": 600},
            **controller(),
        },
        "mutually_exclusive": [("configuration", "src")],
        "required_one_of": [("configuration", "src")],
        "required_if": [("purge", True, ["label"])],
    }


def awx_configuration_info() -> Spec:
    """Of module awx_configuration_info."""
    return {
        "argument_spec": {
            **_awx_configuration(),
            "export": {"type": "bool", "default": False},
            "fail": {"type": "bool", "default": True},
            **controller(),
        },
        "mutually_exclusive": [("configuration", "src")],
        "required_one_of": [("configuration", "src", "export")],
    }


def _delivery(*more: str) -> Spec:
    return {
        "delivery": _text(choices=["git", "merge_request", *more], default="git"),
        "signing_key_file": {
            "type": "path",
            "fallback": (env_fallback, ["DBAAS_GIT_SIGNING_KEY_FILE"]),
            "no_log": False,
        },
        "committer": _text("DBAAS_GIT_COMMITTER"),
        "requester": _text(),
        "delivery_timeout": {"type": "int", "default": 120},
        "shipped": {"type": "dict"},
    }


def _waiting() -> Spec:
    return {
        "wait": {"type": "bool", "default": False},
        "wait_timeout": {"type": "int", "default": 1800},
        "deadline": _text(default="30m"),
    }


def _claim_state() -> Spec:
    return {
        "adopt": {"type": "bool", "default": False},
        "state": {"type": "str", "choices": ["present", "absent", "rendered"], "default": "present"},
        "deletion_policy": {"type": "str", "choices": list(POLICIES), "default": "retain"},
        "regions": {"type": "list", "elements": "str"},
        # maintenance is the claim's field
        "timing": {"type": "str", "choices": ["window", "now"], "default": "window"},
    }


def service_claim() -> Spec:
    """Of module service_claim."""
    fields = argument_spec(schema.SPEC)
    return {
        "argument_spec": {
            "tenant": _text(required=True),
            "name": _text(required=True),
            "project": _text(),
            "merge": {"type": "bool", "default": False},
            **fields,
            **_claim_state(),
            **connections(),
            **_delivery("direct"),
            **_waiting(),
        },
    }


def service_claims() -> Spec:
    """Of module service_claims."""
    return {
        "argument_spec": {
            "claims": {"type": "list", "elements": "dict"},
            "src": {"type": "path"},
            "purge": {"type": "bool", "default": False},
            "scope": {"type": "dict", "options": {"tenant": _text(), "labels": {"type": "dict"}}},
            **_claim_state(),
            **connections(),
            **_delivery("direct"),
            **_waiting(),
        },
        "mutually_exclusive": [("claims", "src")],
        "required_one_of": [("claims", "src")],
    }


def service_claim_info() -> Spec:
    """Of module service_claim_info."""
    return {
        "argument_spec": {
            "tenant": _text(required=True),
            "names": {"type": "list", "elements": "str"},
            **connections(),
            "shipped": {"type": "dict"},
        }
    }


def service_claim_explanation_info() -> Spec:
    """Of module service_claim_explanation_info."""
    return service_claim_info()


def service_claim_rollback() -> Spec:
    """Of module service_claim_rollback."""
    return {
        "argument_spec": {
            "tenant": _text(required=True),
            "name": _text(required=True),
            "to": _text(default="previous"),
            "operation": _text(),
            **connections(),
            **_delivery(),
            **_waiting(),
        }
    }


def service_claim_rerender() -> Spec:
    """Of module service_claim_rerender."""
    return {
        "argument_spec": {
            **_several("tenants", "engines", "services"),
            "restart": _text(choices=["none", "rolling"], default="rolling"),
            "limit": {"type": "int", "default": 0},
            "wave": {"type": "int", "default": 50},
            **connections(),
            **_delivery(),
            **_waiting(),
        }
    }


def service_claim_bundle() -> Spec:
    """Of module service_claim_bundle."""
    return {"argument_spec": {**service_claim_info()["argument_spec"], "path": {"type": "path", "required": True}}}


def service_claim_wait() -> Spec:
    """Of module service_claim_wait."""
    spec = service_claim_info()["argument_spec"]
    more = {
        "operations": {"type": "dict"},
        "merge_request": {"type": "int"},
        "wait_timeout": {"type": "int", "default": 1800},
    }
    return {"argument_spec": {**spec, **more}}


def one_tenant() -> Spec:
    """Of module tenant."""
    return {
        "argument_spec": {
            "tenant": _text(required=True),
            **argument_spec(tenant.SPEC),
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            **connections(),
            **_delivery(),
        },
        "required_if": [("state", "present", ["regions"])],
    }


def tenants() -> Spec:
    """Of module tenants."""
    return {
        "argument_spec": {
            "tenants": {"type": "list", "elements": "dict"},
            "src": {"type": "path"},
            **connections(),
            **_delivery(),
        },
        "mutually_exclusive": [("tenants", "src")],
        "required_one_of": [("tenants", "src")],
    }


def tenant_info() -> Spec:
    """Of module tenant_info."""
    return {"argument_spec": {"tenants": {"type": "list", "elements": "str"}, **connections()}}


def _several(*names: str) -> Spec:
    return {name: {"type": "list", "elements": "str"} for name in names}


def argocd_application_info() -> Spec:
    """Of module argocd_application_info."""
    return {"argument_spec": {**_several("pops", "tenants", "names"), **connections(), "shipped": {"type": "dict"}}}


def awx_job() -> Spec:
    """Of module awx_job."""
    return {
        "argument_spec": {
            "template": _text(required=True),
            "organization": _text(),
            "extra_vars": {"type": "dict", "default": {}},
            "inventory": _text(),
            "limit": _text(),
            "job_type": _text(choices=["run", "check"]),
            "diff_mode": {"type": "bool"},
            "job_tags": _text(),
            "skip_tags": _text(),
            "verbosity": {"type": "int"},
            "scm_branch": _text(),
            "idempotency_key": _text(no_log=False),
            "wait": {"type": "bool", "default": True},
            "wait_timeout": {"type": "float"},
            **controller(),
        }
    }


def gitops_drift_info() -> Spec:
    """Of module gitops_drift_info."""
    fail: Spec = {"fail": {"type": "bool", "default": True}}
    return {"argument_spec": {**_several("pops", "tenants"), **fail, **connections()}}


def gitops_reconciliation() -> Spec:
    """Of module gitops_reconciliation."""
    return {
        "argument_spec": {
            **_several("tenants"),
            "deadline": _text(default="30m"),
            **connections(),
            **_delivery(),
        }
    }


def gitops_validation_info() -> Spec:
    """Of module gitops_validation_info."""
    return {
        "argument_spec": {
            "path": {"type": "path"},
            "since": _text(),
            "strict": {"type": "bool", "default": False},
            "format": {"type": "str", "choices": ["text", "github", "gitlab"], "default": "text"},
            "dest": {"type": "path"},
            **connections(),
        },
        "required_by": {"since": ["path"]},
    }


def _kubernetes() -> Spec:
    return {"kubeconfig": connections()["kubeconfig"], "context": _text()}


def awx_token() -> Spec:
    """Of module awx_token."""
    known = controller()
    return {
        "argument_spec": {
            "dest": {"type": "path", "required": True},
            "wait_timeout": {"type": "int", "default": 1800},
            **{
                name: known[name]
                for name in ("controller_host", "validate_certs", "controller_ca_cert", "request_timeout")
            },
            **_kubernetes(),
        }
    }


def awx_backup() -> Spec:
    """Of module awx_backup."""
    return {
        "argument_spec": {
            "keep": {"type": "int", "default": 7},
            "wait_timeout": {"type": "int", "default": 3600},
            **_kubernetes(),
        }
    }


def gitops_repository() -> Spec:
    """Of module gitops_repository."""
    pop = argument_spec(platform.POP)
    # the name of a Secret is none, but Ansible asks for a word on it
    pop["awx"]["options"]["tls_secret"]["no_log"] = False
    return {
        "argument_spec": {
            "pops": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {"name": _text(required=True), **pop},
            },
            "merge": {"type": "bool", "default": False},
            "repo_url": _text(),
            "forge": {"type": "dict", "options": argument_spec(forge.SCHEMA)},
            "upgrade": {"type": "bool", "default": False},
            **connections(),
            **_delivery(),
        }
    }
