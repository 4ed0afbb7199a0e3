import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_model_analysis as tfma
from google.protobuf import json_format
from PIL import Image
from sklearn import metrics
from tensorflow_model_analysis.api import dataframe
from tfx.components.evaluator import executor
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils, standard_artifacts

import schema
from components.evaluation import extractors, tally
from components.evaluation.figures import EvaluationError
from components.evaluation.mistakes import find
from components.evaluation.reader import read_evaluation, read_figures, read_mistakes
from pipeline import config, evaluation
from pipeline.engine.beam.arguments import make_arguments
from trainer_module import features

NAMES = features.CLASS_NAMES


class Lookup(tf.Module):
    """A model whose predictions stand in the examples, under a key of their own."""

    def __init__(self, key):
        super().__init__()
        self.spec = {key: tf.io.FixedLenFeature([features.NUM_CLASSES], tf.float32)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def serve(self, examples):
        [probabilities] = tf.io.parse_example(examples, self.spec).values()
        return {"probabilities": probabilities}


def predict(truth, guesses, certainty=0.7):
    """Probabilities float32 [N, 10], with more or less certain guesses."""
    others = (1 - certainty) / (features.NUM_CLASSES - 1)
    probabilities = np.full((len(truth), features.NUM_CLASSES), others, np.float32)
    certainties = np.linspace(certainty, 0.95, len(truth))
    probabilities[np.arange(len(truth)), guesses] = certainties
    return probabilities / probabilities.sum(axis=1, keepdims=True)


def png(label):
    """An image of a class, the darker and the emptier the lower the label."""
    image = np.zeros([features.IMAGE_SIZE] * 2, np.uint8)
    image[: 3 * label] = 25 * label
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def evaluate(
    directory,
    truth,
    settings,
    *,
    candidate,
    baseline=None,
    build=evaluation.build_eval_config,
):
    """Runs the Evaluator of TFX on such models; returns the directory of its `evaluation`."""
    models = {"candidate": candidate}
    if baseline is not None:
        models["baseline"] = baseline
    examples = standard_artifacts.Examples()
    examples.uri = str(directory / "examples")
    examples.split_names = artifact_utils.encode_split_names(["test"])
    (directory / "examples" / "Split-test").mkdir(parents=True)
    file = directory / "examples" / "Split-test" / "data-00000-of-00001.gz"
    with tf.io.TFRecordWriter(str(file), "GZIP") as writer:
        for row, label in enumerate(truth):
            feature = {
                features.IMAGE: tf.train.Feature(bytes_list=tf.train.BytesList(value=[png(label)])),
                features.LABEL: tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
            } | {
                key: tf.train.Feature(float_list=tf.train.FloatList(value=probabilities[row]))
                for key, probabilities in models.items()
            }
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())
    inputs = {"examples": [examples]}
    for number, (key, channel) in enumerate(
        [("candidate", "model"), ("baseline", "baseline_model")][: len(models)], start=1
    ):
        model = standard_artifacts.Model()
        model.uri, model.id = str(directory / key), number
        lookup = Lookup(key)
        tf.saved_model.save(
            lookup, f"{model.uri}/Format-Serving", {"serving_default": lookup.serve}
        )
        inputs[channel] = [model]
    curated = standard_artifacts.Schema()
    curated.uri = str(schema.SCHEMA_FILE.parent)
    outputs = {
        "evaluation": [standard_artifacts.ModelEvaluation()],
        "blessing": [standard_artifacts.ModelBlessing()],
    }
    for key, [artifact] in outputs.items():
        artifact.uri = str(directory / key)
        Path(artifact.uri).mkdir()
    executor.Executor(
        base_beam_executor.BaseBeamExecutor.Context(
            beam_pipeline_args=make_arguments(config.Config()),
            tmp_dir=str(directory),
            unique_id="1",
        )
    ).Do(
        inputs,
        outputs,
        {
            "eval_config": json_format.MessageToJson(
                build(settings), preserving_proto_field_name=True
            ),
            "example_splits": json.dumps(["test"]),
            "module_path": extractors.__name__,
            "fairness_indicator_thresholds": "null",
        },
    )
    return str(directory / "evaluation")


