# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sitecustomize of a host whose clock is AZLAB_CLOCK_DAYS off: a host of the lab has the machine's own clock, which nobody may set."""

import datetime
import os

OFF = datetime.timedelta(days=int(os.environ["AZLAB_CLOCK_DAYS"]))


class Datetime(datetime.datetime):
    """What every program of this interpreter is told."""

    @classmethod
    def now(cls, tz=None):
        return super().now(tz) + OFF


datetime.datetime = Datetime
