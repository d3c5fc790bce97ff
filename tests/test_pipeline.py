"""Drawing: from a request to pictures, whatever else is drawn beside them."""

import json
import re

import keras
import numpy as np
import pytest
from keras import ops
from layer_checks import randomise

from ddpm.bundle import (
    ControlAddOn,
    Model,
    default_guide,
    load_control,
    load_guide,
    load_model,
    save_control,
    save_guide,
    save_model,
)
from ddpm.codec import to_float
from ddpm.conditions import NoSettings
from ddpm.conditions.hints import ControlImage
from ddpm.conditions.inpaint import METHODS
from ddpm.conditions.text import TextSettings, choose_captions
from ddpm.core.samplers import SAMPLERS
from ddpm.core.schedule import SPACINGS
from ddpm.nets.control import ControlBranch
from ddpm.pipeline import Pipeline, Request
from ddpm.presets import PRESETS

CAPTIONS = ("a red disc", "a blue disc", "a disc")
TEXT = TextSettings(("a", "red", "blue", "disc"), length=6, width=16, layers=1, head_width=8)
SMALL = {
    "image_size": 16,
    "widths": (8, 16),
    "blocks": (1, 1),
    "attention": (),
    "patch": 1,
    "groups": 4,
    "head_width": 8,
}
KINDS = ("canny", "depth")  # the second is none of those that a new branch is trained with


class Stub(keras.layers.Layer):
    """A network that keeps something of what it is given, each picture for itself."""

    def call(self, x_t, t, training=None):
        return ops.tanh(x_t * 0.7 + 0.1 * ops.cos(ops.cast(t, "float32"))[:, None, None, None])


def preset(**network):
    return PRESETS["tiny"].with_(
        network={**SMALL, **network}, objective={"schedule": "linear", "timesteps": 50}
    )


CONDITIONAL = preset(
    cross_attention_layers=(0, 1), conditions={"text": TEXT, "size_crop": NoSettings()}
)


def random_network(preset, scale=0.2):
    keras.utils.set_random_seed(0)
    network = preset.make_network("float32")
    randomise(network, scale)
    return network


@pytest.fixture(scope="module")
def stub():
    """Pictures of 4 x 4 pixels by a network that is a formula."""
    own = preset(image_size=4, widths=(8,), blocks=(1,))
    return Pipeline(Model(Stub(), own))


@pytest.fixture(scope="module")
def unconditional():
    return Pipeline(Model(random_network(preset()), preset()))


@pytest.fixture(scope="module")
def conditional():
    model = Model(random_network(CONDITIONAL), CONDITIONAL, captions=CAPTIONS)
    return Pipeline(model)


@pytest.fixture(scope="module")
def branch_file(conditional, tmp_path_factory):
    """Files of a model and of a control branch over it, with two kinds of its own."""
    folder = tmp_path_factory.mktemp("bundles")
    save_model(conditional.model.network, CONDITIONAL, folder / "base.weights.h5")
    base = load_model(folder / "base.weights.h5", "float32")
    branch = ControlBranch(CONDITIONAL.network, KINDS, dtype="float32")
    branch.copy_weights(base.network)
    randomise(branch)
    save_control(branch, CONDITIONAL, folder / "control.weights.h5", base.digest)
    return base, folder / "control.weights.h5"


@pytest.fixture(scope="module")
def controlled(branch_file):
    base, path = branch_file
    return Pipeline(base, [load_control(path, base.preset)])


def images_of(pipeline, **options):
    return pipeline.draw(Request(**{"steps": 4, **options}))


