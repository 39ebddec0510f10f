# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of the house that no linter knows. Each test lists every breach at once."""

from __future__ import annotations

import ast
import re
import subprocess
import typing as t
from functools import cache
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
THIS = "tests/quality/test_house.py"
WINGS = ("_freight", "_run", "_usage")
UTILS = "ansible_collections.airgap.azure_ai.plugins.module_utils."
LENGTHS = (("playbooks/*.yml", 25), ("roles/*/tasks/*.yml", 80), ("roles/*/handlers/*.yml", 80), ("README.md", 150))
NOT_CODE = {"LICENSE", "CHANGELOG.md", "changelogs/changelog.yaml"}
# Places a reader may be sent to, names that specifications fix and names that stand for an example.
KNOWN_HOSTS = re.compile(
    r"(?:www\.gnu\.org|www\.apache\.org|www\.w3\.org|json-schema\.org|docs\.ansible\.com|docs\.docker\.com|learn\.microsoft\.com|aka\.ms|semver\.org"
    r"|nvidia\.com"
    r"|(?:[\w-]+\.)*(?:cognitiveservices\.azure\.com|cognitive\.microsoft\.com|example\.(?:com|net|org)))"
)
CATALOG = "plugins/plugin_utils/"


@cache
def files() -> tuple[str, ...]:
    """Every file that git knows or would know, relative to the repository."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True)
    return tuple(sorted(name for name in set(listed.stdout.decode().split("\0")) if name and (ROOT / name).is_file()))


@cache
def text(name: str) -> str:
    """The file's text; empty when it is not text."""
    data = (ROOT / name).read_bytes()
    return "" if b"\0" in data else data.decode("utf-8")


def lines(names: t.Iterable[str], pattern: re.Pattern[str]) -> list[str]:
    """``file:line: match`` for every match of the pattern."""
    return [f"{name}:{number}: {match.group()}" for name in names for number, line in enumerate(text(name).splitlines(), 1) for match in pattern.finditer(line)]


def matching(pattern: str) -> list[str]:
    """Files of the project that match a glob pattern of one level per part."""
    return [name for name in files() if Path(name).match(pattern) and name.count("/") == pattern.count("/")]


def python(folder: str) -> list[str]:
    """Python files below a folder."""
    return [name for name in files() if name.startswith(folder + "/") and name.endswith(".py")]


def load(name: str) -> t.Any:
    """A YAML file."""
    return yaml.safe_load(text(name))


