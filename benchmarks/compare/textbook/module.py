"""What the textbook pipeline has Transform and Trainer run, as TFX's MNIST example writes it."""

import keras
import tensorflow as tf
import tensorflow_transform as tft
from tfx.v1.components import DataAccessor, FnArgs
from tfx_bsl.public import tfxio

from benchmarks.compare import network
from trainer_module import features, served


def preprocessing_fn(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Decodes the PNGs (string [N, 1]), and scales them to [0, 1]; labels stay as they are."""
    images = tf.map_fn(
        lambda png: tf.io.decode_png(png, channels=1),
        tf.reshape(inputs[features.IMAGE], [-1]),
        fn_output_signature=tf.uint8,
    )
    images = tf.ensure_shape(images, [None, features.IMAGE_SIZE, features.IMAGE_SIZE, 1])
    return {
        features.IMAGE: tft.scale_to_0_1(tf.cast(images, tf.float32)),
        features.LABEL: inputs[features.LABEL],
    }


def run_fn(fn_args: FnArgs) -> None:
    """Trains on the transformed examples, and exports the model.

    Args:
        fn_args: what the Trainer passes. `custom_config` has `batch_size` and `epochs`.
    """
    batch_size, epochs = fn_args.custom_config["batch_size"], fn_args.custom_config["epochs"]
    transform = tft.TFTransformOutput(fn_args.transform_output)
    model = network.build()
    network.compile_for(model, fn_args.train_steps, epochs)
    model.fit(
        _read(fn_args.train_files, fn_args.data_accessor, transform, batch_size),
        epochs=epochs,
        steps_per_epoch=fn_args.train_steps,
        validation_data=_read(fn_args.eval_files, fn_args.data_accessor, transform, batch_size),
        validation_steps=fn_args.eval_steps,
        verbose=2,
        callbacks=[keras.callbacks.TensorBoard(fn_args.model_run_dir, update_freq="epoch")],
    )
    model.tft_layer = transform.transform_features_layer()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        spec = transform.raw_feature_spec()
        spec.pop(features.LABEL)
        transformed = model.tft_layer(tf.io.parse_example(examples, spec))
        return {"outputs": model(transformed[features.IMAGE])}

    signatures = {served.SERVING_DEFAULT: serve}
    tf.saved_model.save(model, fn_args.serving_model_dir, signatures=signatures)


def _read(
    files: list[str], accessor: DataAccessor, transform: tft.TFTransformOutput, batch_size: int
) -> tf.data.Dataset:
    options = tfxio.TensorFlowDatasetOptions(batch_size=batch_size, label_key=features.LABEL)
    schema = transform.transformed_metadata.schema
    batches = accessor.tf_dataset_factory(files, options, schema).repeat()
    return batches.map(lambda inputs, labels: (inputs[features.IMAGE], labels))
