//! A non-blocking TCP connection, with TLS if the server needs it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use socket2::{Domain, Protocol, Socket, Type};

/// The TLS parameters of a server.
#[derive(Clone)]
pub(crate) struct TlsTarget {
    /// Shared by all connections.
    pub(crate) config: Arc<ClientConfig>,
    /// The name that the certificate must be valid for.
    pub(crate) server_name: ServerName<'static>,
}

/// How to open a connection.
pub(crate) struct ConnectOptions<'a> {
    pub(crate) server: SocketAddr,
    /// The local address; `None`: the kernel chooses.
    pub(crate) source: Option<SocketAddr>,
    /// `None`: no TLS.
    pub(crate) tls: Option<&'a TlsTarget>,
    /// Size of the kernel's receive buffer in bytes; `None`: the kernel's default.
    pub(crate) receive_buffer: Option<usize>,
}

/// A connection and the bytes that could not be written yet.
pub(crate) struct Connection {
    stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
    out: Vec<u8>,
}

impl Connection {
    /// Starts to connect. When the stream becomes writable, [`Connection::connect_result`] returns
    /// the outcome.
    ///
    /// # Errors
    ///
    /// The socket cannot be created, or the connection is refused at once.
    pub(crate) fn open(options: &ConnectOptions<'_>) -> io::Result<Self> {
        let socket = Socket::new(
            Domain::for_address(options.server),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if let Some(bytes) = options.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(source) = options.source {
            socket.bind(&source.into())?;
        }
        match socket.connect(&options.server.into()) {
            Err(error)
                if error.kind() != ErrorKind::WouldBlock
                    && error.raw_os_error() != Some(libc::EINPROGRESS) =>
            {
                return Err(error);
            }
            _ => {}
        }
        let tls = match options.tls {
            Some(TlsTarget {
                config,
                server_name,
            }) => {
                let connection = ClientConnection::new(Arc::clone(config), server_name.clone())
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

    /// The stream to register with a poll.
    pub(crate) fn stream_mut(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// The outcome of connecting, once the stream is writable.
    ///
    /// # Errors
    ///
    /// The connection could not be established.
    pub(crate) fn connect_result(&self) -> io::Result<()> {
        self.stream.take_error()?.map_or(Ok(()), Err)
    }

    /// Whether a read that returns less than the buffer's size has drained the stream. With TLS it
    /// says nothing: more decrypted records may be available.
    pub(crate) fn short_read_means_drained(&self) -> bool {
        self.tls.is_none()
    }

    /// Appends to the unwritten bytes; [`Connection::flush`] writes them.
    pub(crate) fn queue(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.out);
    }

    /// Writes as much as the stream accepts. Call it again when the stream is writable.
    ///
    /// # Errors
    ///
    /// The connection is broken.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
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

    fn write(&mut self, size: usize, offset: usize) -> io::Result<usize> {
        let bytes = &self.out[offset..offset + size];
        match &mut self.tls {
            None => self.stream.write(bytes),
            Some(tls) => {
                // The TLS buffer is limited: send the records at once to make room for the rest.
                let taken = tls.writer().write(bytes)?;
                match self.flush_tls() {
                    // The bytes are encrypted already and must not be passed to the writer again.
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

    /// Reads what is available; 0: the stream has ended.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WouldBlock`]: nothing is available now. Otherwise the connection is broken.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return self.stream.read(buffer);
        };
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // The server closed the stream without a close_notify alert.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                other => return other,
            }
            if tls.read_tls(&mut self.stream)? == 0 {
                return Ok(0);
            }
            let outcome = tls.process_new_packets();
            // Sends the next handshake message, or the alert for an error, before the error is
            // returned.
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
