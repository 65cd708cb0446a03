"""The TensorFlow plug-in: a backend for plain tensors, eager, in ``tf.function`` and under XLA."""
