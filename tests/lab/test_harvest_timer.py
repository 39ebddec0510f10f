# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The harvest on a timer under a real systemd: installed twice, run by the timer's service, never two at once, failing visibly, gone without a trace."""

from __future__ import annotations

import json
import time
import typing as t

import pytest

from tests.lab import overlay, road, settings
from tests.lab.shell import as_root, inside, run, wait_for

SERVICE, USER = "azure-ai-harvest.service", "azure-ai-harvest"
VARIABLES = "/root/harvest-timer.json"
STATUS = f"{road.HOME}/ledger/harvest-status.json"
SETTINGS = {
    "azure_ai_home": road.HOME,
    "harvest_timer_credentials": {"ssh_key": "/etc/azure-ai-lab/key", "become_password": "/etc/azure-ai-lab/become", "ssh_config": "/etc/azure-ai-lab/config"},
    "harvest_timer_environment": {
        "ANSIBLE_INVENTORY": ",".join(f"inventories/{layer}" for layer in (*overlay.LAYERS["site"], "timer")),
        "AZURE_AI_BECOME_PASSWORD": "@become_password",
        "AZURE_AI_SSH_CONFIG": "%d/ssh_config",
    },
    "harvest_timer_delay": "0",
}
# The lab's inventory reads files of the user ops; the service has its own.
LAYER = {
    "all": {
        "vars": {
            "ansible_ssh_common_args": "-F {{ lookup('ansible.builtin.env', 'AZURE_AI_SSH_CONFIG') }}",
            "ansible_become_password": "{{ lookup('ansible.builtin.env', 'AZURE_AI_BECOME_PASSWORD') }}",
        },
        "hosts": {
            name: {
                "ansible_ssh_common_args": "-F {{ lookup('ansible.builtin.env', 'AZURE_AI_SSH_CONFIG') }}",
                "ansible_become_password": "{{ lookup('ansible.builtin.env', 'AZURE_AI_BECOME_PASSWORD') }}",
            }
            for name in ("text-1", "speech-1")
        },
    }
}


def control(*argv: str, check: bool = True) -> str:
    """Run as root on the control node; return what it printed."""
    done = run(as_root(["docker", "exec", road.CONTROL, *argv]), check=check, timeout=600)
    return (done.stdout + done.stderr).decode(errors="replace")


def play(*argv: str) -> tuple[str, int]:
    """Run the playbook as root, as somebody with sudo would; return its output and the number of changes."""
    command = [
        "sh",
        "-c",
        f"cd {road.HOME} && ANSIBLE_NOCOLOR=1 ansible-playbook airgap.azure_ai.harvest_timer -i localhost, -e @{VARIABLES} {' '.join(argv)}",
    ]
    output = control(*command)
    return output, road.changes(output)["localhost"]


def status() -> dict[str, t.Any]:
    """How the last harvest went, as it was noted."""
    return t.cast(dict[str, t.Any], json.loads(control("cat", STATUS)))


def show(*names: str) -> dict[str, str]:
    """Properties of the service."""
    lines = control("systemctl", "show", SERVICE, *(f"--property={name}" for name in names)).splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


@pytest.fixture(scope="module")
def installed(walked: dict[str, str]) -> t.Iterator[str]:
    """The timer, its credentials in files that only root reads; gone afterwards."""
    script = f"""
install -d -m 0700 /etc/azure-ai-lab
install -m 0600 /home/ops/.ssh/id_ed25519 /etc/azure-ai-lab/key
install -m 0600 /home/ops/lab/become_password /etc/azure-ai-lab/become
sed -e 's#/home/ops/.ssh/known_hosts#/etc/azure-ai-known-hosts#; s#~/.ssh/known_hosts#/etc/azure-ai-known-hosts#' \
    -e 's#/home/ops/.ssh/id_ed25519#/run/credentials/{SERVICE}/ssh_key#; s#~/.ssh/id_ed25519#/run/credentials/{SERVICE}/ssh_key#' \
    /home/ops/.ssh/config > /etc/azure-ai-lab/config
grep -q ssh_key /etc/azure-ai-lab/config || sed -i \
  '1i IdentityFile /run/credentials/{SERVICE}/ssh_key\nUserKnownHostsFile /etc/azure-ai-known-hosts' /etc/azure-ai-lab/config
install -m 0644 /home/ops/.ssh/known_hosts /etc/azure-ai-known-hosts
chmod 0711 /home/ops
"""
    inside(road.CONTROL, "sh", "-ec", script)
    run(as_root(["docker", "exec", "-i", road.CONTROL, "install", "-m", "0600", "/dev/stdin", VARIABLES]), stdin=json.dumps(SETTINGS).encode())
    folder = f"{road.HOME}/inventories/timer"
    layer = f"install -d -o {road.USER} -g {road.USER} -m 0750 {folder} && cat > {folder}/hosts.yml && chmod 0640 {folder}/hosts.yml"
    run(as_root(["docker", "exec", "-i", "--user", road.USER, road.CONTROL, "sh", "-c", layer]), stdin=json.dumps(LAYER).encode())
    output, changed = play()
    assert changed > 0
    yield output
    output, _changed = play("-e", "harvest_timer_state=absent")
    assert play("-e", "harvest_timer_state=absent")[1] == 0
    assert USER not in control("cat", "/etc/passwd")
    assert USER not in control("find", road.HOME, "-printf", "%u\n")
    control("rm", "-rf", "/etc/azure-ai-lab", "/etc/azure-ai-known-hosts", VARIABLES, f"{road.HOME}/inventories/timer")


