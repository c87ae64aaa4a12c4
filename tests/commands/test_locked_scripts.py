"""A command's lock file alone decides which packages uv installs, despite other settings."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.commands.command_names import ALL, COMMANDS
from tests.support.environment import BIN
from tests.support.rows import each_row
from tests.support.waiting import WATCHDOG_SECONDS

UV_SECONDS = 100.0
"""uv may have to download the locked packages."""

CERTIFICATES = ("SSL_CERT_DIR", "SSL_CERT_FILE")
"""Variables that some machines need to reach the package index."""

PUBLIC = ("https://files.pythonhosted.org/", 'source = { registry = "https://pypi.org/simple" }')

REQUIREMENTS = Path(__file__).parents[2] / "requirements.lock"

Package = tuple[str, str]
"""A name and a version."""


def packages_of(command: str) -> dict[str, str]:
    """Return the versions that the lock of a command names, for all systems."""
    lock = tomllib.loads(lock_of(command).read_text())
    return {package["name"]: package["version"] for package in lock["package"]}


def lock_of(command: str) -> Path:
    return COMMANDS / f"{command}.lock"


@each_row("command", ALL)
def test_lock_names_tested_versions_with_hashes_and_no_mirror(command: str) -> None:
    """`requirements.lock` names the versions that tests use; `make lock` writes all locks."""
    tested = dict(re.findall(r"(?m)^([\w.-]+)==(\S+)", REQUIREMENTS.read_text()))
    named = packages_of(command)
    assert {name: tested.get(name) for name in named} == named
    text = lock_of(command).read_text()
    files = re.findall(r'url = "([^"]*)", hash = "sha256:[0-9a-f]{64}"', text)
    assert len(files) == text.count("url = ") > 0
    addresses = [*files, *re.findall(r"source = .*", text)]
    assert [each for each in addresses if not each.startswith(PUBLIC)] == []


def locked_here(command: str) -> set[Package]:
    """Return the packages that the lock of a command names for this machine and this Python."""
    export = [str(BIN / "uv"), "export", "--quiet", "--no-config", "--offline", "--frozen"]
    export += ["--no-hashes", "--no-header", "--no-annotate", "--python", sys.executable]
    done = subprocess.run(
        [*export, "--script", str(COMMANDS / command)],
        capture_output=True,
        text=True,
        timeout=WATCHDOG_SECONDS,
        check=True,
    )
    wanted = [Requirement(line) for line in done.stdout.splitlines()]
    here = [each for each in wanted if each.marker is None or each.marker.evaluate()]
    return {(each.name, str(each.specifier).removeprefix("==")) for each in here}


def installed_in(site: Path) -> set[Package]:
    found = (path.name.removesuffix(".dist-info").split("-") for path in site.glob("*.dist-info"))
    return {(canonicalize_name(name), version) for name, version in found}


def site_of(cache: Path, command: str) -> Path:
    sites = cache.glob(f"environments-v*/{command}-*/lib/python*/site-packages")
    # `ao-*` is also the beginning of all other commands.
    (site,) = (each for each in sites if each.parents[2].name.rpartition("-")[0] == command)
    return site


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of uv that shares existing wheels, but not existing environments."""
    asked = [str(BIN / "uv"), "cache", "dir"]
    answer = subprocess.run(
        asked, capture_output=True, text=True, check=True, timeout=WATCHDOG_SECONDS
    )
    own = tmp_path_factory.mktemp("cache")
    for bucket in Path(answer.stdout.strip()).glob("*-v*"):
        if not bucket.name.startswith("environments-"):
            (own / bucket.name).symlink_to(bucket)
    return own


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Newer versions of all locked packages; they must never be installed."""
    directory = tmp_path_factory.mktemp("newer")
    for name in {name for command in ALL for name in packages_of(command)}:
        about = f"{name.replace('-', '_')}-99.0"
        with zipfile.ZipFile(directory / f"{about}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name.replace('-', '_')}.py", "raise SystemExit('newer code ran')\n")
            wheel.writestr(
                f"{about}.dist-info/METADATA",
                f"Metadata-Version: 2.1\nName: {name}\nVersion: 99.0\n",
            )
            wheel.writestr(
                f"{about}.dist-info/WHEEL",
                "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            )
            wheel.writestr(f"{about}.dist-info/RECORD", "")
    return directory


@pytest.fixture(scope="module")
def links(tmp_path_factory: pytest.TempPathFactory, newer: Path) -> Path:
    """Links to the commands of a plugin, with uv settings in each directory above the commands."""
    root = tmp_path_factory.mktemp("root")
    commands = root / "marketplace" / "plugin" / "commands"
    shutil.copytree(COMMANDS, commands, ignore=shutil.ignore_patterns("__pycache__"))
    for directory in (commands, *list(commands.parents)[:3]):
        (directory / "uv.toml").write_text(f'find-links = ["{newer}"]\nprerelease = "allow"\n')
    bin_ = root / "bin"
    bin_.mkdir()
    (bin_ / "uv").symlink_to(BIN / "uv")
    for command in ALL:
        (bin_ / command).symlink_to(commands / command)
    return bin_


def run(links: Path, cache: Path, command: str, environment: dict[str, str]) -> set[Package]:
    """Run a command by its name, as in a shell; return the packages that uv installed."""
    trusted = {name: os.environ[name] for name in CERTIFICATES if name in os.environ}
    done = subprocess.run(
        [command, "--version"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=links.parent,
        env={
            **trusted,
            **environment,
            "PATH": os.pathsep.join([str(links), "/usr/bin", "/bin"]),
            "UV_CACHE_DIR": str(cache),
            "UV_PYTHON": sys.executable,
            "UV_PYTHON_DOWNLOADS": "never",
        },
        executable=links / command,
        text=True,
        timeout=UV_SECONDS,
        check=False,
    )
    if re.search(r"Failed to fetch|error sending request|dns error", done.stderr):
        pytest.skip(f"uv cannot reach the index: {done.stderr.splitlines()[0]}")
    assert (done.returncode, done.stdout.partition(" ")[0], done.stderr) == (0, command, ""), done
    return installed_in(site_of(cache, command))


def one_of_each_kind() -> list[str]:
    """Return one of the commands that uv cannot distinguish by their header or their lock."""

    def kind(command: str) -> tuple[str, ...]:
        return (COMMANDS / command).read_text().partition('"""')[0], lock_of(command).read_text()

    return list({kind(command): command for command in ALL}.values())


