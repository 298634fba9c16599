"""The test vectors are those of the code, and the signers in other languages make them too."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import signing
from signing import Address, KeyRing, Request, SigningError, verify
from signing.vectors import FILE, text

FOLDER = Path(signing.__file__).parent
VECTORS: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
RING = KeyRing.read(key["secret"] for key in VECTORS["keys"].values())

JAVASCRIPT = """
import { readFileSync } from "node:fs";
import { keyId, scoped, url } from "MODULE";
const { keys, signed, scoped: prefixes } = JSON.parse(readFileSync(0, "utf8"));
const kids = Object.values(keys).map(({ secret }) => keyId(secret));
const paths = signed.map((given) => url(keys[given.key].secret, given.source, given.steps, given));
const auths = prefixes.map((given) => scoped(keys[given.key].secret, given.prefix, given));
process.stdout.write(JSON.stringify([kids, paths, auths]));
"""

PHP = """
require "MODULE";
$all = json_decode(stream_get_contents(STDIN), true);
$kids = array_values(array_map(fn ($key) => substr(darkroom_key_id($key["secret"]), 4), $all["keys"]));
$paths = array_map(fn ($each) => darkroom_url($all["keys"][$each["key"]]["secret"], $each["source"], $each["steps"],
    $each["expires"], $each["kid"], $each["name"]), $all["signed"]);
$auths = array_map(fn ($each) => darkroom_scoped($all["keys"][$each["key"]]["secret"], $each["prefix"],
    $each["expires"]), $all["scoped"]);
echo json_encode([$kids, $paths, $auths]);
"""


def test_the_committed_vectors_are_what_the_code_makes() -> None:
    assert FILE.read_text(encoding="utf-8") == text(), "run `python -m signing.vectors`"


@pytest.mark.parametrize("vector", VECTORS["signed"], ids=lambda vector: str(vector["shows"]))
def test_a_signed_path_verifies_and_reads_as_what_was_given(vector: dict[str, Any]) -> None:
    request = Request.read(vector["path"])
    assert verify(request, RING, VECTORS["now"]).kid == VECTORS["keys"][vector["key"]]["kid"]
    assert Address.read(request.rest) == Address(tuple(vector["steps"]), vector["source"], vector["name"])


@pytest.mark.parametrize("vector", VECTORS["scoped"], ids=lambda vector: str(vector["shows"]))
def test_a_scope_covers_its_paths_alone(vector: dict[str, Any]) -> None:
    for path in vector["covers"]:
        assert verify(Request.read(path), RING, VECTORS["now"]).scope == vector["prefix"]
    for path in vector["refuses"]:
        with pytest.raises(SigningError) as refused:
            verify(Request.read(path), RING, VECTORS["now"])
        assert refused.value.code == "bad_signature"


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=lambda vector: str(vector["shows"]))
def test_a_refused_path_has_its_code(vector: dict[str, Any]) -> None:
    with pytest.raises(SigningError) as refused:
        verify(Request.read(vector["path"]), RING, VECTORS["now"])
    assert refused.value.code == vector["code"]


def expected() -> list[list[str]]:
    kids = [key["kid"] for key in VECTORS["keys"].values()]
    return [kids, [each["path"] for each in VECTORS["signed"]], [each["auth"] for each in VECTORS["scoped"]]]


def made_by(*command: str) -> object:
    done = subprocess.run(command, input=FILE.read_bytes(), capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def test_the_javascript_signer_makes_the_vectors() -> None:
    node = shutil.which("node")
    assert node, "node is one of the packages that the tests need"
    script = JAVASCRIPT.replace("MODULE", (FOLDER / "darkroom-sign.mjs").as_uri())
    assert made_by(node, "--input-type=module", "--eval", script) == expected()


@pytest.mark.skipif(shutil.which("php") is None, reason="PHP is not among the packages that the tests need")
def test_the_php_signer_makes_the_vectors() -> None:
    assert made_by("php", "-r", PHP.replace("MODULE", str(FOLDER / "darkroom-sign.php"))) == expected()
