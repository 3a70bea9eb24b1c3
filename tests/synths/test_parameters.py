from __future__ import annotations

import numpy as np
import pytest
import torch

from synthvae.core.errors import UserError, shown
from synthvae.synths import Parameter, ParameterSpace
from synthvae.synths.voice.parameters import VOICE_63, VOICE_78

SPACES = [VOICE_63, VOICE_78]


def test_whole_cube_round_trips_within_1e_5_of_the_range():
    unit = torch.rand(500, 78, generator=torch.Generator().manual_seed(0))
    unit[0], unit[1], unit[2] = 0.0, 0.5, 1.0
    human = VOICE_78.denormalise(unit)
    again = VOICE_78.denormalise(VOICE_78.normalise(human))
    span = torch.tensor([p.maximum - p.minimum for p in VOICE_78])
    worst = ((human - again).abs() / span).amax(dim=0)
    assert worst.max() < 1e-5, VOICE_78.names[int(worst.argmax())]


def test_array_map_equals_tensor_map():
    unit = np.random.default_rng(1).random((200, 78))
    human = VOICE_78.denormalise(torch.from_numpy(unit)).numpy()
    span = np.array([p.maximum - p.minimum for p in VOICE_78])
    np.testing.assert_allclose(VOICE_78.denormalise(unit) / span, human / span, atol=1e-12)
    np.testing.assert_allclose(
        VOICE_78.normalise(human), VOICE_78.normalise(torch.from_numpy(human)).numpy(), atol=1e-9
    )


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("direction", ["denormalise", "normalise"])
def test_gradients_are_finite_at_faces_and_middle(value: float, direction: str):
    unit = torch.full((1, 78), value)
    start = unit if direction == "denormalise" else VOICE_78.denormalise(unit)
    start.requires_grad_()
    getattr(VOICE_78, direction)(start).sum().backward()
    bad = [name for name, g in zip(VOICE_78.names, start.grad[0], strict=True) if not torch.isfinite(g)]
    assert not bad


def test_gradient_against_finite_differences():
    unit = torch.rand(3, 78, dtype=torch.float64, generator=torch.Generator().manual_seed(2)) * 0.9 + 0.05
    assert torch.autograd.gradcheck(VOICE_78.denormalise, unit.requires_grad_())
    # Nothing of the human value is left of a noise level below 0.05^40, so its inverse has no derivative to check.
    human = VOICE_78.denormalise(unit.detach() * 0.2 + 0.7).requires_grad_()
    jacobian = torch.autograd.functional.jacobian(lambda h: VOICE_78.normalise(h).sum(0), human)
    forward = torch.autograd.functional.jacobian(
        lambda u: VOICE_78.denormalise(u).sum(0), VOICE_78.normalise(human).detach()
    )
    for row in range(3):
        product = jacobian[:, row].diagonal() * forward[:, row].diagonal()
        torch.testing.assert_close(product, torch.ones(78, dtype=torch.float64))


def test_a_symmetric_curve_is_odd_around_its_middle():
    space = ParameterSpace((Parameter("m.p", -2.0, 6.0, curve=0.25, symmetric=True),))
    unit = torch.tensor([[0.5], [0.8], [0.2]], dtype=torch.float64)
    middle, above, below = space.denormalise(unit)[:, 0]
    assert middle == 2.0
    assert above - middle == pytest.approx(4.0 * 0.6**4)
    assert middle - below == pytest.approx(4.0 * 0.6**4)


def test_a_linear_symmetric_parameter_is_linear():
    space = ParameterSpace((Parameter("m.p", 0.0, 10.0, symmetric=True),))
    torch.testing.assert_close(space.denormalise(torch.tensor([[0.3]])), torch.tensor([[3.0]]))


def test_curves_that_are_no_whole_powers():
    space = ParameterSpace((Parameter("m.p", 0.0, 1.0, curve=0.3),))
    assert space.denormalise(np.array([[0.5]]))[0, 0] == pytest.approx(0.5 ** (1 / 0.3))


@pytest.mark.parametrize("space", SPACES)
def test_table_round_trip_keeps_the_hash(space: ParameterSpace):
    again = ParameterSpace.from_table(space.to_table(), space.fixed)
    assert again == space
    assert again.names == space.names
    assert hash(again) == hash(space)


def test_hash_tells_every_part_apart():
    base = Parameter("m.a", 0.0, 1.0)
    spaces = [
        ParameterSpace((base,)),
        ParameterSpace((base,), {"m.b": 0.0}),
        ParameterSpace((base,), {"m.b": 1.0}),
        ParameterSpace((Parameter("m.a", 0.0, 2.0),)),
        ParameterSpace((Parameter("m.a", 0.0, 1.0, curve=0.5),)),
        ParameterSpace((Parameter("m.a", 0.0, 1.0, symmetric=True),)),
        ParameterSpace((base, Parameter("m.b", 0.0, 1.0))),
        ParameterSpace((Parameter("m.b", 0.0, 1.0), base)),
    ]
    assert len({space.hash for space in spaces}) == len(spaces)
    # Words for people are not part of it.
    assert ParameterSpace((Parameter("m.a", 0.0, 1.0, description="x", unit="s"),)) == spaces[0]


