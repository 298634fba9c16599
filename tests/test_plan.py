"""The text of a plan and the plan itself are inverses; what cannot be read is refused by name."""

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms import errors
from transforms.errors import BadPlan
from transforms.operation import FAMILIES, Operation, Size, joined
from transforms.pipeline import PIPELINE
from transforms.plan import Plan

PRESETS = {
    "card": "c_fill,w_300,h_200/f_webp,q_80",
    "nested": "t_card",
    "one": "t_two",
    "two": "t_three",
    "three": "t_four",
    "four": "t_five",
    "five": "w_1",
}

CANONICAL = [
    ("", ""),
    ("w_600,q_85,f_webp", "f_webp,q_85,w_600"),
    ("h_200,w_300", "h_200,w_300"),
    ("w_300,h_200", "h_200,w_300"),
    ("c_limit,w_300", "w_300"),
    ("w_0.5", "w_50p"),
    ("w_.5", "w_50p"),
    ("w_50p", "w_50p"),
    ("w_33.3333p", "w_33.333p"),
    ("w_1.0", "w_100p"),
    ("w_1", "w_1"),
    ("w_300,dpr_2", "w_600"),
    ("w_300,h_101,dpr_1.5", "h_152,w_450"),
    ("w_0.5,dpr_2", "w_50p"),
    ("c_fill,w_300,ar_32:18", "ar_16:9,c_fill,w_300"),
    ("c_fill,w_300,ar_1.5", "ar_3:2,c_fill,w_300"),
    ("c_fill,w_300,h_300,g_center", "c_fill,h_300,w_300"),
    ("e_blur:100", "e_blur"),
    ("e_blur", "e_blur"),
    ("e_negate,e_blur:40", "e_blur:40,e_negate"),
    ("q_80", ""),
    ("q_auto:good", "q_auto"),
    ("q_auto:eco", "q_auto:eco"),
    ("w_9/q_80/cs_srgb,e_hue:0/r_0,o_100,a_exif", "w_9"),
    ("f_jpeg", "f_jpg"),
    ("f_tif", "f_tiff"),
    ("b_rgb:F00", "b_ff0000"),
    ("b_red", "b_ff0000"),
    ("b_ff000080", "b_ff000080"),
    ("r_10:20", "r_10:20:10:20"),
    ("r_10:10:10:10", "r_10"),
    ("bo_4px_solid_white", "bo_4px_solid_ffffff"),
    ("bo_4px_solid_white,r_9,dpr_2", "bo_8px_solid_ffffff,r_18"),
    ("a_-90", "a_270"),
    ("a_360", ""),
    ("a_12.5.hflip", "a_12.5.hflip"),
    ("fl_progressive.lossless", "fl_lossless,fl_progressive"),
    ("q_70/w_300/e_sharpen", "w_300/e_sharpen,q_70"),
    ("w_300/e_sharpen,pg_2", "pg_2,w_300/e_sharpen"),
    ("t_card", "c_fill,h_200,w_300,f_webp,q_80".replace("w_300,f_webp,q_80", "w_300")),
    ("t_nested/e_negate", "c_fill,h_200,w_300/e_negate,f_webp"),
    ("d_b64:YS9i", "d_b64:YS9i"),
    ("d_b64:YWI", "d_ab"),
    ("fl_attachment:holiday photo", "fl_attachment:holiday photo"),
    ("cs_srgb", ""),
    ("e_tint:60:teal", "e_tint:60:008080"),
]


@pytest.mark.parametrize(("text", "canonical"), CANONICAL)
def test_a_plan_has_one_canonical_text(text: str, canonical: str) -> None:
    expected = "c_fill,f_webp,h_200,w_300" if text == "t_card" else canonical
    plan = Plan.read(text, PRESETS)
    assert str(plan) == expected
    assert Plan.read(str(plan)) == plan


