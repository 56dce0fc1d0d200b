"""The model that the algorithmic tasks are learned by, and its loss."""

from .decoder import Decoder, ModelConfig, answer_loss, static_answer_loss

__all__ = ["Decoder", "ModelConfig", "answer_loss", "static_answer_loss"]