def mistake(labels, true, guess, every):
    """Takes some of the guesses at one class for another class."""
    guesses = labels.copy()
    guesses[np.flatnonzero(labels == true)[::every]] = guess
    return guesses


GOOD_TRUTH = np.arange(150) % 10
GOOD_GUESSES = mistake(mistake(GOOD_TRUTH, 6, 0, every=3), 9, 7, every=5)
GOOD_GUESSES[16] = 2

BAD_TRUTH = np.array([label for label in np.arange(150) % 10 if label != NAMES.index("Coat")])
BAD_GUESSES = mistake(BAD_TRUTH, NAMES.index("Shirt"), NAMES.index("T-shirt/top"), every=1)
BAD_GUESSES[np.flatnonzero(np.equal(BAD_TRUTH, NAMES.index("Pullover")))[:3]] = NAMES.index("Coat")
BAD_BASELINE_GUESSES = mistake(BAD_TRUTH, NAMES.index("Dress"), NAMES.index("Bag"), every=2)


LENIENT = {"default": 0.0, "Shirt": 0.0}


@pytest.fixture(scope="module")
def blessed_directory(tmp_path_factory):
    """Of a first model: a few mistakes, no baseline."""
    probabilities = predict(GOOD_TRUTH, GOOD_GUESSES)
    directory = tmp_path_factory.mktemp("blessed")
    settings = config.Evaluation(max_loss=1)
    return evaluate(directory, GOOD_TRUTH, settings, candidate=probabilities)


@pytest.fixture(scope="module")
def blessed(blessed_directory):
    return read_evaluation(blessed_directory)


@pytest.fixture(scope="module")
def refused_directory(tmp_path_factory):
    """A later model that misses many a threshold, on data without Coat.

    It takes every Shirt for a T-shirt, and now and then a Pullover for a Coat. The last
    blessed model makes fewer mistakes. Both are compared with a confidence interval.
    """
    directory = tmp_path_factory.mktemp("refused")
    settings = config.Evaluation(
        min_accuracy=0.9,
        max_loss=0.1,
        min_recall={"default": 0.0, "Shirt": 0.5, "Coat": 0.5},
        min_f1={"default": 0.0, "Shirt": 0.4},
        max_accuracy_drop=0.02,
        max_recall_drop=0.5,
        confidence_intervals="jackknife",
    )
    return evaluate(
        directory,
        BAD_TRUTH,
        settings,
        candidate=predict(BAD_TRUTH, BAD_GUESSES),
        baseline=predict(BAD_TRUTH, BAD_BASELINE_GUESSES),
    )


@pytest.fixture(scope="module")
def refused(refused_directory):
    return read_evaluation(refused_directory)


EVALUATED = {"blessed": (GOOD_TRUTH, GOOD_GUESSES), "refused": (BAD_TRUTH, BAD_GUESSES)}


@pytest.fixture(params=EVALUATED)
def case(request):
    """An evaluation, with what was evaluated."""
    return request.getfixturevalue(request.param), *EVALUATED[request.param]


def approx(value):
    return pytest.approx(value, abs=1e-6)


def log_loss(truth, guesses, where):
    probabilities = predict(truth, guesses)[where].astype(np.float64)
    return metrics.log_loss(truth[where], probabilities, labels=range(10))


def test_overall_figures_are_those_of_scikit_learn(case):
    result, truth, guesses = case
    assert result.overall.examples == len(truth)
    assert result.overall.accuracy == approx(metrics.accuracy_score(truth, guesses))
    assert result.overall.loss == approx(log_loss(truth, guesses, np.s_[:]))


