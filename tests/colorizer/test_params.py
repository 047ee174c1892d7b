import pytest
from hypothesis import given
from hypothesis import strategies as st

from colorizer.errors import InputError
from colorizer.files import write_yaml
from colorizer.params import ModelParams, Params, TrainParams, load_params, validated
from tests.conftest import UNET_WITH_BINS, small_params


def load(folder, changes) -> Params:
    params = small_params()
    for section, values in changes.items():
        params[section] |= values
    write_yaml(folder / "params.yaml", params)
    return load_params(folder / "params.yaml")


BINS = UNET_WITH_BINS
UNET = {"network": "unet", "color_space": "ycbcr", "depth": 1}
BAD_VALUES = [
    ({"model": {"kernels": 0}}, "model.kernels is 0: Input should be greater than or equal to 1"),
    ({"model": {"kernels": "8"}}, "model.kernels is '8': Input should be a valid integer"),
    ({"model": {"kernals": 8}}, "model.kernals is 8: Extra inputs are not permitted"),
    ({"model": {"network": "a\nb"}}, r"model.network is 'a\nb': Input should be 'plain' or 'unet'"),
    ({"train": {"learning_rate": float("nan")}}, "train.learning_rate is nan: "),
    ({"train": {"learning_rate": 0.0}}, "train.learning_rate is 0.0: Input should be greater than"),
    ({"train": {"launcher": "torchrun;ls"}}, "train.launcher is 'torchrun;ls': String should"),
    ({"predict_test": {"count": "some"}}, "predict_test.count is 'some': Input should be a valid"),
    ({"data": {"name": "../etc"}}, "data.name is '../etc': String should match pattern"),
    ({"data": {"name": True}}, "data.name is True: Input should be a valid string"),
]
BAD_COMBINATIONS = [
    ({"model": {"kernel_size": 4}}, "model: kernel_size is 4 but should be odd"),
    ({"model": {"conv_layers": 1, "dropout": 0.1}}, "model: one convolution has no hidden layer"),
    ({"model": {"conv_layers": 1, "batch_norm": "hidden"}}, "model: one convolution has no hidden"),
    ({"model": UNET | {"batch_norm": "all"}}, "model: batch_norm all is for network plain"),
    ({"model": {"track_running_stats": False}}, "model: track_running_stats false needs"),
    ({"model": {"depth": 1}}, "model: depth, patch_size and output_stride need network unet"),
    ({"model": {"coord_channels": True}}, "model: coord_channels needs network unet"),
    ({"model": UNET | {"output_stride": 4}}, "model: output_stride is 4 but should be 1 or 2"),
    ({"model": UNET | {"color_space": "rgb", "output_stride": 2}}, "model: output_stride above 1"),
    ({"model": BINS | {"chroma_bins": 1}}, "model: chroma_bins is 1 but should be 0, or 2"),
    ({"model": BINS | {"tanh": True}}, "model: chroma_bins need color_space ycbcr and tanh false"),
    ({"model": {"chroma_range": 0.5}}, "model: chroma_range below 1.0 needs chroma_bins"),
    ({"train": {"momentum": 0.9, "optimizer": "adam"}}, "train: momentum is for sgd and rmsprop"),
    ({"train": {"contrast_weight": 1.0}}, "train: contrast_weight is for loss cross_entropy"),
    ({"train": {"loss": "cross_entropy"}}, "train.loss is cross_entropy and model.chroma_bins is"),
    ({"model": BINS}, "train.loss is mse and model.chroma_bins is 33; cross_entropy goes with"),
    ({"model": {"color_space": "lab"}, "train": {"loss": "huber"}}, "train.loss is huber; model."),
]
ALLOWED = [
    {"model": {"conv_layers": 1, "batch_norm": "all", "track_running_stats": False}},
    {"model": UNET | {"output_stride": 2, "conv_layers": 1, "dropout": 0.1}},
    {"model": UNET | {"color_space": "rgb", "coord_channels": True, "batch_norm": "hidden"}},
    {"model": UNET | {"depth": 2, "patch_size": 3, "output_stride": 6}},
    {"model": BINS | {"chroma_bins": 2}, "train": {"loss": "cross_entropy", "contrast_weight": 1}},
    {"model": {"color_space": "lab"}, "train": {"loss": "l1"}},
    {"train": {"momentum": 0.9, "optimizer": "rmsprop", "launcher": "torchrun --standalone"}},
    {"predict_test": {"count": "all"}},
]


@pytest.mark.parametrize(("changes", "message"), BAD_VALUES + BAD_COMBINATIONS)
def test_a_bad_value_is_one_line_that_names_section_key_and_value(tmp_path, changes, message):
    with pytest.raises(InputError) as raised:
        load(tmp_path, changes)
    assert str(raised.value).startswith(f"{tmp_path}/params.yaml: {message}")
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("changes", ALLOWED)
def test_what_the_rules_allow_is_kept(tmp_path, changes):
    params = load(tmp_path, changes)
    for section, values in changes.items():
        assert getattr(params, section).model_dump().items() >= values.items()


@pytest.mark.parametrize(("name", "text"), [(2024, "2024"), (1.5, "1.5"), ("faces", "faces")])
def test_the_name_of_a_data_set_is_text(tmp_path, name, text):
    assert load(tmp_path, {"data": {"name": name}}).data.name == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Input should be a valid dictionary"),
        ("data:\n", "data is None: Input should be a valid dictionary"),
        ("data: {}\n", r"data\.name: Field required; sample: Field required"),
    ],
)
def test_a_file_without_the_sections_is_refused(tmp_path, text, message):
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        load_params(tmp_path / "params.yaml")


def test_all_bad_values_are_reported_at_once():
    wrong = small_params()["train"] | {"seed": -1, "epochs": 0}
    with pytest.raises(InputError, match=r"^train: seed is -1: .*; epochs is 0: "):
        validated(wrong, TrainParams, "train")


@given(patch_size=st.integers(1, 16), depth=st.integers(0, 8), halvings=st.integers(0, 8))
def test_up_blocks_double_the_resolution_up_to_the_output_stride(patch_size, depth, halvings):
    stride = patch_size * 2 ** min(halvings, depth)
    keys = UNET | {"patch_size": patch_size, "depth": depth, "output_stride": stride}
    model = ModelParams(**small_params()["model"] | keys)
    assert stride * 2**model.up_blocks == patch_size * 2**depth
