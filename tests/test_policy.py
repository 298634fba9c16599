"""What a key or a mount allows, enforced on the plan."""

import pytest

from proxy.failures import Forbidden
from proxy.policy import Policy
from proxy.settings.mounts import Policy as Allowed
from transforms.operation import Size
from transforms.plan import Plan

PRESETS = {"card": "c_fill,h_100,w_150", "grey": "t_card/e_grayscale", "led": "f_auto:redirect,w_50"}
LADDER = Allowed(ladder=(320, 640, 1280))


def admitted(rule: Allowed, text: str, mount: str = "") -> str:
    steps = tuple(text.split("/")) if text else ()
    return str(Policy((rule,)).admit(mount, steps, Plan.read(steps, PRESETS)))


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("w_613", "w_640"),
        ("w_640", "w_640"),
        ("w_641", "w_1280"),
        ("w_1", "w_320"),
        ("w_9999", "w_1280"),
        ("h_600", "h_640"),
        ("c_fill,h_300,w_600", "c_fill,h_320,w_640"),
        ("f_webp,w_613", "f_webp,w_640"),
        ("f_auto,q_auto:eco,w_613", "f_auto,q_auto:eco,w_640"),
        ("c_fill,g_auto,h_1,w_1", "c_fill,g_auto,h_320,w_320"),
        ("dpr_2,w_300", "w_640"),
        ("f_json", "f_json"),
        ("t_card", "c_fill,h_100,w_150"),
        ("t_grey", "c_fill,h_100,w_150/e_grayscale"),
    ],
)
def test_sizes_snap_up_to_the_ladder(asked: str, given: str) -> None:
    assert admitted(LADDER, asked) == given


ENDLESS = """
    w_50p w_0.5 w_613/e_blur:5 w_613/w_100 e_blur:5 q_85,w_640 c_crop,w_640,x_1 c_thumb,g_auto,w_640,z_2 ar_3:2,w_640
    v_1,w_640 d_b.jpg,w_640 pg_2,w_640 fl_attachment,w_640 a_90 fl_keep_gps,fl_keep_metadata t_card/w_613 w_613/t_card
    cs_p3,w_320 fl_max:2000,w_320 bo_4px_solid_red,w_320 r_max,w_320
"""


@pytest.mark.parametrize("asked", ENDLESS.split())
def test_all_that_would_make_endless_results_is_refused_under_a_ladder(asked: str) -> None:
    with pytest.raises(Forbidden):
        admitted(LADDER, asked)


def test_a_ladder_leaves_so_many_results_and_no_more() -> None:
    given = {admitted(LADDER, f"w_{width}") for width in range(1, 3000, 7)}
    assert given == {"w_320", "w_640", "w_1280"}


@pytest.mark.parametrize("asked", ["w_100", "t_card/w_100", "w_100/t_card", "f_webp", "f_json", ""])
def test_nothing_but_presets(asked: str) -> None:
    with pytest.raises(Forbidden, match="nothing but presets"):
        admitted(Allowed(presets_only=True), asked)


def test_presets_can_be_chained_and_named() -> None:
    assert admitted(Allowed(presets_only=True), "t_card") == "c_fill,h_100,w_150"
    assert admitted(Allowed(presets_only=True), "t_card/t_grey").count("c_fill") == 2
    assert admitted(Allowed(presets_only=True, presets=("card",)), "t_card")
    with pytest.raises(Forbidden, match="the preset grey is not allowed"):
        admitted(Allowed(presets_only=True, presets=("card",)), "t_card/t_grey")
    with pytest.raises(Forbidden, match="the preset grey"):
        admitted(Allowed(presets=("card",)), "t_grey")
    assert admitted(Allowed(presets=("card",)), "w_100") == "w_100"


def test_a_redirect_that_could_not_be_followed_is_refused() -> None:
    with pytest.raises(Forbidden):
        admitted(Allowed(presets_only=True), "t_led")
    assert admitted(Allowed(), "t_led") == "f_auto:redirect,w_50"


def test_a_key_opens_the_mounts_that_it_names() -> None:
    rule = Allowed(mounts=("photos",))
    assert admitted(rule, "w_100", "photos") == "w_100"
    for mount in ("", "logos"):
        with pytest.raises(Forbidden, match="does not open"):
            admitted(rule, "w_100", mount)


def test_formats_of_all_rules_hold_together() -> None:
    policy = Policy((Allowed(formats=("webp", "jpg")), Allowed(formats=("avif", "jpg"))))
    assert policy.formats == frozenset({"jpg"})
    policy.check_format("jpg")
    policy.check_format("json")
    with pytest.raises(Forbidden, match="webp is not allowed"):
        policy.check_format("webp")
    with pytest.raises(Forbidden, match="avif is not allowed"):
        policy.admit("", ("f_avif",), Plan.read("f_avif"))
    assert policy.admit("", ("f_auto",), Plan.read("f_auto"))
    assert Policy(()).formats is None
    assert Policy((Allowed(formats=("webp",)), Allowed(formats=("jpg",)))).formats == frozenset()


def test_the_largest_side_holds() -> None:
    policy = Policy((Allowed(largest=500),))
    policy.check_size(Size(500, 500))
    for size in (Size(501, 1), Size(1, 501)):
        with pytest.raises(Forbidden, match="500 pixels a side"):
            policy.check_size(size)