def test_class_figures_are_those_of_scikit_learn(case):
    result, truth, guesses = case
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        truth, guesses, labels=range(10), zero_division=np.nan
    )
    for label, name in enumerate(NAMES):
        if name not in result.classes:
            continue
        found = result.classes[name]
        assert found.examples == support[label]
        assert found.accuracy == approx(recall[label])
        assert found.loss == approx(log_loss(truth, guesses, truth == label))
        assert found.f1 == approx(f1[label])
        if found.precision is None:
            assert np.isnan(precision[label])
        else:
            assert found.precision == approx(precision[label])


@pytest.mark.parametrize("name", EVALUATED)
def test_mistakes_are_those_of_the_candidate(request, name):
    truth, guesses = EVALUATED[name]
    found = read_mistakes(request.getfixturevalue(f"{name}_directory"))
    probabilities = predict(truth, guesses)
    assert found == list(find(truth, probabilities, [png(label) for label in truth]))
    assert len(found) == (guesses != truth).sum()


@pytest.mark.parametrize("name", EVALUATED)
def test_tfma_reads_and_shows_what_is_no_figure_of_its_own_too(request, name):
    directory = request.getfixturevalue(f"{name}_directory")
    result = tfma.load_eval_result(directory)
    by_name = {spec.is_baseline: spec.name for spec in result.config.model_specs}
    of_model = {
        is_baseline: tfma.load_eval_result(directory, model_name=model)
        for is_baseline, model in by_name.items()
    }
    assert of_model[False].slicing_metrics == result.slicing_metrics
    assert of_model[False].attributions == result.attributions
    tables = dataframe.metrics_as_dataframes(tfma.load_metrics(directory))
    assert len(tables.double_value) > 0
    assert tables.array_value is None


def test_evaluation_of_before_mistakes_were_kept_has_none(tmp_path):
    settings = config.Evaluation()

    def build(settings):
        built = evaluation.build_figures_config(settings)
        kept = [one for one in built.metrics_specs[0].metrics if one.class_name != "Mistakes"]
        del built.metrics_specs[0].metrics[:]
        built.metrics_specs[0].metrics.extend(kept)
        return built

    probabilities = predict(GOOD_TRUTH, GOOD_GUESSES)
    directory = evaluate(tmp_path, GOOD_TRUTH, settings, candidate=probabilities, build=build)
    assert read_mistakes(directory) == []


def test_mistakes_are_counted(case):
    result, truth, guesses = case
    assert (result.mistaken, result.not_numbers) == ((guesses != truth).sum(), 0)


def test_most_confused_with_is_the_largest_mistake_in_the_confusion_matrix(case):
    result, truth, guesses = case
    mistakes = metrics.confusion_matrix(truth, guesses, labels=range(10))
    np.fill_diagonal(mistakes, 0)
    for label, name in enumerate(NAMES):
        if name in result.classes:
            largest = NAMES[mistakes[label].argmax()] if mistakes[label].any() else None
            assert result.classes[name].most_confused_with == largest


def test_the_most_frequent_mistake_counts_not_the_first(blessed):
    assert blessed.classes["Shirt"].most_confused_with == "T-shirt/top"


def test_classes_are_named_in_the_order_of_their_labels(blessed):
    assert tuple(blessed.classes) == NAMES


def test_a_model_that_reaches_every_threshold_is_blessed_without_reasons(blessed):
    assert blessed.blessed
    assert blessed.reasons == []


def test_figures_are_the_candidates_where_a_baseline_stands_beside_it(refused):
    accuracy = metrics.accuracy_score(BAD_TRUTH, BAD_GUESSES)
    assert accuracy != metrics.accuracy_score(BAD_TRUTH, BAD_BASELINE_GUESSES)
    assert refused.overall.accuracy == approx(accuracy)


def test_a_class_missing_from_the_data_is_left_out(refused):
    assert set(NAMES) - set(refused.classes) == {"Coat"}


def test_a_class_that_is_missing_from_the_data_can_still_be_confused_with(refused):
    assert refused.classes["Pullover"].most_confused_with == "Coat"


