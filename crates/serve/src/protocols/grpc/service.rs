//! The methods of `inference.GRPCInferenceService`.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::Request;
use axum::routing::post;
use prost::Message;

use crate::host::{App, Host};
use crate::problem::Problem;
use crate::protocols::grpc::call::{Context, unary};
use crate::protocols::grpc::infer::infer;
use crate::protocols::grpc::messages::{
    ConfigInput, ConfigOutput, Empty, InferStatistics, ModelConfig, ModelConfigResponse, ModelIndex,
    ModelMetadataResponse, ModelRequest, ModelStatistics, ModelStatisticsResponse, ReadyResponse,
    RepositoryIndexRequest, RepositoryIndexResponse, RepositoryModelRequest, ServerLiveResponse,
    ServerMetadataResponse, StatisticDuration, TensorMetadata,
};
use crate::protocols::open_inference::{self, ModelPath, PLATFORM};
use crate::protocols::statistics::{Statistics, Timed};
use crate::protocols::{repository, tensor_input};

/// Triton's number for strings, and for 32-bit floats.
const TYPE_STRING: i32 = 13;
const TYPE_FP32: i32 = 11;

/// Adds the methods to `router`.
pub(crate) fn router(router: Router<Arc<App>>) -> Router<Arc<App>> {
    let router = method(router, "inference.GRPCInferenceService/ServerLive", |_, _: Empty| async {
        Ok(ServerLiveResponse { live: true })
    });
    let router =
        method(router, "inference.GRPCInferenceService/ServerReady", |context, _: Empty| async move {
            Ok(ReadyResponse { ready: context.app.is_ready() })
        });
    let router = method(router, "inference.GRPCInferenceService/ServerMetadata", |_, _: Empty| async {
        Ok(server_metadata())
    });
    let router = method(router, "inference.GRPCInferenceService/ModelReady", model_ready);
    let router = method(router, "inference.GRPCInferenceService/ModelMetadata", model_metadata);
    let router = method(router, "inference.GRPCInferenceService/ModelConfig", model_config);
    let router = method(router, "inference.GRPCInferenceService/ModelStatistics", model_statistics);
    let router = method(router, "inference.GRPCInferenceService/ModelInfer", infer);
    let router = method(router, "inference.GRPCInferenceService/RepositoryIndex", repository_index);
    let router = method(router, "inference.GRPCInferenceService/RepositoryModelLoad", repository_load);
    method(router, "inference.GRPCInferenceService/RepositoryModelUnload", repository_unload)
}

/// Adds the unary method called `name`, as `package.Service/Method`.
pub(crate) fn method<Q, A, W, F>(router: Router<Arc<App>>, name: &str, work: W) -> Router<Arc<App>>
where
    Q: Message + Default + 'static,
    A: Message + 'static,
    W: Fn(Context, Q) -> F + Copy + Send + Sync + 'static,
    F: Future<Output = Result<A, Problem>> + Send + 'static,
{
    let handler = move |State(app): State<Arc<App>>, request: Request<Body>| unary(app, request, work);
    router.route(&format!("/{name}"), post(handler))
}

fn server_metadata() -> ServerMetadataResponse {
    ServerMetadataResponse {
        name: "loquat".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        extensions: open_inference::EXTENSIONS.map(str::to_owned).to_vec(),
    }
}

/// What a message names; an empty version is none.
pub(crate) fn named(name: String, version: String) -> ModelPath {
    ModelPath { model: name, version: Some(version).filter(|version| !version.is_empty()) }
}

async fn model_ready(context: Context, request: ModelRequest) -> Result<ReadyResponse, Problem> {
    let (host, version) = open_inference::place(&context.app, named(request.name, request.version))?;
    let ready = !context.app.is_draining() && context.app.version(&host, version).await.is_ok();
    Ok(ReadyResponse { ready })
}

