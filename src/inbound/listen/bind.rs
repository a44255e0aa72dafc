//! Binding the address of a listener.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket, lookup_host};

/// Connections that may wait to be accepted. The kernel's limit (`somaxconn`) may be lower.
const BACKLOG: u32 = 4096;

/// The bytes in each of the two buffers that the kernel has for a connection; it doubles them for its own data. Without a
/// bound, the kernel keeps up to 4 MiB for a client that does not read (`tcp_wmem`), and up to 6 MiB that the server does
/// not read (`tcp_rmem`). Enough for 5 Mbit/s over 100 ms.
const KERNEL_BUFFER: u32 = 64 * 1024;

/// The address cannot be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {cause}")]
pub struct BindError {
    address: String,
    cause: io::Error,
}

/// A bound address. The kernel queues its connections until [`serve`](super::serve) accepts them.
#[derive(Debug)]
pub struct BoundListener {
    pub(super) listener: TcpListener,
    local_addr: SocketAddr,
}

impl BoundListener {
    /// The address, with the port that the system has chosen for port 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }
}

/// Binds `host` (an IP address without brackets, or a name) and `port` (0: the system chooses one).
/// For a name, binds the first of its addresses that is available.
///
/// # Errors
/// The name has no address, or none of its addresses can be bound.
pub async fn bind(host: &str, port: u16) -> Result<BoundListener, BindError> {
    let failed = |cause| BindError {
        address: format_address(host, port),
        cause,
    };
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in lookup_host((host, port)).await.map_err(failed)? {
        match listen(address) {
            Ok(bound) => return Ok(bound),
            Err(error) => last = error,
        }
    }
    Err(failed(last))
}

fn listen(address: SocketAddr) -> io::Result<BoundListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // Without it, a restart fails while connections of the previous process are in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    // Accepted connections inherit both.
    socket.set_send_buffer_size(KERNEL_BUFFER)?;
    socket.set_recv_buffer_size(KERNEL_BUFFER)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?;
    let local_addr = listener.local_addr()?;
    Ok(BoundListener {
        listener,
        local_addr,
    })
}

fn format_address(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

#[cfg(test)]
mod tests {
    use socket2::SockRef;

    use super::*;

    #[tokio::test]
    async fn the_kernel_keeps_a_bounded_number_of_bytes_for_a_connection() {
        let bound = bind("127.0.0.1", 0).await.unwrap();
        let client = TcpSocket::new_v4().unwrap();
        client.set_recv_buffer_size(4096).unwrap();
        let _client = client.connect(bound.local_addr()).await.unwrap();
        let (accepted, _) = bound.listener.accept().await.unwrap();
        let socket = SockRef::from(&accepted);
        let most = 2 * KERNEL_BUFFER as usize;
        for bytes in [socket.send_buffer_size(), socket.recv_buffer_size()] {
            assert_eq!(bytes.unwrap(), most);
        }
        let mut written = 0;
        accepted.writable().await.unwrap();
        while let Ok(bytes) = accepted.try_write(&[0; 4096]) {
            written += bytes;
            assert!(written <= most + 64 * 1024, "the client does not read");
        }
        assert!(written > 0);
    }

    #[tokio::test]
    async fn port_0_binds_a_free_port() {
        let (one, two) = (
            bind("127.0.0.1", 0).await.unwrap(),
            bind("127.0.0.1", 0).await.unwrap(),
        );
        assert_ne!(one.local_addr().port(), 0);
        assert_ne!(one.local_addr(), two.local_addr());
    }

    #[tokio::test]
    async fn names_and_both_address_families_work() {
        assert!(bind("localhost", 0).await.is_ok());
        assert!(bind("::1", 0).await.unwrap().local_addr().is_ipv6());
    }

    #[tokio::test]
    async fn the_error_contains_an_address_in_use() {
        let first = bind("127.0.0.1", 0).await.unwrap();
        let port = first.local_addr().port();
        let text = bind("127.0.0.1", port).await.unwrap_err().to_string();
        assert!(
            text.starts_with(&format!("cannot listen on 127.0.0.1:{port}: ")),
            "{text}"
        );
    }
}