def imported(name: str) -> set[str]:
    """Dotted names that a Python file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text(name))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


ROLES = sorted({name.split("/")[1] for name in files() if name.startswith("roles/")})
PLAYBOOKS = sorted(Path(name).stem for name in matching("playbooks/*.yml"))
MODULES = sorted(Path(name).stem for name in matching("plugins/modules/*.py"))


@pytest.mark.parametrize("role", ROLES)
def test_defaults_and_argument_specs_have_the_same_keys(role: str) -> None:
    specs = load(f"roles/{role}/meta/argument_specs.yml")["argument_specs"]
    options = {name: option for entry in specs.values() for name, option in entry.get("options", {}).items()}
    defaults = text(f"roles/{role}/defaults/main.yml")
    given = set(yaml.safe_load(defaults) or {})
    required = {name for name, option in options.items() if option.get("required")}
    assert given == set(options) - required, "a required option has no default, every other one has"
    assert [name for name in sorted(required) if not re.search(rf"^# {name}:", defaults, re.M)] == [], "required options stand in the defaults as a comment"


@pytest.mark.parametrize("role", ROLES)
def test_variables_of_a_role_bear_its_name(role: str) -> None:
    own = re.compile(rf"_?_?{re.escape(role)}_\w+")
    assert [name for name in load(f"roles/{role}/defaults/main.yml") or {} if not own.fullmatch(name)] == []


def test_roles_agree_on_what_a_user_variable_means_when_it_is_not_set() -> None:
    found: dict[str, set[str]] = {}
    for role in ROLES:
        for name, fallback in re.findall(r"(azure_ai_\w+) \| default\((.*?)(?:, true)?\)+ *(?:\}\}|\||,|$)", text(f"roles/{role}/defaults/main.yml"), re.M):
            found.setdefault(name, set()).add(fallback.replace(f"{role}_", "<role>_"))
    assert len(found["azure_ai_home"]) == 1, "the pattern reads what it should"
    # A role that works on one site wants its name, the report takes all of them, init offers an example; headquarters backs up what is no site's.
    found.pop("azure_ai_site")
    assert {name: fallbacks for name, fallbacks in found.items() if len(fallbacks) > 1} == {}


def test_user_variables_are_read_in_role_defaults_only() -> None:
    inner = [name for name in files() if re.match(r"roles/\w+/(tasks|handlers|templates|vars)/", name)]
    # groups['azure_ai_sites'] is the name of a group.
    expressions = re.compile(r"(?:\{\{[^}]*|^\s*(?:when|that|loop|until|failed_when|changed_when):.*)(?<!groups\[')\bazure_ai_\w+")
    assert lines(inner, expressions) == []


@pytest.mark.parametrize(("pattern", "limit"), LENGTHS)
def test_length_by_kind(pattern: str, limit: int) -> None:
    counts = {name: sum(1 for line in text(name).splitlines() if not line.startswith("# ")) for name in matching(pattern)}
    assert {name: count for name, count in counts.items() if count > limit} == {}


def test_no_file_is_longer_than_400_lines() -> None:
    assert {name: len(text(name).splitlines()) for name in files() if name not in NOT_CODE and len(text(name).splitlines()) > 400} == {}


def test_no_function_is_longer_than_60_lines() -> None:
    long = {}
    for name in (*python("plugins"), *python("tests")):
        for node in ast.walk(ast.parse(text(name))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and (node.end_lineno or 0) - node.lineno >= 60:
                long[f"{name}:{node.name}"] = (node.end_lineno or 0) - node.lineno + 1
    assert long == {}


def test_wings_import_the_base_and_never_one_another() -> None:
    breaches = []
    for wing in ("_base", *WINGS):
        others = tuple(f"{UTILS}{other}." for other in WINGS if other != wing)
        breaches += [f"{name}: {found}" for name in python(f"plugins/module_utils/{wing}") for found in sorted(imported(name)) if found.startswith(others)]
    assert breaches == []


def test_the_core_knows_no_ansible() -> None:
    ansible = re.compile(r"ansible(\.|$)")
    assert [f"{name}: {found}" for name in python("plugins/module_utils") for found in sorted(imported(name)) if ansible.match(found)] == []
    assert lines(python("plugins/module_utils"), re.compile("AnsibleModule")) == []


def test_no_host_of_a_registry_or_mirror_is_named() -> None:
    host = re.compile(r"(?<![\w.@/-])(?:[a-z]+://)?(?:[\w-]+\.)+(?:com|org|net|io|ms)(?=[/:\s\"'`,;)\]>]|\.?$)")
    breaches = []
    for name in files():
        if name in NOT_CODE or name == THIS:
            continue
        for found in lines([name], host):
            bare = found.rpartition(" ")[2].rpartition("//")[2]
            # An attribute or a package of Python is no host, and docker.io is Debian's name of a package.
            attribute = name.endswith(".py") and bare.endswith((".io", ".net", ".org"))
            default_registry = bare == "mcr.microsoft.com" and name.startswith(CATALOG)
            if not (KNOWN_HOSTS.fullmatch(bare) or attribute or default_registry or bare == "docker.io"):
                breaches.append(found)
    assert breaches == []
    assert lines([name for name in files() if name != THIS], re.compile(r"\bdocker\.io/\w+")) == []


def test_yes_and_no_of_the_command_line_are_understood() -> None:
    """``-e name=false`` is text, which a condition refuses and an ``if`` takes for true: an option of a role that decides goes through ``bool``."""
    breaches = []
    for spec in sorted(ROOT.glob("roles/*/meta/argument_specs.yml")):
        entries = yaml.safe_load(spec.read_text())["argument_specs"].values()
        options = {name for entry in entries for name, option in entry.get("options", {}).items() if option.get("type") == "bool"}
        tasks = [name for name in files() if name.startswith((f"roles/{spec.parts[-3]}/tasks/", f"roles/{spec.parts[-3]}/handlers/"))]
        for option in sorted(options):
            # A value that is handed on as it is, an assignment and a word in a sentence decide nothing.
            breaches += lines(tasks, re.compile(rf"(?<![\w.]){option}\b(?!\s*\|\s*bool\b|\s*\}}\}}|[=:])"))
    assert breaches == []


def test_the_default_registry_is_named_once() -> None:
    assert len(lines([name for name in files() if name != THIS], re.compile(r"\bmcr\.microsoft\.com"))) <= 1


def test_no_check_is_silenced() -> None:
    silencers = re.compile(
        r"\bnoqa\b|\bnosec\b|pylint: *disable|type: *ignore|pragma: *no cover|pytest\.(?:mark\.)?skip|importorskip|unittest\.skip|\bxfail\((?!strict)"
        r"|mark\.xfail|\bTODO\b|\bFIXME\b|\bignore_errors: |\bfailed_when: false|yamllint disable|\bskip_ansible_lint\b"
    )
    assert lines([name for name in files() if name not in (THIS, "LICENSE")], silencers) == []
    assert [name for name in files() if name.startswith("tests/sanity/") or name in (".ansible-lint-ignore", ".config/ansible-lint-ignore.txt")] == []


def test_every_source_names_its_license() -> None:
    kinds = (".py", ".yml", ".yaml", ".sh", ".toml")
    sources = [name for name in files() if (name.endswith(kinds) or text(name).startswith("#!")) and name not in NOT_CODE and text(name).strip()]
    head = "SPDX-License-Identifier: GPL-3.0-or-later"
    assert [name for name in sources if head not in "\n".join(text(name).splitlines()[:6])] == []


def test_every_module_has_a_test_file() -> None:
    assert [name for name in MODULES if f"tests/unit/plugins/modules/test_{name}.py" not in files()] == []


def test_every_util_has_a_test_file() -> None:
    breaches = []
    for name in python("plugins/module_utils"):
        wing, stem = Path(name).parent.name, Path(name).stem
        folder = f"tests/unit/plugins/module_utils/{wing}/"
        tests = [Path(test).stem for test in files() if test.startswith(folder)]
        if not any(test in (f"test_{stem}", f"test_{wing.strip('_')}_{stem}") for test in tests):
            breaches.append(name)
    assert breaches == []


def test_the_action_group_is_every_module() -> None:
    group = load("meta/runtime.yml")["action_groups"]["azure_ai"]
    assert group == sorted(group)
    actions = {Path(name).stem for name in matching("plugins/action/*.py")}
    assert set(group) == {name for name in set(MODULES) | actions if not name.startswith("_")}


def test_changelog_fragments_use_known_sections() -> None:
    config = load("changelogs/config.yaml")
    known = {section for section, _title in config["sections"]} | {config["prelude_section_name"], config["trivial_section_name"]}
    breaches = []
    for name in files():
        if name.startswith("changelogs/fragments/"):
            fragment = load(name)
            bad = [key for key, value in fragment.items() if key not in known or not value]
            breaches += [f"{name}: {key}" for key in bad]
    assert breaches == []


def test_the_version_is_the_same_everywhere() -> None:
    version = load("galaxy.yml")["version"]
    assert version in text("CHANGELOG.md")


@pytest.mark.parametrize(("kind", "names"), [("role", ROLES), ("playbook", PLAYBOOKS), ("module", MODULES)])
def test_everything_is_named_in_the_documentation(kind: str, names: list[str]) -> None:
    pages = "\n".join(text(name) for name in files() if name == "README.md" or (name.startswith("docs/") and name.endswith(".md")))
    assert [name for name in names if not name.startswith("_") and f"`{name}`" not in pages and f"airgap.azure_ai.{name}" not in pages] == [], kind


def test_the_documentation_names_only_what_exists() -> None:
    plugins = {Path(name).stem for name in files() if re.match(r"plugins/(modules|action|lookup|filter|callback)/\w+\.(py|yml)$", name)}
    existing = {*ROLES, *PLAYBOOKS, *plugins}
    pages = [name for name in files() if name == "README.md" or (name.startswith("docs/") and name.endswith(".md"))]
    named = re.compile(r"\bairgap\.azure_ai\.(?!container\b|service\b|release\b|spec\b|lab\b)(\w+)")
    assert [f"{name}: {found}" for name in pages for found in sorted(set(named.findall(text(name)))) if found not in existing] == []


def test_every_guide_is_in_the_index() -> None:
    index = text("docs/index.md")
    assert [name for name in matching("docs/*.md") if name != "docs/index.md" and f"({Path(name).name})" not in index] == []


def test_links_between_pages_lead_somewhere() -> None:
    link = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
    pages = [name for name in files() if name.endswith(".md") and name not in NOT_CODE]
    dead = [f"{name}: {target}" for name in pages for target in link.findall(text(name)) if not ((ROOT / name).parent / target).exists()]
    assert dead == []


def test_every_file_of_the_lab_has_its_place() -> None:
    """One that is not in the list runs behind the end of the site."""
    listed = re.findall(r'^    "([a-z_]+)",$', (ROOT / "tests/lab/conftest.py").read_text(), re.M)
    assert sorted(listed) == sorted(Path(name).stem[5:] for name in files() if re.fullmatch(r"tests/lab/test_\w+\.py", name))
