# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

# Made by `make generate` from the schemas: change those instead.

from __future__ import annotations


class ModuleDocFragment:
    """The fields of claims (CLAIM) and tenants (TENANT) as options."""

    CLAIM = r"""
---
options:
  service_id:
    description:
      - Identity of the service for all its life; written by whoever renders the claim first.
      - Allowed is a UUID in lower case.
    type: str
  sku:
    description:
      - "Name of a SKU of the catalog. Without it, engine and plan choose one."
      - "Allowed is a name of lower-case letters, digits and hyphens."
    type: str
  engine:
    description:
      - Database engine.
    type: str
    choices:
      - yugabyte
      - vitess
      - scylla
      - dragonfly
      - aerospike
      - mongodb
  plan:
    description:
      - Service plan.
    type: str
    choices:
      - shared
      - dedicated
      - clustered
      - global
  version:
    description:
      - "Version of the engine; the catalog's default when not given."
      - Allowed is a version such as 2025.1.5.
    type: str
  region:
    description:
      - "Home region (point of presence): where the connection points to."
      - "Allowed is a name of lower-case letters, digits and hyphens."
    type: str
  storage:
    description:
      - Storage of each node.
    type: dict
    suboptions:
      size:
        description:
          - "Size of each node's volume; can grow where the engine can, never shrink."
          - Allowed is a size such as 100Gi or 2Ti.
        type: str
      class:
        description:
          - "Storage class; the region's default when not given."
          - "Allowed is a name of lower-case letters, digits and hyphens."
        type: str
  replication:
    description:
      - Copies of the data.
    type: dict
    suboptions:
      factor:
        description:
          - Copies in each region.
        type: int
      regions:
        description:
          - "All regions, the home region among them; that one alone when not given."
          - "Allowed is a name of lower-case letters, digits and hyphens."
        type: list
        elements: str
  backup:
    description:
      - Backups to object storage.
    type: dict
    suboptions:
      enabled:
        description:
          - Whether backups are made.
          - "The platform's default is V(true)."
        type: bool
      schedule:
        description:
          - "When, as a cron expression of five fields, in UTC."
          - "The platform's default is V(0 2 * * *)."
        type: str
      retention:
        description:
          - How long a backup is kept.
          - "Allowed is a duration such as 12h, 14d or 4w."
          - "The platform's default is V(14d)."
        type: str
      destination:
        description:
          - "Where to; the region's own bucket for the tenant when not given."
          - "Allowed is an address such as s3://bucket or s3://bucket/path."
        type: str
  observability:
    description:
      - Metrics and logs.
    type: dict
    suboptions:
      metrics:
        description:
          - "Metrics, alerts included."
        type: dict
        suboptions:
          enabled:
            description:
              - Whether metrics are collected.
              - "The platform's default is V(true)."
            type: bool
          scrape_interval:
            description:
              - How often.
              - Allowed is a duration such as 30s or 1m.
              - "The platform's default is V(30s)."
            type: str
      logs:
        description:
          - Logs.
        type: dict
        suboptions:
          enabled:
            description:
              - Whether logs are collected.
              - "The platform's default is V(true)."
            type: bool
          retention:
            description:
              - How long they are kept.
              - "Allowed is a duration such as 12h, 14d or 4w."
              - "The platform's default is V(30d)."
            type: str
  high_availability:
    description:
      - Resilience within a region.
    type: dict
    suboptions:
      enabled:
        description:
          - Whether the service survives the loss of a node.
          - "The platform's default is V(true)."
        type: bool
      multi_az:
        description:
          - "Whether nodes are spread over the region's zones."
          - "The platform's default is V(true)."
        type: bool
  networking:
    description:
      - "Who may connect, and how."
    type: dict
    suboptions:
      tls:
        description:
          - Encryption in transit.
        type: dict
        suboptions:
          enabled:
            description:
              - Whether clients connect with TLS.
              - "The platform's default is V(true)."
            type: bool
          certificate:
            description:
              - "Name of the Secret with the serving certificate, for engines that take one."
              - "Allowed is a name of lower-case letters, digits and hyphens."
            type: str
      allowed_cidrs:
        description:
          - Networks that may connect; none from outside the namespace when empty.
          - Allowed is a network such as 10.0.0.0/8.
          - "The platform's default is V([])."
        type: list
        elements: str
  deletion_protection:
    description:
      - Whether the service may not be deleted (keeping its data is always possible).
      - "The platform's default is V(false)."
    type: bool
  database:
    description:
      - The database that the service is in a shared cluster; of the shared plan alone.
    type: dict
    suboptions:
      name:
        description:
          - "Its name; made of the service's name and id when not given."
          - "Allowed is a name of lower-case letters, digits and underscores that begins with a letter."
        type: str
  resources:
    description:
      - "Nodes of each role of the engine, as the SKU names them; the SKU's when not given."
    type: dict
  parameters:
    description:
      - "Settings of the engine, by the names that the catalog has of it; it says what each may be and what changing it restarts."
    type: dict
  paused:
    description:
      - "Whether the database is stopped and its data kept, where the engine can. It runs when not given."
    type: bool
  maintenance:
    description:
      - When a change that restarts nodes may begin; at any time without windows.
    type: dict
    suboptions:
      windows:
        description:
          - "Stretches of the week, in UTC."
        type: list
        elements: dict
  placement:
    description:
      - Machines that the nodes stand on.
    type: dict
    suboptions:
      node_selector:
        description:
          - Labels that a machine must have.
        type: dict
      tolerations:
        description:
          - "Taints of machines that the nodes bear, as pods have them."
        type: list
        elements: dict
      pool:
        description:
          - "Service that holds the database of a shared plan, as tenant/service; the catalog's choice when the claim is admitted, and kept from then on."
          - Allowed is a service as tenant/service.
        type: str
  images:
    description:
      - "Images of the tenant's own, by what they are for, where the tenant's document allows it."
    type: dict
  overrides:
    description:
      - "Patches of what is rendered, of the kinds that the tenant's document allows. What a patch does is nobody's promise."
    type: list
    elements: dict
"""

    TENANT = r"""
---
options:
  display_name:
    description:
      - Name for people.
    type: str
  regions:
    description:
      - Regions that the tenant may use; its data stays in them.
      - "Allowed is a name of lower-case letters, digits and hyphens."
    type: list
    elements: str
  projects:
    description:
      - Projects that its services may belong to; any when empty.
      - "Allowed is a name of lower-case letters, digits and hyphens."
    type: list
    elements: str
  owners:
    description:
      - "Groups whose members may read the tenant's services and connection Secrets, and apply claims by kubectl."
    type: list
    elements: str
  quotas:
    description:
      - "Limits: in all, by plan and by region. No claim is admitted that would go beyond one."
    type: dict
    suboptions:
      services:
        description:
          - Services.
        type: int
      storage:
        description:
          - Storage of all nodes together.
          - Allowed is a size such as 100Gi or 2Ti.
        type: str
      cpu:
        description:
          - CPU of all nodes together.
          - Allowed is an amount of CPU such as 500m or 8.
        type: str
      memory:
        description:
          - Memory of all nodes together.
          - Allowed is a size such as 512Mi or 32Gi.
        type: str
      plans:
        description:
          - By plan.
        type: dict
      regions:
        description:
          - By region.
        type: dict
  backup_destinations:
    description:
      - "Where backups may go to beside its regions' own storage; who names an address here vouches that it lies where the tenant's data may be."
      - "Allowed is an address such as s3://bucket or s3://bucket/path."
    type: list
    elements: str
  allows:
    description:
      - What its claims may do beyond what the catalog offers; nothing of it when not given.
    type: dict
    suboptions:
      overrides:
        description:
          - Kinds that spec.overrides may patch.
          - Allowed is a kind such as ScyllaCluster.
        type: list
        elements: str
      images:
        description:
          - Whether spec.images may name images of its own.
        type: bool
  billing_account:
    description:
      - Account that is charged.
    type: str
"""
