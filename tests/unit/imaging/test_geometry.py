import math

from hypothesis import example, given
from hypothesis import strategies as st

from tintype.domain.transform import Fit, Transform
from tintype.imaging.geometry import MAX_FRAME_PIXELS, Frame, crop, frames, place

SIDES = st.integers(1, 20_000)
BOXES = st.integers(1, 8192)
TRANSFORMS = st.builds(Transform, BOXES, BOXES, st.sampled_from(Fit))


@given(SIDES, SIDES, BOXES, BOXES)
def test_cover_and_fill_are_exactly_the_box(width: int, height: int, box_x: int, box_y: int) -> None:
    for fit in (Fit.COVER, Fit.FILL):
        placement = place(width, height, Transform(box_x, box_y, fit))
        assert (placement.width, placement.height) == (box_x, box_y)
        assert (placement.canvas_width, placement.canvas_height) == (box_x, box_y)


@given(SIDES, SIDES, BOXES, BOXES)
def test_inside_touches_the_box_and_keeps_the_shape_to_half_a_pixel(
    width: int, height: int, box_x: int, box_y: int
) -> None:
    placement = place(width, height, Transform(box_x, box_y, Fit.INSIDE))
    assert placement.width <= box_x
    assert placement.height <= box_y
    assert placement.width == box_x or placement.height == box_y
    scale = min(box_x / width, box_y / height)
    assert abs(placement.width - width * scale) <= 0.5 or placement.width == 1
    assert abs(placement.height - height * scale) <= 0.5 or placement.height == 1


@given(SIDES, SIDES, BOXES, BOXES)
def test_down_never_enlarges(width: int, height: int, box_x: int, box_y: int) -> None:
    placement = place(width, height, Transform(box_x, box_y, Fit.DOWN))
    assert placement.width <= width
    assert placement.height <= height


@given(SIDES, SIDES, BOXES, BOXES)
def test_contain_is_inside_on_a_canvas_of_the_box(width: int, height: int, box_x: int, box_y: int) -> None:
    contained = place(width, height, Transform(box_x, box_y, Fit.CONTAIN))
    inside = place(width, height, Transform(box_x, box_y, Fit.INSIDE))
    assert (contained.width, contained.height) == (inside.width, inside.height)
    assert (contained.canvas_width, contained.canvas_height) == (box_x, box_y)


def test_cover_shows_the_middle_of_a_wide_picture() -> None:
    placement = place(400, 100, Transform(50, 50))
    assert (placement.part_x, placement.part_y) == (0.25, 1.0)


@given(SIDES, SIDES, st.lists(TRANSFORMS, min_size=1, max_size=6))
@example(65_500, 763, [Transform(600, 600), Transform(2048, 2048, Fit.INSIDE)])
def test_every_placement_has_one_frame_with_enough_pixels(width: int, height: int, transforms: list[Transform]) -> None:
    placements = {place(width, height, transform) for transform in transforms}
    planned = frames(width, height, placements)
    assert sorted(map(id, placements)) == sorted(id(placement) for _, group in planned for placement in group)
    for frame, group in planned:
        assert frame.width <= width
        assert frame.height <= height
        for placement in group:
            shown_x, shown_y = crop(frame, placement.part_x, placement.part_y)
            assert shown_x >= placement.width or frame.width == width
            assert shown_y >= placement.height or frame.height == height


@given(SIDES, SIDES, TRANSFORMS)
def test_a_single_output_is_not_resampled_after_the_decode_unless_it_is_enlarged(
    width: int, height: int, transform: Transform
) -> None:
    placement = place(width, height, transform)
    [(frame, _)] = frames(width, height, [placement])
    shown_x, shown_y = crop(frame, placement.part_x, placement.part_y)
    assert shown_x == placement.width or frame.width == width
    assert shown_y == placement.height or frame.height == height


@given(SIDES, SIDES, st.lists(TRANSFORMS, min_size=1, max_size=6))
def test_a_frame_that_would_hold_too_much_keeps_no_more_than_its_outputs_show(
    width: int, height: int, transforms: list[Transform]
) -> None:
    planned = frames(width, height, [place(width, height, transform) for transform in transforms])
    for frame, group in planned:
        kept = math.prod(crop(frame, frame.part_x, frame.part_y))
        shown = max(placement.width for placement in group) * max(placement.height for placement in group)
        assert kept <= max(MAX_FRAME_PIXELS, shown)


def test_a_photograph_is_decoded_once_and_whole() -> None:
    placements = [place(4000, 3000, Transform(side, side)) for side in (150, 300, 600)]
    assert frames(4000, 3000, placements) == [(Frame(800, 600), set(placements))]


def test_a_panorama_in_a_square_is_decoded_for_each_kind_of_crop() -> None:
    wanted = [Transform(600, 600), Transform(150, 150), Transform(2048, 2048, Fit.INSIDE)]
    planned = frames(65_500, 763, [place(65_500, 763, transform) for transform in wanted])
    assert sorted(math.prod(crop(frame, frame.part_x, frame.part_y)) for frame, _ in planned) == [2048 * 24, 600 * 600]


def test_nothing_asked_for_is_nothing_decoded() -> None:
    assert frames(100, 100, []) == []