REFUSED = [
    ("w_wide", errors.InvalidOption, "w_wide", ""),
    ("w_", errors.InvalidOption, "w_", ""),
    ("w_0", errors.InvalidOption, "w_0", ""),
    ("w_-5", errors.InvalidOption, "w_-5", ""),
    ("w_1e3", errors.InvalidOption, "w_1e3", ""),
    ("w_٣", errors.InvalidOption, "w_٣", ""),
    ("w_auto", errors.InvalidOption, "w_auto", ""),
    ("dpr_auto,w_3", errors.InvalidOption, "dpr_auto", ""),
    ("w_600,,h_3", BadPlan, "w_600,,h_3", ""),
    ("w_600,", BadPlan, "w_600,", ""),
    ("w_3/", BadPlan, "", ""),
    ("blur", BadPlan, "blur", ""),
    ("wx_600", errors.UnknownOption, "wx_600", "w_600"),
    ("e_blurr", errors.UnknownOption, "e_blurr", "e_blur"),
    ("fl_progresive", errors.UnknownOption, "fl_progresive", "fl_progressive"),
    ("c_fil,w_3", errors.InvalidOption, "c_fil", "c_fill"),
    ("f_wepb", errors.InvalidOption, "f_wepb", "f_webp"),
    ("b_yelow", errors.InvalidOption, "b_yelow", "b_yellow"),
    ("q_101", errors.InvalidOption, "q_101", ""),
    ("q_80:", errors.InvalidOption, "q_80:", ""),
    ("e_blur:", errors.InvalidOption, "e_blur:", ""),
    ("e_blur:5:6", errors.InvalidOption, "e_blur:5:6", ""),
    ("e_negate:1", errors.InvalidOption, "e_negate:1", ""),
    ("w_3,w_4", errors.ConflictingOptions, "w_4", ""),
    ("e_blur,e_blur:5", errors.ConflictingOptions, "e_blur:5", ""),
    ("q_80/q_80", errors.ConflictingOptions, "q_80", ""),
    ("x_3", errors.ConflictingOptions, "x_3", ""),
    ("z_2,e_blur", errors.ConflictingOptions, "z_2", ""),
    ("dpr_2", errors.ConflictingOptions, "dpr_2", ""),
    ("w_3,h_4,ar_1:1", errors.ConflictingOptions, "ar", ""),
    ("c_fill", errors.ConflictingOptions, "c_fill", ""),
    ("c_thumb,w_3", errors.ConflictingOptions, "c_thumb", ""),
    ("w_3,g_north", errors.ConflictingOptions, "g", ""),
    ("c_fill,w_3,g_xy_center", errors.ConflictingOptions, "g_xy_center", ""),
    ("c_pad,w_3,g_auto", errors.ConflictingOptions, "g_auto", ""),
    ("t_card,w_3", errors.ConflictingOptions, "t_card,w_3", ""),
    ("t_cart", errors.UnknownPreset, "t_cart", "t_card"),
    ("t_one", BadPlan, "t_five", ""),
    ("l_logo", errors.NotSupported, "l_logo", ""),
    ("u_logo", errors.NotSupported, "u_logo", ""),
    ("if_w_gt_3,w_3", errors.NotSupported, "if_w_gt_3", ""),
    ("$x_3", errors.NotSupported, "$x_3", ""),
    ("dl_3", errors.NotSupported, "dl_3", ""),
    ("fl_force_strip,fl_keep_metadata", errors.ConflictingOptions, "", ""),
    ("fl_keep_gps", errors.ConflictingOptions, "fl_keep_gps", ""),
    ("/".join(["e_blur"] * 11), BadPlan, "", ""),
]


@pytest.mark.parametrize(("text", "kind", "part", "suggestion"), REFUSED)
def test_a_refusal_names_the_part_and_the_nearest_right_spelling(
    text: str, kind: type[BadPlan], part: str, suggestion: str
) -> None:
    with pytest.raises(kind) as refused:
        assert Plan.read(text, PRESETS).saving
    assert refused.value.suggestion == suggestion
    if part:
        assert refused.value.part == part


def test_a_refusal_says_what_was_expected_and_what_came() -> None:
    with pytest.raises(errors.InvalidOption, match=r"w_: a whole number .* was expected, but “wide” came"):
        Plan.read("w_wide")


def test_a_refusal_points_into_the_text() -> None:
    with pytest.raises(errors.InvalidOption) as refused:
        Plan.read("c_fill,w_300/q_85,e_blur:x")
    assert refused.value.offset == len("c_fill,w_300/q_85,")


def _letters() -> list[str]:
    return [letter for operation in PIPELINE for letter, _ in operation.letters()]


def test_names_are_one_or_two_letters_or_from_the_closed_list() -> None:
    for letter in _letters():
        head = letter.partition("_")[0]
        assert len(head) <= 2 or head in {"dpr", "fps", "sig", "exp", "kid", "tile"}
        assert set(head) <= set(string.ascii_lowercase)
        assert "_" not in letter or head in FAMILIES


def test_every_operation_has_an_example_and_a_sentence() -> None:
    for operation in PIPELINE:
        assert Plan.read(operation.example), operation
        assert operation.__doc__
        assert operation.__doc__.split("\n")[0].endswith((".", "`.")), operation
        for declared in operation.params().values():
            assert declared.meaning
            assert declared.kind.expected
            assert declared.kind.schema()


def _texts() -> st.SearchStrategy[str]:
    """Steps that look like real ones, and often are."""
    values = st.one_of(
        st.integers(-5, 9000).map(str),
        st.floats(-2, 120, allow_nan=False).map(lambda number: f"{number:.3f}"),
        st.sampled_from(
            ["fill", "pad", "thumb", "crop", "scale", "north", "auto", "xy_center", "50p", "16:9", "red", "max"]
        ),
        st.sampled_from(
            ["4px_solid_red", "webp", "good", "90.hflip", "ff00ff80", "80:444", "srgb", "b64:YWI", "x.jpg"]
        ),
        st.text(max_size=6),
    )
    option = st.builds(joined, st.sampled_from(_letters()), values)
    step = st.lists(option, min_size=1, max_size=4).map(",".join)
    return st.lists(step, min_size=1, max_size=3).map("/".join)


@given(_texts())
def test_whatever_reads_is_written_so_that_it_reads_again(text: str) -> None:
    try:
        plan = Plan.read(text, PRESETS)
    except BadPlan:
        return
    written = str(plan)
    assert Plan.read(written) == plan
    assert str(Plan.read(written)) == written


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        plan = Plan.read(text)
    except BadPlan:
        return
    assert Plan.read(str(plan)) == plan


@given(_texts(), st.integers(1, 20_000), st.integers(1, 20_000))
def test_every_size_is_at_least_one_pixel(text: str, width: int, height: int) -> None:
    try:
        plan = Plan.read(text, PRESETS)
    except BadPlan:
        return
    assert all(side >= 1 for size in plan.measure(Size(width, height)) for side in size)


@pytest.mark.parametrize("operation", PIPELINE, ids=lambda kind: kind.name)
def test_the_schema_of_a_value_describes_its_canonical_text(operation: type[Operation]) -> None:
    plan = Plan.read(operation.example)
    for one in plan:
        options: dict[str, Any] = one.write()
        assert options
        assert not one.idle()
