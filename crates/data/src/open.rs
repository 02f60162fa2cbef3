//! Opens files and standard input, decompressing what is compressed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::DataError;
use crate::format::{self, Compression};

/// Bytes buffered of each file.
const BUFFER: usize = 1 << 18;

/// First bytes of gzip streams; no UTF-8 text begins so.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// First bytes of zstd frames; no UTF-8 text begins so.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// An open stream of bytes.
pub(crate) type Stream = Box<dyn BufRead + Send>;

/// Opens `path`, or standard input when it is absent. `file` is its name in messages.
///
/// A stream is decompressed when its name or its first bytes say so.
pub(crate) fn open(path: Option<&Path>, file: &str) -> Result<Stream, DataError> {
    let io_error = |source| DataError::Io { file: file.to_owned(), source };
    let Some(path) = path else {
        return decompress(Box::new(BufReader::with_capacity(BUFFER, io::stdin())), None).map_err(io_error);
    };
    let opened = open_file(path, file)?;
    decompress(Box::new(BufReader::with_capacity(BUFFER, opened)), format::compression(path))
        .map_err(io_error)
}

/// Opens `path` for reading at any place: the file itself, or its decompressed bytes in a temporary file, which
/// lies in `scratch` or else where the system keeps such files, and goes when it is closed.
pub(crate) fn open_seekable(
    path: Option<&Path>,
    file: &str,
    scratch: Option<&Path>,
) -> Result<File, DataError> {
    if let Some(path) = path
        && format::compression(path).is_none()
    {
        return open_file(path, file);
    }
    let stream = open(path, file)?;
    spool(stream, scratch).map_err(|source| DataError::Io { file: file.to_owned(), source })
}

/// Copies the stream into a temporary file.
pub(crate) fn spool(mut stream: impl Read, scratch: Option<&Path>) -> io::Result<File> {
    let mut spooled = match scratch {
        Some(folder) => {
            std::fs::create_dir_all(folder)?;
            tempfile::tempfile_in(folder)?
        }
        None => tempfile::tempfile()?,
    };
    io::copy(&mut stream, &mut spooled)?;
    spooled.rewind()?;
    Ok(spooled)
}

fn open_file(path: &Path, file: &str) -> Result<File, DataError> {
    let opened = File::open(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => DataError::NotFound { path: file.to_owned(), hint: String::new() },
        _ => DataError::Io { file: file.to_owned(), source },
    })?;
    match opened.metadata() {
        Ok(metadata) if metadata.is_dir() => Err(DataError::Folder { path: file.to_owned() }),
        Ok(_) => Ok(opened),
        Err(source) => Err(DataError::Io { file: file.to_owned(), source }),
    }
}

fn decompress(mut stream: Stream, named: Option<Compression>) -> io::Result<Stream> {
    let start = stream.fill_buf()?;
    let compression = match named {
        Some(named) => Some(named),
        None if start.starts_with(&GZIP) => Some(Compression::Gzip),
        None if start.starts_with(&ZSTD) => Some(Compression::Zstd),
        None => None,
    };
    Ok(match compression {
        None => stream,
        Some(Compression::Gzip) => Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(stream))),
        Some(Compression::Zstd) => {
            Box::new(BufReader::with_capacity(BUFFER, zstd::Decoder::with_buffer(stream)?))
        }
    })
}