def differ(a, b):
    """Whether every picture of a differs from its counterpart."""
    return all(not np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("spacing", SPACINGS)
def test_a_picture_is_the_same_however_many_are_drawn(stub, sampler, spacing):
    options = {"sampler": sampler, "spacing": spacing, "steps": 10}
    many = images_of(stub, n=64, **options)
    assert many.shape == (64, 4, 4, 3) and many.dtype == np.uint8
    assert len(np.unique(many.reshape(64, -1), axis=0)) == 64
    for n in (1, 7, 8, 9):
        assert np.array_equal(images_of(stub, n=n, **options), many[:n])


def test_the_batch_size_changes_no_picture(stub):
    images = [images_of(stub, n=10, sampler="ddpm", batch_size=size) for size in (1, 4, 10, 32)]
    assert all(np.array_equal(images[0], other) for other in images[1:])


def test_the_seed_changes_every_picture(stub):
    first, second = (images_of(stub, n=8, seed=seed) for seed in (0, 1))
    assert np.array_equal(first, images_of(stub, n=8, seed=0))
    assert differ(first, second)


@pytest.mark.parametrize("sampler", ("dpmpp_2m", "ddpm"))
def test_a_real_network_draws_the_same_picture_to_the_last_bit(unconditional, sampler):
    one, many = (images_of(unconditional, n=n, sampler=sampler, steps=3) for n in (1, 64))
    assert np.array_equal(one[0], many[0])
    assert many[1:].std(0).mean() > 1


def test_observers_see_every_picture_at_every_step(stub):
    seen, last = np.zeros((10, 11)), np.zeros((11, 4, 4, 3), np.uint8)

    def observe(indices, i, pictures):
        seen[i, indices] += 1
        assert pictures.shape == (len(indices), 4, 4, 3) and pictures.dtype == np.uint8
        last[indices.start : indices.stop] = pictures

    images = stub.draw(Request(n=11, steps=10, batch_size=4), observe)
    assert np.all(seen == 1)
    assert np.array_equal(last, images)  # the last step of dpmpp_2m ends on its x0_hat


def test_options_reach_the_sampler(stub):
    plain = images_of(stub, n=2, sampler="ddim")
    assert differ(images_of(stub, n=2, sampler="ddim", eta=1.0), plain)
    churned = {"sampler": "euler", "sampler_options": {"s_churn": 20.0}}
    assert differ(images_of(stub, n=2, **churned), images_of(stub, n=2, sampler="euler"))
    with pytest.raises(ValueError, match="--eta belongs to the ddim sampler. Received: .* euler"):
        images_of(stub, n=2, sampler="euler", eta=1.0)
    with pytest.raises(TypeError):
        images_of(stub, n=2, sampler="dpmpp_2m", sampler_options={"s_churn": 20.0})


@pytest.mark.parametrize(
    "options, match",
    [
        ({"sampler": "magic"}, "unknown sampler 'magic'; choose one of ddpm, ddim"),
        ({"spacing": "odd"}, "unknown spacing 'odd'; choose one of uniform"),
        ({"steps": 51}, r"1\.\.50.*Received: 51"),
        ({"steps": 0}, r"1\.\.50.*Received: 0"),
        ({"inpaint": "magic"}, "unknown method 'magic'; choose one of project, repaint, network"),
        ({"inpaint": "network"}, "was not trained to inpaint"),
        ({"prompts": ("a disc",)}, "was trained without words"),
        ({"crop": (0, 0)}, "was trained without framing"),
        ({"mask": np.ones((4, 4), np.float32)}, "a mask needs a picture"),
        ({"controls": (ControlImage("canny", np.zeros((4, 4, 3), np.uint8)),)}, "control branch"),
    ],
)
def test_what_cannot_be_drawn_is_refused(stub, options, match):
    with pytest.raises(ValueError, match=match):
        images_of(stub, n=2, **options)


def test_images_come_prompt_by_prompt_from_the_same_noise(conditional):
    prompts = ("a red disc", "a blue disc", "")
    for options in ({"guidance": 1.0}, {"guidance": 3.0}):
        together = images_of(conditional, n=3, prompts=prompts, seed=5, **options)
        assert together.shape == (9, 16, 16, 3)
        for i, prompt in enumerate(prompts):
            alone = images_of(conditional, n=3, prompts=(prompt,), seed=5, **options)
            apart = np.abs(together[3 * i : 3 * i + 3].astype(int) - alone).max()
            # The empty prompt is guided beside others, away from itself: that is rounding.
            assert apart <= (prompt == "" and options["guidance"] != 1), prompt
    assert differ(together[:3], together[3:6])
    twice = images_of(conditional, n=2, prompts=("a disc", "a disc"))
    assert np.array_equal(twice[:2], twice[2:])


def test_where_nothing_is_asked_captions_are_drawn(conditional):
    request = Request(n=5, seed=3, steps=4)
    captions = choose_captions(CAPTIONS, 3, range(5))
    assert conditional.prompts(request) == captions and len(set(captions)) > 1
    images = conditional.draw(request)
    for i, caption in enumerate(captions):
        tokens = TEXT.vocabulary.index
        row = [1, *(tokens(word) + 2 for word in caption.split())]
        row = np.array([[*row, *[0] * (TEXT.length - len(row))]], np.int32)
        own = images_of(conditional, n=5, seed=3, guidance=1.0, arrays={"tokens": row})
        assert np.array_equal(own[i], images[i])
    assert np.array_equal(conditional.draw(request), images)
    assert conditional.nfe == 4  # there is nothing to guide by
    assert "the captions" in conditional.recipe(request)["prompts_from"]
    said = Request(n=5, seed=3, steps=4, prompts=("",))  # an empty prompt asks for no words
    assert conditional.prompts(said) == [""] * 5
    assert differ(conditional.draw(said), images)


def test_network_evaluations_are_counted(conditional):
    for expected, options in (
        (4, {"prompts": ("a disc",), "guidance": 1.0}),
        (8, {"prompts": ("a disc",), "guidance": 3.0}),
        (8, {"negative": "red"}),
        (8, {"arrays": {"tokens": np.array([[1, 3, 5, 0, 0, 0]], np.int32)}}),
        (4, {"prompts": ("",)}),
        (7, {"sampler": "heun", "spacing": "uniform", "prompts": ("",)}),
    ):
        images_of(conditional, n=3, **options)
        assert conditional.nfe == expected, options


def test_guidance_and_size_crop_change_the_pictures(conditional):
    plain = images_of(conditional, n=2, prompts=("a red disc",))
    for options in (
        {"guidance": 1.0},
        {"negative": "blue"},
        {"guidance_rescale": 0.9},
        {"guidance_interval": (0.5, 1.0)},
        {"crop": (4, 0), "target_size": (32, 32)},
        {"original_size": (8, 8)},
    ):
        other = images_of(conditional, n=2, prompts=("a red disc",), **options)
        assert differ(plain, other), options
    whole = {"crop": (0, 0), "target_size": (16, 16), "original_size": (32, 32)}
    same = images_of(conditional, n=2, prompts=("a red disc",), **whole)
    assert np.array_equal(plain, same)
    with pytest.raises(ValueError, match="does not lie within"):
        images_of(conditional, crop=(4, 0))


@pytest.fixture(scope="module")
def weaker():
    keras.utils.set_random_seed(1)
    network = CONDITIONAL.make_network("float32")
    randomise(network, 0.1)
    return Model(network, CONDITIONAL)


def test_autoguidance_extrapolates_from_the_weaker_version(conditional, weaker):
    """By hand, where nothing is clipped."""
    both = Pipeline(conditional.model, guide=weaker)
    plain = images_of(conditional, n=2, prompts=("a disc",), guidance=1.0)
    options = {"n": 2, "prompts": ("a disc",), "guidance": 1.0}
    assert np.array_equal(images_of(both, **options), plain)
    assert both.nfe == 4
    D, D_weak = (
        pipeline._denoiser(Request(**options), range(2))
        for pipeline in (conditional, Pipeline(weaker))
    )
    x_t = np.random.default_rng(0).normal(size=(2, 16, 16, 3)).astype(np.float32)
    t = np.array([40, 40], np.int32)
    away = both._denoiser(Request(**options, autoguidance=1.2), range(2))(x_t, t)
    expected = D_weak(x_t, t) + 1.2 * (D(x_t, t) - D_weak(x_t, t))
    sides = (expected, D(x_t, t), D_weak(x_t, t))
    inside = np.all(np.abs(sides) < 0.99, axis=0)
    assert inside.mean() > 0.2
    np.testing.assert_allclose(away[inside], expected[inside], atol=1e-4)
    assert differ(images_of(both, **options, autoguidance=2.0), plain)
    assert both.nfe == 8
    half = Request(**options, autoguidance=2.0, autoguidance_interval=(0.5, 1.0), steps=4)
    assert differ(both.draw(half), images_of(both, **options, autoguidance=2.0))
    without = images_of(both, **options, autoguidance=2.0)
    with_words = {**options, "guidance": 3.0, "autoguidance": 2.0}
    assert differ(without, images_of(both, **with_words))
    assert both.nfe == 16
    recipe = both.recipe(half)
    assert recipe["autoguidance"] == 2.0 and recipe["guide"] is None
    with pytest.raises(ValueError, match="needs a weaker version"):
        images_of(conditional, **options, autoguidance=2.0)


def test_autoguidance_goes_with_control_and_masks(branch_file, weaker):
    base, path = branch_file
    both = Pipeline(base, [load_control(path, base.preset)], guide=weaker)
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    mask = np.zeros((16, 16), np.float32)
    mask[4:12, 4:12] = 1
    for options in ({"controls": (control("depth"),)}, {"image": image, "mask": mask}):
        options |= {"n": 1, "prompts": ("a disc",)}
        assert differ(images_of(both, **options), images_of(both, autoguidance=1.5, **options))
    painted = images_of(both, autoguidance=1.5, **options)[0]
    assert np.array_equal(painted[mask == 0], image[mask == 0])


def test_a_guide_comes_back_from_its_file_and_is_found(weaker, branch_file, tmp_path):
    base, _ = branch_file
    path = tmp_path / "weaker.weights.h5"
    save_guide(weaker.network, CONDITIONAL, path, base.digest)
    assert default_guide(base.path, shipped=tmp_path, runs=tmp_path) == path
    guide = load_guide(path, base, "float32")
    options = {"n": 1, "prompts": ("a disc",), "autoguidance": 1.5}
    made = images_of(Pipeline(base, guide=guide), **options)
    assert np.array_equal(made, images_of(Pipeline(base, guide=weaker), **options))
    with pytest.raises(ValueError, match="name the model with --weights"):
        load_model(path)
    with pytest.raises(ValueError, match="no weaker version"):
        default_guide(base.path, shipped=tmp_path / "nowhere", runs=tmp_path)
    cosine = CONDITIONAL.with_(objective={"schedule": "cosine"})
    save_guide(weaker.network, cosine, path, base.digest)
    with pytest.raises(ValueError, match="draws something else"):
        load_guide(path, base)  # as many levels, but other ones
    other = preset()
    save_guide(random_network(other), other, path, base.digest)
    with pytest.raises(ValueError, match="draws something else"):
        load_guide(path, base)


def test_unknown_words_have_a_note_or_are_refused(conditional):
    request = Request(prompts=("a red zyzzyva",), steps=2)
    (note,) = conditional.notes(request)
    assert "zyzzyva" in note and conditional.draw(request).shape == (1, 16, 16, 3)
    with pytest.raises(ValueError, match="never met the word 'zyzzyva'"):
        conditional.draw(Request(prompts=("a red zyzzyva",), strict=True))


# --- control pictures


def control(kind, seed=0, **options):
    image = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), np.uint8)
    return ControlImage(kind, image, **options)