async fn model_metadata(context: Context, request: ModelRequest) -> Result<ModelMetadataResponse, Problem> {
    let (host, version) = open_inference::place(&context.app, named(request.name, request.version))?;
    let pipeline = context.app.version(&host, version).await?;
    let input = TensorMetadata {
        name: tensor_input::INPUT.to_owned(),
        datatype: "BYTES".to_owned(),
        shape: vec![-1],
    };
    let output = |tensor: &open_inference::TensorMetadata| TensorMetadata {
        name: tensor.name.to_owned(),
        datatype: tensor.datatype.to_owned(),
        shape: tensor.shape.clone(),
    };
    Ok(ModelMetadataResponse {
        name: host.name.clone(),
        versions: host.versions.iter().map(u32::to_string).collect(),
        platform: PLATFORM.to_owned(),
        inputs: vec![input],
        outputs: open_inference::outputs(&pipeline).iter().map(output).collect(),
    })
}

async fn model_config(context: Context, request: ModelRequest) -> Result<ModelConfigResponse, Problem> {
    let (host, version) = open_inference::place(&context.app, named(request.name, request.version))?;
    let pipeline = context.app.version(&host, version).await?;
    let output = |tensor: &open_inference::TensorMetadata| ConfigOutput {
        name: tensor.name.to_owned(),
        data_type: if tensor.datatype == "BYTES" { TYPE_STRING } else { TYPE_FP32 },
        dims: tensor.shape.clone(),
    };
    let input = ConfigInput { name: tensor_input::INPUT.to_owned(), data_type: TYPE_STRING, dims: vec![-1] };
    let config = ModelConfig {
        name: host.name.clone(),
        platform: PLATFORM.to_owned(),
        input: vec![input],
        output: open_inference::outputs(&pipeline).iter().map(output).collect(),
        backend: "loquat".to_owned(),
    };
    Ok(ModelConfigResponse { config: Some(config) })
}

/// Of one model, or of all where none is named.
async fn model_statistics(
    context: Context,
    request: ModelRequest,
) -> Result<ModelStatisticsResponse, Problem> {
    if request.name.is_empty() {
        let table = context.app.table();
        let model_stats = table.hosts.values().map(|host| statistics(host)).collect();
        return Ok(ModelStatisticsResponse { model_stats });
    }
    let (host, version) = open_inference::place(&context.app, named(request.name, request.version))?;
    context.app.version(&host, version).await?;
    Ok(ModelStatisticsResponse { model_stats: vec![statistics(&host)] })
}

fn statistics(host: &Host) -> ModelStatistics {
    let statistics = Statistics::of(host);
    let timed = |timed: Timed| Some(StatisticDuration { count: timed.count, ns: timed.ns });
    let inference_stats = InferStatistics {
        success: timed(statistics.success()),
        fail: timed(statistics.fail),
        queue: timed(statistics.queue),
        compute_infer: timed(statistics.infer),
    };
    ModelStatistics {
        name: statistics.name,
        version: statistics.version,
        inference_count: statistics.inferences,
        execution_count: statistics.executions,
        inference_stats: Some(inference_stats),
    }
}

async fn repository_index(
    context: Context,
    request: RepositoryIndexRequest,
) -> Result<RepositoryIndexResponse, Problem> {
    let entries = repository::index(&context.app, request.ready).into_iter();
    let entry = |entry: repository::Entry| ModelIndex {
        name: entry.name,
        version: entry.version,
        state: entry.state.to_owned(),
        reason: entry.reason,
    };
    Ok(RepositoryIndexResponse { models: entries.map(entry).collect() })
}

async fn repository_load(context: Context, request: RepositoryModelRequest) -> Result<Empty, Problem> {
    repository::load_model(&context.app, &context.exchange, &request.model_name)?;
    Ok(Empty {})
}

async fn repository_unload(context: Context, request: RepositoryModelRequest) -> Result<Empty, Problem> {
    repository::unload_model(&context.app, &context.exchange, &request.model_name)?;
    Ok(Empty {})
}