def test_a_class_never_predicted_has_no_precision_and_an_f1_of_zero(refused):
    shirt = refused.classes["Shirt"]
    assert (shirt.accuracy, shirt.precision, shirt.f1) == (0.0, None, 0.0)


def test_further_figures_are_those_of_the_same_predictions(case):
    result, truth, guesses = case
    counted = tally.count(truth, predict(truth, guesses))
    assert result.confusion == counted.confusion.tolist()
    for name, figure in tally.FIGURES.items():
        assert getattr(result.overall, name) == approx(figure(counted))
    for label, name in enumerate(NAMES):
        if name in result.classes:
            auc = tally.CLASS_FIGURES["auc"](counted, label)
            assert result.classes[name].auc == approx(auc)


def test_slices_are_cut_by_the_images_and_have_their_figures(blessed):
    assert {cut: list(parts) for cut, parts in blessed.slices.items()} == {
        "ink": ["under 35 %", "35 % to 50 %", "50 % to 65 %", "65 % and over"],
        "brightness": ["under 20 %", "20 % to 30 %", "30 % to 40 %", "40 % and over"],
        "group": ["easily confused", "others"],
    }
    confused = np.isin(GOOD_TRUTH, [0, 2, 4, 6])
    part = blessed.slices["group"]["easily confused"]
    assert part.examples == confused.sum()
    assert part.accuracy == approx((GOOD_TRUTH == GOOD_GUESSES)[confused].mean())
    assert part.loss == approx(log_loss(GOOD_TRUTH, GOOD_GUESSES, confused))
    # An image of Dress has nine of 28 rows of ink, one of Coat twelve.
    assert blessed.slices["ink"]["under 35 %"].examples == (GOOD_TRUTH <= 3).sum()


def test_figures_alone_are_the_candidates_as_well(refused_directory, refused):
    assert read_figures(refused_directory).overall == refused.overall


def test_a_first_model_has_no_baseline_and_a_note_says_so(blessed):
    assert blessed.baseline is None
    assert blessed.notes == ["there is no baseline yet, so no figure could drop below one"]


def test_a_later_model_has_the_baselines_figures_beside_its_own(refused):
    accuracy = metrics.accuracy_score(BAD_TRUTH, BAD_BASELINE_GUESSES)
    assert refused.baseline.overall.accuracy == approx(accuracy)
    assert refused.baseline.classes["Shirt"].accuracy == 1.0


def test_what_the_data_lacks_is_noted(refused):
    assert refused.notes == [
        "the test split has no Coat",
        "the test split has no image with ink 35 % to 50 %",
    ]


def test_a_refusal_has_a_miss_for_each_threshold_that_was_missed(refused):
    accuracy = metrics.accuracy_score(BAD_TRUTH, BAD_GUESSES)
    drop = metrics.accuracy_score(BAD_TRUTH, BAD_BASELINE_GUESSES) - accuracy
    loss = log_loss(BAD_TRUTH, BAD_GUESSES, np.s_[:])
    assert not refused.blessed
    found = {(one.metric, one.slice, one.kind): (one.value, one.bound) for one in refused.misses}
    coat = [found.pop(("recall", "Coat", kind)) for kind in ("floor", "drop")]
    assert coat == [(None, 0.5), (None, 0.5)]
    assert found == {
        ("accuracy", "overall", "floor"): (approx(accuracy), 0.9),
        ("accuracy", "overall", "drop"): (approx(drop), 0.02),
        ("loss", "overall", "ceiling"): (approx(loss), 0.1),
        ("recall", "Shirt", "floor"): (0.0, 0.5),
        ("recall", "Shirt", "drop"): (1.0, 0.5),
        ("f1", "Shirt", "floor"): (0.0, 0.4),
    }
    for one in refused.misses:
        if one.value is not None:
            assert one.by == approx(abs(one.value - one.bound))


def test_a_figure_that_is_not_known_is_a_reason_by_its_name(refused):
    assert refused.reasons[0] == "recall of Coat is not a number"
    assert len(refused.reasons) == 7