def test_a_branch_comes_back_from_its_file_with_its_own_kinds(branch_file):
    base, path = branch_file
    addon = load_control(path, base.preset)
    assert isinstance(addon, ControlAddOn)
    assert addon.kinds == KINDS and addon.base_digest == base.digest
    assert addon.conditions["hints"].kinds == KINDS
    assert addon.recipe == {"control_weights": path.name, "control_sha256": addon.digest}
    network = addon.apply(base.network)
    assert network.branch.kinds == KINDS
    assert network.branch.hint_encoder.first.kernel.shape[2] == 4 * len(KINDS)


def test_a_branch_is_fed_by_its_own_kinds(controlled):
    """As if its arrays were laid out by hand in the order of its kinds, each in its channels."""
    depth, canny = control("depth"), control("canny", seed=1, strength=0.5)
    options = {"n": 2, "prompts": ("a disc",), "steps": 3}
    hints = np.zeros((1, 16, 16, 6), np.float32)
    hints[..., 3:] = to_float(depth.image)
    given = {"hints": hints, "strengths": np.array([[0.0, 1.0]], np.float32)}
    by_hand = images_of(controlled, arrays=given, **options)
    assert np.array_equal(images_of(controlled, controls=(depth,), **options), by_hand)
    hints[..., :3] = to_float(canny.fit((16, 16)))
    given = {"hints": hints, "strengths": np.array([[0.5, 1.0]], np.float32)}
    by_hand = images_of(controlled, arrays=given, **options)
    assert np.array_equal(images_of(controlled, controls=(canny, depth), **options), by_hand)
    free = images_of(controlled, **options)
    assert differ(by_hand, free)
    with pytest.raises(ValueError, match="knows no colour; it was trained with canny, depth"):
        images_of(controlled, controls=(control("colour"),), **options)
    with pytest.raises(ValueError, match="more than one control of the kind depth"):
        images_of(controlled, controls=(depth, depth), **options)


