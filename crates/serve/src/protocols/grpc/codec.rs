//! Messages as `prost` reads and writes them, save that one which can't be read is the sender's fault, not the server's.

use prost::Message;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder};
use tonic_prost::ProstCodec;

/// Reads `Q`, writes `A`.
pub(super) struct Messages<A, Q>(ProstCodec<A, Q>);

/// Reads messages.
pub(super) struct Reader<D>(D);

impl<A, Q> Default for Messages<A, Q>
where
    A: Message + Send + 'static,
    Q: Message + Default + Send + 'static,
{
    fn default() -> Self {
        Self(ProstCodec::default())
    }
}

impl<A, Q> Codec for Messages<A, Q>
where
    A: Message + Send + 'static,
    Q: Message + Default + Send + 'static,
{
    type Encode = A;
    type Decode = Q;
    type Encoder = <ProstCodec<A, Q> as Codec>::Encoder;
    type Decoder = Reader<<ProstCodec<A, Q> as Codec>::Decoder>;

    fn encoder(&mut self) -> Self::Encoder {
        self.0.encoder()
    }

    fn decoder(&mut self) -> Self::Decoder {
        Reader(self.0.decoder())
    }
}

impl<D: Decoder<Error = Status>> Decoder for Reader<D> {
    type Item = D::Item;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, Status> {
        let read = self.0.decode(buffer);
        read.map_err(|status| {
            Status::invalid_argument(format!("the message can't be read: {}", status.message()))
        })
    }

    fn buffer_settings(&self) -> BufferSettings {
        self.0.buffer_settings()
    }
}
