"""Lets Ansible's plugin loader find the collection, once for the whole run."""

from __future__ import annotations

from ansible.plugins.loader import init_plugin_loader

from tests.tools.tree import ROOT

init_plugin_loader([str(ROOT / ".cache/collections")])
