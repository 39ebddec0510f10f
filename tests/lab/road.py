# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The road through the lab: every step that a user takes, from two empty control folders to a report.

Each step may be repeated; one that was cut off is finished by running it again.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import typing as t
from pathlib import Path

from tests.lab import overlay, settings, wheels
from tests.lab.shell import LabError, as_root, docker, inside, run

USER = "ops"
HOME = f"/home/{USER}/azure-ai"
SITE = "plant-7"
BUILDER = settings.host("builder").container
CONTROL = settings.host("control").container
LOGS = settings.STATE / "logs"
SIDES = {"connected": BUILDER, "site": CONTROL}


class Refused(LabError):
    """A playbook ended with a failure; ``output`` is everything it printed."""

    def __init__(self, playbook: str, output: str, log: Path) -> None:
        self.output = output
        super().__init__(f"playbook {playbook} failed; its output is in {log} and ends with:\n{output[-3000:]}")


def playbook(
    container: str, name: str, *argv: str, log: str | None = None, environment: t.Mapping[str, str] | None = None, kill_after: float | None = None
) -> str:
    """Run ``airgap.azure_ai.<name>`` as the ordinary user of a control node; return what it printed.

    :param kill_after: seconds after which ansible-playbook and its workers are killed without notice
    :raises Refused: the playbook failed or was killed.
    """
    values = {"ANSIBLE_NOCOLOR": "1", **overlay.environment(container), **(environment or {})}
    passed = [part for key in values for part in ("--env", key)]
    killer = ["timeout", "--signal=KILL", str(kill_after)] if kill_after is not None else []
    command = as_root(["docker", "exec", *passed, "--user", USER, "--workdir", HOME, container, *killer, "ansible-playbook", f"airgap.azure_ai.{name}", *argv])
    done = subprocess.run(
        command, env={**os.environ, **values}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900, check=False
    )
    output = done.stdout.decode(errors="replace")
    LOGS.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = LOGS / f"{log or name}.log"
    path.write_text(output)
    if done.returncode:
        raise Refused(name, output, path)
    return output


def changes(output: str) -> dict[str, int]:
    """Host to number of changed tasks, from the recap of a run."""
    recap = output.rpartition("PLAY RECAP")[2]
    found = {}
    for line in recap.splitlines():
        host, colon, counts = line.partition(" : ")
        if colon:
            found[host.strip()] = int(dict(part.split("=") for part in counts.split())["changed"])
    return found


def init() -> None:
    """Make both control folders and let a person carry public keys and the vault password between them."""
    for container in SIDES.values():
        inside(container, "install", "-d", "-o", USER, "-g", USER, "-m", "0750", HOME)
    init_side("connected")
    hand_over(BUILDER, f"{HOME}/keys/signing.pub", CONTROL, f"{HOME}/carried/builder.pub")
    hand_over(BUILDER, f"{HOME}/keys/vault-{SITE}", CONTROL, f"{HOME}/keys/vault-{SITE}")
    init_side("site", init_trust=f"{HOME}/carried/builder.pub", init_trust_principal="builder@headquarters,hq@headquarters")
    hand_over(CONTROL, f"{HOME}/keys/signing.pub", BUILDER, f"{HOME}/carried/{SITE}.pub")
    init_side("connected", init_trust=f"{HOME}/carried/{SITE}.pub", init_trust_principal=f"site@{SITE}")


def init_side(side: str, **trust: str) -> None:
    """Run init on one side and lay the lab over its example inventories."""
    container = SIDES[side]
    playbook(container, "init", "-e", json.dumps({"init_side": side, "azure_ai_site": SITE, **trust}), log=f"init-{side}{'-trust' * bool(trust)}")
    overlay.lay(side, container, HOME)
    if side == "connected":
        wheels.lay(container)


def bundle(*argv: str, **options: t.Any) -> str:
    """Fetch images, licenses, models and packages in the connected zone and write the signed bundle."""
    return playbook(BUILDER, "bundle", *argv, **options)


def newest_bundle(container: str = BUILDER, folder: str = "bundles") -> str:
    """Path of the site's bundle with the highest sequence on a control node."""
    names = [name for name in inside(container, "ls", f"{HOME}/{folder}").split() if re.fullmatch(rf"{SITE}-\d+", name)]
    if not names:
        raise LabError(f"no bundle for {SITE} in {HOME}/{folder} of {container}; run the bundle step")
    return f"{HOME}/{folder}/" + max(names, key=lambda name: int(name.rpartition("-")[2]))


