# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Harvest usage of Azure AI containers, and tell how it went by the exit code.

    azure-ai-harvest [arguments of ansible-playbook]   harvest; 0 all was read, 3 something is missing, 1 failed
    azure-ai-harvest --status                          how the last harvest went, with the same codes

/etc/azure-ai/harvest.json, written by airgap.azure_ai.harvest_timer, says where the control folder is.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
import time

SETTINGS = os.environ.get("AZURE_AI_HARVEST_SETTINGS", "/etc/azure-ai/harvest.json")
CODES = {"all_read": 0, "some_missing": 3}
USED = {"ssh_key": "ANSIBLE_PRIVATE_KEY_FILE", "become_password": "ANSIBLE_BECOME_PASSWORD_FILE"}
ERROR = "<3>"  # journald's mark of an error


def now():
    """This second in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def status_path(settings):
    """Where the last harvest is noted."""
    return os.path.join(settings["home"], "ledger", "harvest-status.json")


def read_status(settings):
    """How the last harvest went; empty when nobody knows."""
    try:
        with open(status_path(settings), encoding="utf-8") as stream:
            found = json.load(stream)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_status(settings, status):
    """Note how a harvest went, whole or not at all."""
    path = status_path(settings)
    draft = f"{path}.{os.getpid()}.part"
    with open(draft, "w", encoding="utf-8") as stream:
        json.dump(status, stream, indent=4, sort_keys=True)
        stream.write("\n")
    os.chmod(draft, 0o640)
    os.replace(draft, path)


def environment(settings, service):
    """What ansible-playbook finds: in the service its credentials, and what the role was told."""
    values = dict(os.environ)
    folder = values.get("CREDENTIALS_DIRECTORY")
    if not service or not folder:
        folder = None
    else:
        values["ANSIBLE_VAULT_IDENTITY_LIST"] = "service@" + vault_file(folder)
        for name, variable in USED.items():
            if os.path.exists(os.path.join(folder, name)):
                values[variable] = os.path.join(folder, name)
    for name, value in (settings["service"]["environment"] if service else {}).items():
        if value.startswith("@"):
            with open(os.path.join(folder or "", value[1:]), encoding="utf-8") as stream:
                values[name] = stream.read().rstrip("\n")
        else:
            values[name] = value.replace("%d", folder or "")
    return values


def vault_file(folder):
    """Instead of the vault passwords that ansible.cfg names, which are people's: the service's own, or one that opens nothing."""
    path = os.path.join(folder, "vault_password")
    if not os.path.exists(path):
        path = os.path.expanduser("~/no-vault-password")
        with open(path, "w", encoding="ascii") as stream:
            stream.write("none\n")
    return path


def harvest(settings, arguments, service):
    """Run the playbook; return the exit code."""
    name = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()) + "-" + secrets.token_hex(2)
    command = [settings["command"], "airgap.azure_ai.harvest", "-e", f"harvest_id={name}"]
    command += (settings["service"]["arguments"] if service else []) + arguments
    started = now()
    try:
        done = subprocess.run(
            command, cwd=settings["home"], env=environment(settings, service), stdin=None if sys.stdin.isatty() else subprocess.DEVNULL, check=False
        )
        code = done.returncode
    except OSError as exc:
        print(f"{ERROR if service else ''}azure-ai-harvest: {exc}", file=sys.stderr)
        code = 1
    status = read_status(settings)
    if status.get("harvest") == name and status.get("outcome") in CODES:
        if code and status["outcome"] == "all_read":
            # Nobody knows what the task that failed would have brought: what answered is in the ledger, but that is not all.
            status = {**status, "outcome": "some_missing", "code": code}
            write_status(settings, status)
        # A strict harvest fails after everything is in the ledger.
        return CODES[status["outcome"]]
    if "--check" in arguments or "-C" in arguments:
        return 0 if code == 0 else 1
    if service:
        last = {"started": started, "ended": now(), "harvest": name, "outcome": "failed", "code": code, "last_good": status.get("last_good") or good(status)}
        write_status(settings, last)
    return 1


def good(status):
    """When a harvest last reached the ledger."""
    return status.get("ended") if status.get("outcome") in CODES else None


def tell(settings, mark):
    """Print how the last harvest went; return its code."""
    status = read_status(settings)
    outcome = status.get("outcome", "nothing was harvested yet")
    words = {
        "all_read": "all was read",
        "some_missing": f"{status.get('missing')} containers without a whole answer, evidence: {status.get('evidence_missing')} problems"
        + (f", and a task that failed (ansible-playbook returned {status['code']}): see what it printed" if status.get("code") else ""),
        "failed": f"failed, the last one that reached the ledger ended {status.get('last_good') or 'never'}",
    }
    print(f"{mark}harvest {status.get('harvest', '-')} of {status.get('ended', '-')}: {words.get(outcome, outcome)}")
    return CODES.get(outcome, 1)


def failed(settings):
    """The unit failed: when the harvest itself could not note why, it was killed or never started."""
    status = read_status(settings)
    result = os.environ.get("MONITOR_SERVICE_RESULT", "unknown")
    if result not in ("exit-code", "unknown"):
        write_status(
            settings,
            {"ended": now(), "harvest": status.get("harvest"), "outcome": "failed", "code": result, "last_good": status.get("last_good") or good(status)},
        )
    tell(settings, ERROR)
    return 0


def main(arguments):
    """Entry point."""
    try:
        with open(SETTINGS, encoding="utf-8") as stream:
            settings = json.load(stream)
    except (OSError, ValueError) as exc:
        print(f"azure-ai-harvest: {SETTINGS}: {exc}; run airgap.azure_ai.harvest_timer", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda *_args: sys.exit(1))
    if arguments[:1] == ["--status"]:
        return tell(settings, "")
    if arguments[:1] == ["--failed"]:
        return failed(settings)
    service = arguments[:1] == ["--service"]
    return harvest(settings, arguments[1:] if service else arguments, service)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
