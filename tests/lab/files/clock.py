# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sitecustomize of a machine whose clock is AZLAB_CLOCK_DAYS off: a machine of the lab has the machine's own clock, which nobody may set."""

import datetime
import os

OFF = datetime.timedelta(days=int(os.environ["AZLAB_CLOCK_DAYS"]))

REAL = datetime.datetime


class Datetime(datetime.datetime):
    """What every program of this interpreter is told."""

    @classmethod
    def now(cls, tz=None):
        return super().now(tz) + OFF

    def __repr__(self):
        """As Ansible writes it into the module that it sends to hosts, where this class is not known."""
        return repr(REAL(self.year, self.month, self.day, self.hour, self.minute, self.second, self.microsecond, self.tzinfo))


datetime.datetime = Datetime