def test_duplicate_names_are_refused():
    with pytest.raises(ValueError, match="unique"):
        ParameterSpace((Parameter("m.a", 0.0, 1.0),), {"m.a": 0.0})


def test_wrong_width_is_refused():
    with pytest.raises(ValueError, match="expected 63 columns"):
        VOICE_63.denormalise(torch.zeros(2, 78))


def test_tables_with_a_name_twice_are_refused():
    row = {"name": "m.a", "minimum": 0, "maximum": 1.0, "curve": 1.0, "symmetric": False}
    with pytest.raises(UserError, match=r"f\.json: parameters\[1\]\.name is 'm\.a'"):
        ParameterSpace.from_table([row, row], {}, "f.json")
    with pytest.raises(UserError, match=r"f\.json: parameters\[0\]\.name is 'm\.a'"):
        ParameterSpace.from_table([row], {"m.a": 0.0}, "f.json")


@pytest.mark.parametrize(
    ("value", "text"), [(None, "null"), (True, "true"), ("x", "'x'"), ("x" * 99, "'" + "x" * 59 + "...")]
)
def test_values_are_shown_in_jsons_words_and_short(value: object, text: str):
    assert shown(value) == text


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(UserError, match=r"did you mean adsr_1\.attack"):
        VOICE_63.index("adsr_1.atack")
    assert VOICE_63.names[VOICE_63.index("adsr_1.attack")] == "adsr_1.attack"


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.1, 127.5])
def test_check_names_preset_parameter_and_range(value: float):
    human = VOICE_63.denormalise(np.full((4, 63), 0.5))
    VOICE_63.check(human)
    human[2, 0] = value
    with pytest.raises(UserError, match=r"file\.json: preset 12, keyboard\.midi_f0 is .*outside 0 to 127 MIDI"):
        VOICE_63.check(human, "file.json", first=10)


def test_dictionary_round_trip_includes_fixed_parameters():
    human = VOICE_63.denormalise(np.full(63, 0.25))
    values = VOICE_63.to_dict(human)
    assert set(values) == set(VOICE_78.names)
    np.testing.assert_array_equal(VOICE_63.from_dict(values), human)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keyboard.midi_f0": None}, "keyboard.midi_f0 is missing"),
        ({"keyboard.pitch": 3.0}, "no parameter 'keyboard.pitch'"),
        ({"keyboard.midi_f0": "high"}, "not a number"),
        ({"keyboard.midi_f0": True}, "not a number"),
        ({"keyboard.midi_f0": 200.0}, "outside 0 to 127"),
        ({"mod_matrix.adsr_2->vco_1_pitch": 0.5}, "holds it at 0"),
    ],
)
def test_bad_dictionaries_are_refused(change: dict[str, object], message: str):
    values: dict[str, object] = dict(VOICE_63.to_dict(VOICE_63.denormalise(np.full(63, 0.25))))
    for name, value in change.items():
        if value is None:
            del values[name]
        else:
            values[name] = value
    with pytest.raises(UserError, match=message):
        VOICE_63.from_dict(values, "preset.json")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("text", "not an object"),
        ({"name": 3}, "name is 3"),
        ({"minimum": "low"}, "minimum is 'low'"),
        ({"maximum": 0.0}, "empty range"),
        ({"curve": 0.0}, "curve <= 0"),
        ({"symmetric": 1}, "symmetric is 1"),
        ({"minimum": float("nan")}, "minimum is nan"),
        ({"maximum": float("inf")}, "maximum is inf"),
        ({"minimum": None}, "minimum is null"),
    ],
)
def test_bad_tables_are_refused(row: object, message: str):
    good = {"name": "m.a", "minimum": 0, "maximum": 1.0, "curve": 1.0, "symmetric": False}
    assert len(ParameterSpace.from_table([good], {})) == 1
    bad = {**good, **row} if isinstance(row, dict) else row
    with pytest.raises(UserError, match=message):
        ParameterSpace.from_table([bad], {}, "file.json")
    with pytest.raises(UserError, match="fixed"):
        ParameterSpace.from_table([good], {"m.b": float("nan")})
    with pytest.raises(UserError, match="fixed.*true"):
        ParameterSpace.from_table([good], {"m.b": True})
    with pytest.raises(UserError, match="parameters is no list"):
        ParameterSpace.from_table({"m.a": good}, {})
