"""The Keras 3 plug-in: operators as layers, on whichever backend Keras runs."""
