//! Inference architectures and the model artifact.
