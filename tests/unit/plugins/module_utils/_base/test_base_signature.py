# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base import signature
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, MissingError, TrustError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import Trust, fingerprint, sign_file, verify_bytes

DATA = b'{"format":1}\n'
BUNDLE, RECEIPT = "azure-ai-bundle", "azure-ai-receipt"


class Party:
    """A key pair and the lines about it in a signers file."""

    def __init__(self, folder: Path, name: str) -> None:
        self.key = folder / name
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"{name} @ desk", "-f", str(self.key)], check=True)
        self.public = self.key.with_suffix(".pub").read_text()

    def line(self, principals: str, options: str = "") -> str:
        return f"{principals} {options} {self.public}".replace("  ", " ")


class Desk:
    """A signed file and who is trusted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.builder = Party(folder, "builder")
        self.stranger = Party(folder, "stranger")
        self.file = folder / "bundle.json"
        self.file.write_bytes(DATA)
        self.signers = folder / "signers"
        self.trusting(self.builder.line("builder@hq"))

    def trusting(self, *lines: str) -> None:
        self.signers.write_text("# who may sign what\n\n" + "".join(lines))

    def sign(self, party: Party, namespace: str = BUNDLE) -> str:
        return sign_file(str(self.file), str(party.key), namespace)

    def verify(self, data: bytes = DATA, namespace: str = BUNDLE, role: str | None = "builder", revoked: str | None = None, earliest: int | None = None) -> str:
        trust = Trust(str(self.signers), revoked, earliest)
        return verify_bytes(data, f"{self.file}.sig", namespace, trust, "bundle.json", role)


@pytest.fixture(name="desk")
def make_desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_signed_file_verifies_and_names_its_signer(desk: Desk) -> None:
    assert desk.sign(desk.builder) == f"{desk.file}.sig"
    assert desk.verify() == "builder@hq"
    assert desk.verify(role=None) == "builder@hq"


def test_signing_again_replaces_the_signature(desk: Desk) -> None:
    desk.sign(desk.stranger)
    desk.sign(desk.builder)
    assert desk.verify() == "builder@hq"


@pytest.mark.parametrize("data", [b"", DATA[:-1], DATA + b" ", b"\0" * 3_000_000])
def test_altered_bytes_do_not_verify(desk: Desk, data: bytes) -> None:
    desk.sign(desk.builder)
    with pytest.raises(TrustError, match=r"^bundle\.json: signature of builder@hq does not verify .*fetch it again"):
        desk.verify(data)


def test_a_signature_for_another_purpose_does_not_verify(desk: Desk) -> None:
    desk.sign(desk.builder, RECEIPT)
    with pytest.raises(TrustError, match="does not verify"):
        desk.verify()
    assert desk.verify(namespace=RECEIPT) == "builder@hq"


def test_a_key_signs_only_for_the_purposes_its_line_names(desk: Desk) -> None:
    desk.trusting(desk.builder.line("builder@hq", f'namespaces="{RECEIPT}"'))
    desk.sign(desk.builder)
    with pytest.raises(TrustError, match="does not verify"):
        desk.verify()


def test_an_unknown_key_is_called_unknown(desk: Desk) -> None:
    desk.sign(desk.stranger)
    with pytest.raises(TrustError, match="signed by a key that .*signers does not know for builder; compare fingerprints"):
        desk.verify()


def test_a_known_key_in_another_role_is_refused(desk: Desk) -> None:
    desk.trusting(desk.builder.line("site@plant-7"))
    desk.sign(desk.builder)
    with pytest.raises(TrustError, match="does not know for builder"):
        desk.verify()
    assert desk.verify(role="site") == "site@plant-7"


@pytest.mark.parametrize("role", ["builder", "hq"])
def test_one_key_may_hold_two_roles_on_two_lines(desk: Desk, role: str) -> None:
    desk.trusting(desk.builder.line("builder@hq", f'namespaces="{BUNDLE}"'), desk.builder.line("hq@hq", f'namespaces="{RECEIPT}"'))
    namespace = BUNDLE if role == "builder" else RECEIPT
    desk.sign(desk.builder, namespace)
    assert desk.verify(namespace=namespace, role=role) == f"{role}@hq"


def test_one_line_may_name_several_principals(desk: Desk) -> None:
    desk.trusting(desk.builder.line("builder@hq,hq@hq"))
    desk.sign(desk.builder)
    assert desk.verify(role="hq") == "hq@hq"


def test_a_role_is_the_whole_word_before_the_at_sign(desk: Desk) -> None:
    desk.trusting(desk.builder.line("builders@hq"))
    desk.sign(desk.builder)
    with pytest.raises(TrustError, match="does not know for builder"):
        desk.verify()


def test_a_line_that_is_commented_out_trusts_nobody(desk: Desk) -> None:
    desk.trusting("#" + desk.builder.line("builder@hq"), "  # " + desk.builder.line("builder@hq"))
    desk.sign(desk.builder)
    with pytest.raises(TrustError, match="does not know"):
        desk.verify()


def test_a_revoked_key_gets_a_line_of_its_own(desk: Desk) -> None:
    desk.sign(desk.builder)
    revoked = desk.folder / "revoked"
    revoked.write_text(desk.stranger.public)
    assert desk.verify(revoked=str(revoked)) == "builder@hq"
    revoked.write_text(desk.stranger.public + desk.builder.public)
    with pytest.raises(TrustError, match="signed by a revoked key of builder@hq; ask the sender"):
        desk.verify(revoked=str(revoked))


def test_altered_bytes_of_a_revoked_key_are_not_called_revoked(desk: Desk) -> None:
    desk.sign(desk.builder)
    (desk.folder / "revoked").write_text(desk.builder.public)
    with pytest.raises(TrustError, match="does not verify"):
        desk.verify(DATA + b"x", revoked=str(desk.folder / "revoked"))


def test_nothing_is_accepted_without_the_declared_revocation_list(desk: Desk) -> None:
    desk.sign(desk.builder)
    with pytest.raises(TrustError, match="revocation list .*no such file; mend azure_ai_revoked_keys"):
        desk.verify(revoked=str(desk.folder / "gone"))


def test_an_expired_key_is_called_expired_and_the_clock_comes_first(desk: Desk) -> None:
    desk.trusting(desk.builder.line("builder@hq", 'valid-before="20200101Z"'))
    desk.sign(desk.builder)
    with pytest.raises(TrustError, match="key has expired: .*signed by builder@hq; compare this machine's clock first"):
        desk.verify()


def test_a_key_from_the_future_is_called_that(desk: Desk) -> None:
    desk.trusting(desk.builder.line("builder@hq", 'valid-after="21000101Z"'))
    desk.sign(desk.builder)
    with pytest.raises(TrustError, match="key is not yet valid: "):
        desk.verify()


def test_a_slow_clock_does_not_revive_an_expired_key(desk: Desk) -> None:
    tomorrow = int(time.time()) + 86400
    limit = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(tomorrow))
    desk.trusting(desk.builder.line("builder@hq", f'valid-before="{limit}"'))
    desk.sign(desk.builder)
    assert desk.verify() == "builder@hq"
    assert desk.verify(earliest=0) == "builder@hq"
    with pytest.raises(TrustError, match="key has expired"):
        desk.verify(earliest=tomorrow + 3600)


def test_unsigned_is_refused(desk: Desk) -> None:
    with pytest.raises(TrustError, match=r"^bundle\.json: not signed; bundle\.json\.sig must lie beside it$"):
        desk.verify()


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n", b"x" * 200_000, "ü".encode()])
def test_a_broken_signature_file_is_refused_in_one_line(desk: Desk, content: bytes) -> None:
    Path(f"{desk.file}.sig").write_bytes(content)
    with pytest.raises(TrustError) as caught:
        desk.verify()
    assert "\n" not in str(caught.value)


def test_a_missing_signers_file_is_named(desk: Desk) -> None:
    desk.sign(desk.builder)
    desk.signers.unlink()
    with pytest.raises(TrustError, match="signers file .*no such file; name it in azure_ai_allowed_signers"):
        desk.verify()


def test_a_missing_key_is_named_and_no_signature_is_touched(desk: Desk) -> None:
    signed = desk.sign(desk.builder)
    with pytest.raises(MissingError, match="signing key .*gone: no such file"):
        sign_file(str(desk.file), str(desk.folder / "gone"), BUNDLE)
    assert Path(signed).exists()


def test_a_key_with_a_passphrase_fails_instead_of_asking(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret words", "-f", str(desk.builder.key)], check=True)
    with pytest.raises(TrustError, match="ssh-keygen would not sign") as caught:
        desk.sign(desk.builder)
    assert "unencrypted private key or be held by ssh-agent" in str(caught.value)


@pytest.mark.parametrize("namespace", ["", "file", "azure-ai-bundles", "azure-ai-bundle "])
def test_only_our_namespaces_exist(desk: Desk, namespace: str) -> None:
    with pytest.raises(InputError, match="one of azure-ai-bundle"):
        desk.sign(desk.builder, namespace)
    with pytest.raises(InputError, match="one of azure-ai-bundle"):
        desk.verify(namespace=namespace)


def test_both_halves_of_a_key_have_the_fingerprint_that_ssh_keygen_tells(desk: Desk) -> None:
    told = subprocess.run(["ssh-keygen", "-l", "-f", str(desk.builder.key)], capture_output=True, text=True, check=True).stdout.split()[1]
    assert fingerprint(str(desk.builder.key)) == fingerprint(f"{desk.builder.key}.pub") == told
    assert fingerprint(str(desk.stranger.key)) != told


def test_a_file_that_is_no_key_has_no_fingerprint(desk: Desk) -> None:
    with pytest.raises(InputError, match="ssh-keygen cannot read it"):
        fingerprint(str(desk.file))


def test_without_ssh_keygen_the_package_is_named(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(desk.folder))
    with pytest.raises(MissingError, match="ssh-keygen: not installed; install the package openssh-client"):
        desk.sign(desk.builder)


def test_a_silent_ssh_keygen_does_not_hang_a_run(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = desk.folder / "ssh-keygen"
    fake.write_text("#!/bin/sh\nexec sleep 60\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{desk.folder}:/usr/bin:/bin")
    monkeypatch.setattr(signature, "_TIMEOUT", 0.2)
    with pytest.raises(TrustError, match="no answer in"):
        desk.sign(desk.builder)