def test_a_control_of_strength_0_is_as_if_it_were_not_given(controlled, conditional):
    """To the last bit, and it does not keep captions of the training set from being drawn."""
    off = control("depth", strength=0.0)
    for options in ({}, {"prompts": ("a red disc",)}):
        with_it = images_of(controlled, n=2, controls=(off,), **options)
        assert np.array_equal(with_it, images_of(controlled, n=2, **options))
    assert np.array_equal(
        images_of(controlled, n=2, prompts=("",)), images_of(conditional, n=2, prompts=("",))
    )
    request = Request(n=2, seed=3, controls=(off,))
    assert conditional.prompts(request) == choose_captions(CAPTIONS, 3, range(2))


def test_control_works_in_its_window_alone(controlled):
    options = {"n": 2, "prompts": ("a disc",), "guidance": 1.0}
    free = images_of(controlled, **options)
    always = images_of(controlled, controls=(control("depth"),), **options)
    early = images_of(controlled, controls=(control("depth", window=(0, 0.5)),), **options)
    assert differ(free, always) and differ(early, always) and differ(early, free)


def test_a_recipe_can_be_written_down(controlled, conditional):
    request = Request(
        n=2,
        prompts=("a red disc",),
        controls=(control("depth", name="a.png", sha256="0123", window=(0, 0.5)),),
        image=np.zeros((20, 16, 3), np.uint8),
        strength=0.4,
    )
    recipe = json.loads(json.dumps(controlled.recipe(request)))
    assert recipe["controls"] == [
        {"kind": "depth", "file": "a.png", "sha256": "0123", "strength": 1.0, "window": [0, 0.5]}
    ]
    assert recipe["strength"] == 0.4 and recipe["guidance"] == 3.0
    assert recipe["weights"] == "base.weights.h5" and len(recipe["weights_sha256"]) == 12
    assert recipe["control_weights"] == "control.weights.h5" and "prompts_from" not in recipe
    assert recipe["crop"] == [0, 0] and recipe["original_size"] == [32, 32]
    assert "guidance" not in conditional.recipe(Request(crop=(0, 0)))


