//! Records that rustls writes into buffers.

use std::io::{self, ErrorKind};

use rustls::server::ServerConnectionData;
use rustls::unbuffered::{EncodeError, EncodeTlsData, EncryptError};

/// Why rustls has not written a record.
pub(super) enum NotWritten {
    /// It needs this many bytes.
    Room(usize),
    Failed(io::Error),
}

impl From<EncodeError> for NotWritten {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::InsufficientSize(size) => Self::Room(size.required_size),
            error => Self::Failed(io::Error::other(error)),
        }
    }
}

impl From<EncryptError> for NotWritten {
    fn from(error: EncryptError) -> Self {
        match error {
            EncryptError::InsufficientSize(size) => Self::Room(size.required_size),
            error => Self::Failed(io::Error::other(error)),
        }
    }
}

/// Appends a record of the protocol.
pub(super) fn encode(
    outgoing: &mut Vec<u8>,
    mut data: EncodeTlsData<'_, ServerConnectionData>,
) -> io::Result<()> {
    let begin = outgoing.len();
    let end = fill(outgoing, begin, 0, |out| data.encode(out))?;
    outgoing.truncate(end);
    Ok(())
}

/// Writes records to `buffer` from `begin` on, with `room` bytes or as many as needed. The buffer
/// does not become shorter. Returns their end.
pub(super) fn fill<E: Into<NotWritten>>(
    buffer: &mut Vec<u8>,
    begin: usize,
    mut room: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, E>,
) -> io::Result<usize> {
    loop {
        if buffer.len() < begin + room {
            buffer.resize(begin + room, 0);
        }
        match write(&mut buffer[begin..]).map_err(Into::into) {
            Ok(count) => return Ok(begin + count),
            Err(NotWritten::Room(needed)) if needed > room => room = needed,
            Err(NotWritten::Room(_)) => return Err(ErrorKind::WriteZero.into()),
            Err(NotWritten::Failed(error)) => return Err(error),
        }
    }
}
