# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The collection's version, for what leaves it: commit trailers, annotations of rendered objects, user agents."""

from __future__ import annotations

#: The same as in galaxy.yml; a unit test compares them.
VERSION = "0.1.0"