# --- beginning at a picture, and painting into it


def photo(n=None, seed=7):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (16, 16, 3) if n is None else (n, 16, 16, 3), np.uint8)


def test_the_less_strength_the_nearer_the_image(stub):
    image = photo()[:4, :4]
    far = []
    for strength in (0.02, 0.4, 0.8):
        drawn = images_of(stub, n=16, image=image, strength=strength)
        far.append(np.abs(drawn.astype(int) - image).mean())
    assert far[0] < far[1] < far[2]
    # Of strength 1 nothing of the image is left: it changes no bit.
    free = images_of(stub, n=2)
    assert np.array_equal(images_of(stub, n=2, image=image, strength=1.0), free)
    default = images_of(stub, n=2, image=image)
    assert np.array_equal(default, images_of(stub, n=2, image=image, strength=0.6))
    request = Request(steps=10, image=image, strength=0.3)
    assert stub.visited(request) < 10 == stub.visited(Request(steps=10))


@pytest.mark.parametrize("method", ["project", "repaint"])
def test_outside_the_mask_no_bit_changes(unconditional, method):
    image, mask = photo(), np.zeros((16, 16), np.float32)
    mask[4:9, 2:12], mask[9] = 1, 0.5
    options = {"n": 2, "image": image, "mask": mask, "inpaint": method, "steps": 3}
    drawn = images_of(unconditional, **options)
    assert np.array_equal(drawn[:, mask == 0], np.stack([image[mask == 0]] * 2))
    assert (drawn[:, mask == 1] != image[mask == 1]).mean() > 0.9
    in_bytes = {**options, "mask": np.uint8(mask > 0) * 255}
    assert images_of(unconditional, **in_bytes).shape == drawn.shape
    assert unconditional.recipe(Request(**options))["inpaint"] == method


