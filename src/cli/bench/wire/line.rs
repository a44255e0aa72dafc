//! A connection's bytes: TCP or TLS over it, without ever waiting.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use socket2::{Domain, Protocol, Socket, Type};

/// TLS towards one server.
#[derive(Clone)]
pub struct Tls {
    /// Shared by all connections.
    pub config: Arc<ClientConfig>,
    /// Whose certificate is asked for.
    pub name: ServerName<'static>,
}

/// How a connection is opened.
pub struct Opening<'a> {
    /// Where to.
    pub to: SocketAddr,
    /// Where from; `None`: the kernel chooses.
    pub from: Option<SocketAddr>,
    /// `None`: plain.
    pub tls: Option<&'a Tls>,
    /// Bytes that the kernel keeps for a client that does not read; `None`: as many as it likes.
    pub receive: Option<usize>,
}

/// One connection, with what could not be written yet.
pub struct Line {
    stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
    out: Vec<u8>,
}

impl Line {
    /// Begins to connect; it is connected, or has failed, when the stream becomes writable.
    pub fn open(opening: &Opening<'_>) -> io::Result<Self> {
        let socket = Socket::new(
            Domain::for_address(opening.to),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if let Some(bytes) = opening.receive {
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(from) = opening.from {
            socket.bind(&from.into())?;
        }
        match socket.connect(&opening.to.into()) {
            Err(error)
                if error.kind() != ErrorKind::WouldBlock
                    && error.raw_os_error() != Some(libc::EINPROGRESS) =>
            {
                return Err(error);
            }
            _ => {}
        }
        let tls = match opening.tls {
            Some(Tls { config, name }) => {
                let connection = ClientConnection::new(Arc::clone(config), name.clone())
                    .map_err(io::Error::other)?;
                Some(Box::new(connection))
            }
            None => None,
        };
        Ok(Self {
            stream: TcpStream::from_std(socket.into()),
            tls,
            out: Vec::new(),
        })
    }

    /// What a poll watches.
    pub fn source(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Why the connection could not be made, once the stream is writable.
    pub fn check(&self) -> io::Result<()> {
        self.stream.take_error()?.map_or(Ok(()), Err)
    }

    /// A read that brought less than asked for has brought all there was. (Of TLS nobody can tell.)
    pub fn is_plain(&self) -> bool {
        self.tls.is_none()
    }

    /// Puts bytes behind what waits to be written; see [`Line::flush`].
    pub fn queue(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.out);
    }

    /// Writes what the stream takes now; the rest goes when it is writable again.
    pub fn flush(&mut self) -> io::Result<()> {
        let mut done = 0;
        let outcome = loop {
            let Some(rest) = self.out.get(done..).filter(|rest| !rest.is_empty()) else {
                break self.flush_tls();
            };
            match self.write(rest.len(), done) {
                Ok(0) => break Ok(()),
                Ok(written) => done += written,
                Err(error) => break Err(error),
            }
        };
        self.out.drain(..done);
        match outcome {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            other => other,
        }
    }

    fn write(&mut self, size: usize, from: usize) -> io::Result<usize> {
        let bytes = &self.out[from..from + size];
        match &mut self.tls {
            None => self.stream.write(bytes),
            Some(tls) => {
                // It takes what it has room for. The records that it made go out at once, and make room.
                let taken = tls.writer().write(bytes)?;
                match self.flush_tls() {
                    // What was taken must not be given again.
                    Err(error) if error.kind() == ErrorKind::WouldBlock && taken > 0 => Ok(taken),
                    outcome => outcome.map(|()| taken),
                }
            }
        }
    }

    fn flush_tls(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() {
                if tls.write_tls(&mut self.stream)? == 0 {
                    return Err(ErrorKind::WriteZero.into());
                }
            }
        }
        Ok(())
    }

    /// Reads what is there; 0 at the end. [`ErrorKind::WouldBlock`]: nothing is there now.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return self.stream.read(buffer);
        };
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // Without a close_notify it ended all the same.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                other => return other,
            }
            if tls.read_tls(&mut self.stream)? == 0 {
                return Ok(0);
            }
            let outcome = tls.process_new_packets();
            // The alert that says what was wrong, or the handshake's next step.
            let written = if tls.wants_write() {
                tls.write_tls(&mut self.stream)
            } else {
                Ok(0)
            };
            outcome.map_err(io::Error::other)?;
            match written {
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
        }
    }
}
