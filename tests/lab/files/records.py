# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run as root on a site host: add up the record files that the containers wrote to their output folders, as JSON."""

import json
import pathlib
from collections import defaultdict
from decimal import Decimal

found: "defaultdict[tuple[str, str, str], Decimal]" = defaultdict(Decimal)
for path in pathlib.Path("/var/lib/azure-ai/containers").glob("*/output/*/*/usage-*.jsonl"):
    container = path.relative_to("/var/lib/azure-ai/containers").parts[0]
    for line in path.read_text().splitlines():
        row = json.loads(line)
        found[container, row["meter"], row["time"][:7]] += Decimal(row["quantity"])
print(json.dumps([{"container": name, "meter": meter, "month": month, "quantity": str(total)} for (name, meter, month), total in found.items()]))