def test_each_picture_has_an_image_and_a_mask_of_its_own(unconditional):
    images, masks = photo(2), np.zeros((2, 16, 16), np.float32)
    masks[0, :8], masks[1, 8:] = 1, 1
    drawn = images_of(unconditional, n=4, image=images, mask=masks, batch_size=3)
    for i, picture in enumerate(drawn):
        outside = masks[i % 2] == 0
        assert np.array_equal(picture[outside], images[i % 2][outside])
        assert not np.array_equal(picture, images[i % 2])


def test_a_network_that_was_trained_to_inpaint_sees_the_picture():
    own = preset(conditions={"inpaint": NoSettings()})
    pipeline = Pipeline(Model(random_network(own), own))
    mask = np.zeros((16, 16), np.float32)
    mask[:8] = 1
    drawn = {}
    for seed in (7, 8):
        image = photo(seed=seed)
        image[:8] = 0  # what the mask covers is not seen
        for method in METHODS:
            options = {"n": 1, "image": image, "mask": mask, "inpaint": method, "steps": 3}
            drawn[method, seed] = images_of(pipeline, **options)
        default = images_of(pipeline, n=1, image=image, mask=mask, steps=3)
        assert np.array_equal(default, drawn["network", seed])
    assert differ(drawn["network", 7][:, :8], drawn["project", 7][:, :8])
    assert differ(drawn["network", 7][:, :8], drawn["network", 8][:, :8])


@pytest.mark.parametrize(
    "mask, sentence",
    [
        (np.ones((8, 16), np.float32), "the mask is 16 x 8 pixels and the picture 16 x 16"),
        (np.zeros((16, 16), np.float32), "the mask is white nowhere"),
    ],
)
def test_masks_that_do_not_fit_are_refused(unconditional, mask, sentence):
    with pytest.raises(ValueError, match=sentence):
        images_of(unconditional, image=photo(), mask=mask)


def test_a_mask_outside_the_middle_square_is_refused(unconditional):
    image, mask = np.zeros((16, 32, 3), np.uint8), np.zeros((16, 32), np.float32)
    mask[:, :4] = 1
    with pytest.raises(ValueError, match="white outside the picture's middle square"):
        images_of(unconditional, image=image, mask=mask)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"prompts": "a woman"}, "write prompts=("),
        ({"n": 0}, "n must be a whole number from 1"),
        ({"steps": 2.5}, "steps must be a whole number"),
        ({"seed": -1}, "seed must be"),
        ({"strength": 2.0}, "strength must be a number from 0 to 1"),
        ({"strength": -1.0}, "strength must be a number from 0 to 1"),
        ({"guidance": float("nan")}, "guidance must be a number"),
        ({"image": np.zeros((8, 8, 3), np.float32)}, "image must be uint8"),
        ({"image": np.zeros((8, 8), np.uint8)}, "image must be uint8"),
        ({"mask": np.zeros(8, np.float32)}, "mask must be"),
    ],
)
def test_a_request_that_means_nothing_is_refused_when_it_is_made(options, part):
    with pytest.raises(ValueError, match=re.escape(part)):
        Request(**options)


def test_strength_0_leaves_the_image_nearly_as_it_is(stub):
    image = np.full((1, 16, 16, 3), 90, np.uint8)
    request = Request(image=image[0], strength=0.0, steps=4)
    assert request.effective().strength == 0 and stub.visited(request) == 1
