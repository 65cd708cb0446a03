"""The Torch plug-in: a backend for plain tensors, and operators as ``torch.nn.Module``."""