def harvest(check: bool = True) -> str:
    """Start the service and wait for its end."""
    return control("systemctl", "start", SERVICE, check=check)


def test_installing_again_changes_nothing(installed: str) -> None:
    assert play()[1] == 0
    assert play("--check")[1] == 0
    assert "azure-ai-harvest.timer" in control("systemctl", "list-timers", "--no-pager")


def test_the_service_reads_everything_as_its_own_user(installed: str) -> None:
    before = control("cat", STATUS, check=False)
    harvest()
    assert status()["outcome"] == "all_read" and control("cat", STATUS) != before
    assert "all was read" in control("azure-ai-harvest", "--status")
    found = show("Result", "ExecMainStatus", "User")
    assert found == {"Result": "success", "ExecMainStatus": "0", "User": USER}
    owners = set(control("find", f"{road.HOME}/evidence", "-type", "f", "-printf", "%g %m\n").splitlines())
    assert owners == {f"{road.USER} 660"}


def test_the_credentials_are_nowhere_but_with_the_service(installed: str) -> None:
    secret = control("cat", "/etc/azure-ai-lab/become").strip()
    places = ["/etc/systemd/system", "/etc/azure-ai", "/var/lib/azure-ai-harvest", f"{road.HOME}/ledger"]
    assert control("grep", "-rlF", secret, *places, check=False).strip() == ""
    assert secret not in control("journalctl", "-u", SERVICE, "--no-pager")


def test_people_go_on_to_harvest_by_hand_and_one_waits_for_the_other(installed: str) -> None:
    road.harvest(log="harvest-by-hand")
    control("systemctl", "start", "--no-block", SERVICE)
    wait_for("the service to hold the lock", lambda: USER in control("cat", f"{road.HOME}/ledger/harvest.lock", check=False), 30)
    with pytest.raises(road.Refused) as refused:
        road.harvest(log="harvest-held")
    assert f"held by {USER} from control since" in refused.value.output
    wait_for("the service to end", lambda: show("ActiveState")["ActiveState"] == "inactive", 120)
    assert show("Result")["Result"] == "success"
    road.harvest(log="harvest-after")


def test_a_host_that_is_gone_is_missing_and_the_unit_says_so(installed: str) -> None:
    gone = settings.host("text-1").container
    inside(gone, "systemctl", "stop", "ssh.service")
    try:
        harvest(check=False)
    finally:
        inside(gone, "systemctl", "start", "ssh.service")
    assert show("Result", "ExecMainStatus") == {"Result": "exit-code", "ExecMainStatus": "3"}
    assert status()["outcome"] == "some_missing" and status()["missing"] > 0
    wait_for("the unit that tells", lambda: "containers without a whole answer" in control("journalctl", "-u", "azure-ai-harvest-failed", "--no-pager"), 20)
    harvest()
    assert status()["outcome"] == "all_read"


def test_a_killed_harvest_is_visible_leaves_no_lock_and_the_next_one_goes_on(installed: str) -> None:
    control("systemctl", "start", "--no-block", SERVICE)
    wait_for("the service to hold the lock", lambda: USER in control("cat", f"{road.HOME}/ledger/harvest.lock", check=False), 30)
    control("systemctl", "kill", "--signal=KILL", SERVICE)
    wait_for("the failure to be noted", lambda: status()["outcome"] == "failed", 30)
    assert status()["last_good"]
    harvest()
    assert status()["outcome"] == "all_read"


def test_a_run_that_was_slept_through_is_caught_up(installed: str) -> None:
    """The timer is stopped, its time passes, it is started again: systemd runs the service at once."""
    before = status()["harvest"]
    soon = control("date", "-u", "-d", "+3 seconds", "+%H:%M:%S").strip()
    calendar = json.dumps({"harvest_timer_calendar": f"*-*-* {soon} UTC"})
    play("-e", f"'{calendar}'")
    control("systemctl", "stop", "azure-ai-harvest.timer")
    control("touch", "-d", "2 days ago", "/var/lib/systemd/timers/stamp-azure-ai-harvest.timer")
    time.sleep(4)
    control("systemctl", "start", "azure-ai-harvest.timer")
    wait_for("the harvest that was missed", lambda: status()["harvest"] != before and status()["outcome"] == "all_read", 90)
    play()


def test_the_unit_is_hardened(installed: str) -> None:
    score = control("systemd-analyze", "security", "--no-pager", SERVICE).splitlines()[-1]
    exposure = float(next(word for word in score.split() if word.replace(".", "").isdigit()))
    assert exposure < 4, score
