//! Why an ONNX file can't be used.

/// What is done about a graph that is not as it should be.
#[cfg(feature = "onnx")]
const ELSEWHERE: &str =
    "import the model's safetensors, or name a server that runs it in spec.server of its Model";

/// Why an ONNX file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum OnnxProblem {
    /// The build has no engine for it.
    #[error(
        "this build runs no ONNX files; build loquat with the feature onnx, or import the model's safetensors"
    )]
    NotBuilt,
    /// The library that the user names can't be loaded.
    #[error(
        "not a usable libonnxruntime: {reason}; name one of version 1.17 or later, such as onnxruntime/capi/libonnxruntime.so.* \
         of the Python package, or none, for the engine of this build"
    )]
    Library {
        /// The cause, in the words of the system.
        reason: String,
    },
    /// There is nothing that could compute on a GPU.
    #[error(
        "no library is named that computes on a GPU; name a libonnxruntime built with CUDA by --onnxruntime, or write gpu: 0"
    )]
    GpuNeedsLibrary,
    /// The library can't compute on a GPU.
    #[error(
        "the libonnxruntime that is named cannot compute on a GPU: {cause}; name one built with CUDA, on a machine with a device and \
         CUDA's libraries, or write gpu: 0"
    )]
    Gpu {
        /// The cause.
        cause: String,
    },
    /// The library can't read the graph, or a run failed.
    #[cfg(feature = "onnx")]
    #[error("{source}; {ELSEWHERE}")]
    LibraryRun {
        /// The cause, which names the operator where it is one.
        source: ort::Error,
    },
    /// It can't be read: it is damaged, weights in another file are missing, or an operator is unknown.
    #[cfg(feature = "onnx")]
    #[error("{source}; export the model with other operators or another opset, {ELSEWHERE}")]
    Load {
        /// The cause, which names the operator where it is one.
        source: rten::LoadError,
    },
    /// A run failed.
    #[cfg(feature = "onnx")]
    #[error("the graph can't be computed: {source}; {ELSEWHERE}")]
    Run {
        /// The cause, which names the operator.
        source: rten::RunError,
    },
    /// It takes no token ids.
    #[error("it has no input input_ids, only {found}; export the model without its tokenizer")]
    NoIds {
        /// Names of its inputs.
        found: String,
    },
    /// It asks for more than a tokenizer gives.
    #[error(
        "it asks for {input:?}; this version gives input_ids, attention_mask and token_type_ids: export the model with these"
    )]
    Input {
        /// Name of the input.
        input: String,
    },
    /// It takes texts of one length only.
    #[error(
        "its input {input:?} has the fixed shape {shape}; export the model with a dynamic batch and sequence length"
    )]
    FixedShape {
        /// Name of the input.
        input: String,
        /// Its shape.
        shape: String,
    },
    /// None of its outputs is what the task needs.
    #[error("it gives {found}, and {wanted} is needed; export the model with that output")]
    Output {
        /// Its outputs with their shapes.
        found: String,
        /// The output that is needed.
        wanted: &'static str,
    },
    /// It gives probabilities, which would be taken for logits.
    #[error(
        "its output {output:?} holds probabilities; export the model with its logits, before the last activation"
    )]
    Probabilities {
        /// Name of the output.
        output: String,
    },
    /// The modules of sentence-transformers that lie beside it are made for states of another width.
    #[error(
        "it gives states of width {width}, and the Dense module beside it takes another; the two belong to different models"
    )]
    Pooling {
        /// Width of its states.
        width: usize,
    },
    /// `config.json` names another number of labels than the graph gives.
    #[error(
        "config.json names {named} labels and the graph gives {width}; the two belong to different models"
    )]
    Labels {
        /// Number of labels named.
        named: usize,
        /// Number of values that the graph gives.
        width: usize,
    },
}