@each_row("command", one_of_each_kind())
def test_command_runs_with_its_lock_despite_uv_settings(
    own_home: Path, cache: Path, newer: Path, links: Path, command: str
) -> None:
    """Skipped if uv has no cache and cannot reach the index."""
    settings = own_home / "uv" / "uv.toml"
    settings.parent.mkdir(exist_ok=True)
    settings.write_text(f'find-links = ["{newer}"]\n')
    told = {
        "HOME": str(own_home),
        "XDG_CONFIG_HOME": str(own_home),
        "UV_CONFIG_FILE": str(settings),
        "UV_FIND_LINKS": str(newer),
        "UV_RESOLUTION": "highest",
    }
    assert run(links, cache, command, told) == locked_here(command)


def test_package_that_is_not_in_the_lock_is_uninstalled(
    own_home: Path, cache: Path, links: Path
) -> None:
    home = {"HOME": str(own_home)}
    run(links, cache, "ao-status", home)
    site = site_of(cache, "ao-status")
    about = site / "stranger-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    files = ["stranger.pth", f"{about.name}/METADATA", f"{about.name}/RECORD"]
    (about / "RECORD").write_text("".join(f"{file},,\n" for file in files))
    (site / "stranger.pth").write_text("\n")
    assert run(links, cache, "ao-status", home) == locked_here("ao-status")
