//! `tei.v1.Tokenize`: what a model's tokenizer makes of a text, and back.

use std::sync::Arc;

use axum::Router;

use crate::host::App;
use crate::predict::check_length;
use crate::problem::Problem;
use crate::protocols::grpc::call::Context;
use crate::protocols::grpc::service::method;
use crate::protocols::grpc::tei::stream;
use crate::protocols::grpc::tei_messages::{
    DecodeRequest, DecodeResponse, EncodeRequest, EncodeResponse, SimpleToken,
};
use crate::protocols::tokenize::{Token, chosen, prompt_of, text_of, tokenizer, tokens};

/// Adds the methods to `router`.
pub(super) fn router(router: Router<Arc<App>>) -> Router<Arc<App>> {
    let router = method(router, "tei.v1.Tokenize/Tokenize", tokenize);
    let router = stream(router, "tei.v1.Tokenize/TokenizeStream", tokenize);
    let router = method(router, "tei.v1.Tokenize/Decode", decode);
    stream(router, "tei.v1.Tokenize/DecodeStream", decode)
}

async fn tokenize(context: Context, request: EncodeRequest) -> Result<EncodeResponse, Problem> {
    let chosen = chosen(&context.app.table(), &context.headers)?;
    context.exchange.note.caller().may_ask(&chosen.host.name)?;
    check_length(&chosen.host, &request.inputs, || "inputs".to_owned())?;
    let prompt = prompt_of(&chosen, request.prompt_name.as_deref())?;
    let text = format!("{prompt}{}", request.inputs);
    let tokens = tokens(tokenizer(&chosen)?, &text, request.add_special_tokens)?;
    let simple = |token: Token| SimpleToken {
        id: token.id,
        text: token.text,
        special: token.special,
        start: token.start,
        stop: token.stop,
    };
    Ok(EncodeResponse { tokens: tokens.into_iter().map(simple).collect() })
}

async fn decode(context: Context, request: DecodeRequest) -> Result<DecodeResponse, Problem> {
    let chosen = chosen(&context.app.table(), &context.headers)?;
    context.exchange.note.caller().may_ask(&chosen.host.name)?;
    let text = text_of(tokenizer(&chosen)?, &request.ids, request.skip_special_tokens)?;
    Ok(DecodeResponse { text })
}
