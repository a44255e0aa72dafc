//! Taking an address.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket, lookup_host};

/// How many connections may wait to be accepted (the kernel's own limit, `somaxconn`, may be lower).
const BACKLOG: u32 = 4096;

/// The address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {cause}")]
pub struct BindError {
    address: String,
    cause: io::Error,
}

/// An address that is listened on; connections wait until [`serve`](super::serve) takes them.
#[derive(Debug)]
pub struct Bound {
    pub(super) listener: TcpListener,
    local: SocketAddr,
}

impl Bound {
    /// The address, with the port that was taken where 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }
}

/// Listens on `host` (an IP address without brackets, or a name, of whose addresses the first that can be had is taken)
/// and `port` (0: a free one).
pub async fn bind(host: &str, port: u16) -> Result<Bound, BindError> {
    let failed = |cause| BindError {
        address: shown(host, port),
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

fn listen(address: SocketAddr) -> io::Result<Bound> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // A restart must not wait for the connections of the process before to time out.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?;
    let local = listener.local_addr()?;
    Ok(Bound { listener, local })
}

fn shown(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn port_0_takes_a_free_one() {
        let (one, two) = (
            bind("127.0.0.1", 0).await.unwrap(),
            bind("127.0.0.1", 0).await.unwrap(),
        );
        assert_ne!(one.local_addr().port(), 0);
        assert_ne!(one.local_addr(), two.local_addr());
    }

    #[tokio::test]
    async fn names_and_both_families_work() {
        assert!(bind("localhost", 0).await.is_ok());
        assert!(bind("::1", 0).await.unwrap().local_addr().is_ipv6());
    }

    #[tokio::test]
    async fn an_address_that_is_taken_is_named() {
        let first = bind("127.0.0.1", 0).await.unwrap();
        let port = first.local_addr().port();
        let text = bind("127.0.0.1", port).await.unwrap_err().to_string();
        assert!(
            text.starts_with(&format!("cannot listen on 127.0.0.1:{port}: ")),
            "{text}"
        );
    }
}
