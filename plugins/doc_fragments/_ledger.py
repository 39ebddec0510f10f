# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ledger a module reads or writes.

This file is private to the collection.
"""

from __future__ import annotations


class ModuleDocFragment:
    """Options of modules that open a ledger; ``exchange`` adds what those have that carry usage between a site and headquarters."""

    DOCUMENTATION = r"""
options:
  url:
    description:
      - The ledger, as path of an SQLite file, or as a SQLAlchemy URL of SQLite or PostgreSQL.
      - A URL must not hold a password. Use C(~/.pgpass), the variable E(PGPASSFILE) or a certificate.
    type: str
    required: true
requirements:
  - SQLAlchemy >= 2.0 on the control node
  - psycopg on the control node for PostgreSQL
"""

    SITE = r"""
options:
  site:
    description: Name of the site.
    type: str
    required: true
"""

    EXCHANGE = r"""
options:
  url:
    description:
      - The ledger, as path of an SQLite file, or as a SQLAlchemy URL of SQLite or PostgreSQL.
      - A URL must not hold a password. Use C(~/.pgpass), the variable E(PGPASSFILE) or a certificate.
    type: str
    required: true
    aliases: [ledger]
requirements:
  - SQLAlchemy >= 2.0 on the control node
  - psycopg on the control node for PostgreSQL
  - ssh-keygen
"""