def carry() -> tuple[str, int]:
    """Carry the newest bundle over the gap; return its path at the site and its bytes."""
    source = newest_bundle()
    target = f"{HOME}/inbox/{source.rpartition('/')[2]}"
    if run(as_root(["docker", "exec", CONTROL, "test", "-d", target]), check=False).returncode:
        _pipe(BUILDER, f"tar -C {shlex.quote(source)} -cf - .", CONTROL, f"rm -rf {target}.part && mkdir {target}.part && tar -C {target}.part -xf -")
        inside(CONTROL, "chown", "-R", f"{USER}:{USER}", f"{target}.part")
        inside(CONTROL, "mv", f"{target}.part", target)
    return target, int(inside(CONTROL, "du", "-sb", target).split()[0])


def carry_export() -> None:
    """Carry the newest usage export of the site to headquarters."""
    names = [name for name in inside(CONTROL, "ls", f"{HOME}/outbox").split() if name.startswith(f"usage-{SITE}-")]
    if not names:
        raise LabError(f"no usage export in {HOME}/outbox of {CONTROL}; run usage_export")
    name = max(names, key=lambda each: int(each.rpartition("-")[2]))
    target = f"{HOME}/inbox/{name}"
    _pipe(CONTROL, f"tar -C {HOME}/outbox -cf - {name}", BUILDER, f"mkdir -p {HOME}/inbox && rm -rf {target} && tar -C {HOME}/inbox -xf -")
    inside(BUILDER, "chown", "-R", f"{USER}:{USER}", f"{HOME}/inbox")


def receive(*argv: str, **options: t.Any) -> str:
    """Verify the bundle at the site and import it."""
    return playbook(CONTROL, "receive", *argv, **options)


def rollout(*argv: str, **options: t.Any) -> str:
    """Install the engine, stage and switch on the site's hosts."""
    return playbook(CONTROL, "rollout", *argv, **options)


def traffic(requests: int = 5) -> None:
    """Use the services as the site's own clients would, on the host where each is published."""
    script = (settings.FILES / "traffic.py").read_text()
    for name, ports in overlay.PUBLISHED.items():
        inside(settings.host(name).container, "python3", "-c", script, str(requests), *map(str, ports))


def harvest(*argv: str, **options: t.Any) -> str:
    """Bring the usage records into the ledger."""
    return playbook(CONTROL, "harvest", *argv, **options)


def report(*argv: str, **options: t.Any) -> str:
    """Write the report."""
    return playbook(CONTROL, "report", *argv, **options)


def read(container: str, path: str) -> bytes:
    """A file of a lab host."""
    return run(as_root(["docker", "exec", container, "cat", path])).stdout


def hand_over(source: str, path: str, target: str, destination: str) -> None:
    """What a trusted person carries: one small file, 0600, into the control folder of the other side."""
    content = read(source, path)
    inside(target, "install", "-d", "-o", USER, "-g", USER, "-m", "0700", destination.rpartition("/")[0])
    run(as_root(["docker", "exec", "-i", target, "install", "-o", USER, "-g", USER, "-m", "0600", "/dev/stdin", destination]), stdin=content)


def _pipe(source: str, produce: str, target: str, consume: str) -> None:
    """The medium: a stream of files from one host to the other, never a network between them."""
    reader = subprocess.Popen(as_root(["docker", "exec", source, "sh", "-c", produce]), stdout=subprocess.PIPE)
    writer = subprocess.run(as_root(["docker", "exec", "-i", target, "sh", "-c", consume]), stdin=reader.stdout, check=False)
    if reader.wait() or writer.returncode:
        raise LabError(f"carrying from {source} to {target} broke off; run the step again")


def containers(host: str) -> list[dict[str, t.Any]]:
    """Containers of the collection on a site host, as its own engine inspects them."""
    outer = settings.host(host).container
    names = docker("exec", outer, "docker", "ps", "--quiet", "--filter", "label=airgap.azure_ai.container").split()
    return json.loads(docker("exec", outer, "docker", "inspect", *names)) if names else []


def bring(source: str, path: str, target: str, destination: str) -> None:
    """Carry a folder from one host to another, as the target's ordinary user's own; what lies at the destination is replaced."""
    consume = f"rm -rf {destination} && mkdir -p {destination} && tar -C {destination} -xf - && chown -R {USER}:{USER} {destination}"
    _pipe(source, f"tar -C {shlex.quote(path)} -cf - .", target, consume)