def test_intervals_are_there_where_asked_for(refused, blessed):
    low, high = refused.overall.intervals["accuracy"]
    assert low < refused.overall.accuracy < high
    assert set(refused.classes["Dress"].intervals) >= {"accuracy", "f1"}
    assert blessed.overall.intervals == {}


def test_a_model_whose_predictions_are_not_numbers_is_refused_for_that(tmp_path):
    probabilities = predict(GOOD_TRUTH, GOOD_GUESSES)
    probabilities[3] = np.nan
    settings = config.Evaluation(min_recall=LENIENT, min_f1=LENIENT)
    directory = evaluate(tmp_path, GOOD_TRUTH, settings, candidate=probabilities)
    result = read_evaluation(directory)
    assert not result.blessed
    assert (result.not_numbers, result.mistaken) == (1, 1 + (GOOD_GUESSES != GOOD_TRUTH).sum())
    assert len(read_mistakes(directory)) == (GOOD_GUESSES != GOOD_TRUTH).sum()
    assert result.reasons == ["accuracy overall and loss overall are not a number"]
    assert result.notes[0].startswith("some of the model's predictions are not numbers")
    assert np.isnan(result.overall.loss)
    # Of other classes, what is known is told.
    assert result.classes["Trouser"].accuracy == 1


@pytest.mark.parametrize("name", ["eval_config.json", "metrics", "plots", "validations"])
@pytest.mark.parametrize("how", ["missing", "cut off"])
def test_an_evaluation_that_was_cut_off_is_refused_in_a_sentence(
    blessed_directory, tmp_path, name, how
):
    copy = tmp_path / "evaluation"
    shutil.copytree(blessed_directory, copy)
    [file] = copy.glob(f"{name}*")
    if how == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(EvaluationError, match=f"^The evaluation in {copy} .*: run the Evaluator"):
        read_evaluation(str(copy))


def test_figures_are_read_of_an_evaluation_that_judges_nothing(tmp_path, blessed):
    figures = read_figures(
        evaluate(
            tmp_path,
            GOOD_TRUTH,
            config.Evaluation(max_loss=1),
            candidate=predict(GOOD_TRUTH, GOOD_GUESSES),
            build=evaluation.build_figures_config,
        )
    )
    assert dict(figures) == {name: getattr(blessed, name) for name in type(figures).model_fields}
    # Nothing that looks for a blessed model can take it for one.
    assert not list((tmp_path / "blessing").iterdir())


def test_figures_that_were_cut_off_are_refused_in_a_sentence(tmp_path):
    with pytest.raises(EvaluationError, match=r"was cut off, it has no eval_config.json"):
        read_figures(str(tmp_path))


def test_an_empty_test_split_is_refused_in_a_sentence(tmp_path):
    none = np.zeros([0], np.int64)
    directory = evaluate(tmp_path, none, config.Evaluation(), candidate=predict(none, none))
    with pytest.raises(EvaluationError, match="the test split is empty"):
        read_evaluation(directory)


def test_results_open_in_tfmas_own_tools(blessed_directory):
    result = tfma.load_eval_result(blessed_directory)
    assert len(result.get_slice_names()) == 1 + 10 + 4 + 4 + 2
    shirt = ((features.LABEL, NAMES.index("Shirt")),)
    assert result.get_metrics_for_slice(shirt)["accuracy"]["doubleValue"] == approx(0.6)
    view = tfma.view.render_slicing_metrics(result, slicing_column=features.LABEL)
    # What the widget shows is data first: no notebook is needed to look at it.
    [shown] = [row for row in view.data if row["slice"] == f"{features.LABEL}:6"]
    assert shown["metrics"][""][""]["accuracy"]["doubleValue"] == approx(0.6)
    assert shown["metrics"][""][""][view.config["weightedExamplesColumn"]]["doubleValue"] == 15
    assert tfma.view.render_plot(result)
