//! Where the other side is.

use std::{fmt, io, path::PathBuf, str::FromStr};

use tokio::net::UnixStream;
use tokio_vsock::{VsockAddr, VsockStream};

use super::{Connect, Listener, Stream, hybrid, patient::Patient, unix};

/// Where a side listens. As text `unix:/path`, `vsock:CID:PORT` or `hybrid:/path:PORT`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// A unix socket.
    Unix(PathBuf),
    /// A vsock port (`AF_VSOCK`).
    Vsock {
        /// The context id: 3 is an enclave's parent, 4294967295 is any (to listen only).
        cid: u32,
        /// The port.
        port: u32,
    },
    /// A port of a virtual machine whose vsock a program keeps behind a unix socket
    /// (vhost-device-vsock, Firecracker). To connect only: the other way round the program
    /// connects to the socket `PATH_PORT`.
    Hybrid {
        /// The program's socket.
        path: PathBuf,
        /// The guest's port.
        port: u32,
    },
}

/// A text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseAddressError {
    /// No transport.
    #[error("an address begins with `unix:`, `vsock:` or `hybrid:`")]
    Scheme,
    /// A path that is not absolute: programs would not agree where it is.
    #[error("`unix:` is followed by an absolute path")]
    Path,
    /// Not two numbers.
    #[error("`vsock:` is followed by CID:PORT, both decimal numbers below 2^32")]
    Vsock,
    /// No absolute path with a number.
    #[error("`hybrid:` is followed by an absolute path, `:` and a port below 2^32")]
    Hybrid,
}

impl FromStr for Address {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = PathBuf::from(path);
            return if path.is_absolute() {
                Ok(Self::Unix(path))
            } else {
                Err(ParseAddressError::Path)
            };
        }
        if let Some(rest) = text.strip_prefix("hybrid:") {
            let (path, port) = rest.rsplit_once(':').ok_or(ParseAddressError::Hybrid)?;
            let port = number(port).map_err(|_| ParseAddressError::Hybrid)?;
            let path = PathBuf::from(path);
            return if path.is_absolute() {
                Ok(Self::Hybrid { path, port })
            } else {
                Err(ParseAddressError::Hybrid)
            };
        }
        let numbers = text
            .strip_prefix("vsock:")
            .ok_or(ParseAddressError::Scheme)?;
        let (cid, port) = numbers.split_once(':').ok_or(ParseAddressError::Vsock)?;
        Ok(Self::Vsock {
            cid: number(cid)?,
            port: number(port)?,
        })
    }
}

/// A decimal number as it would be printed: no sign, no leading zeros.
fn number(text: &str) -> Result<u32, ParseAddressError> {
    let number: u32 = text.parse().map_err(|_| ParseAddressError::Vsock)?;
    if number.to_string() == text {
        Ok(number)
    } else {
        Err(ParseAddressError::Vsock)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Vsock { cid, port } => write!(f, "vsock:{cid}:{port}"),
            Self::Hybrid { path, port } => write!(f, "hybrid:{}:{port}", path.display()),
        }
    }
}

impl Address {
    /// Begins to listen here.
    ///
    /// A unix socket is readable and writable for its owner only from the first moment. A socket
    /// file that nobody listens on any more is replaced; one in use, or any other file, is not.
    ///
    /// # Errors
    ///
    /// What the system gives; [`io::ErrorKind::AddrInUse`] if somebody listens there;
    /// [`io::ErrorKind::Unsupported`] for [`Address::Hybrid`].
    pub fn listen(&self) -> io::Result<Listener> {
        match self {
            Self::Unix(path) => unix::bind(path).map(Listener::unix),
            Self::Vsock { cid, port } => Listener::vsock(*cid, *port),
            Self::Hybrid { path, port } => {
                let path = path.display();
                let text = format!(
                    "a guest that connects to port {port} comes to unix:{path}_{port}: listen there"
                );
                Err(io::Error::new(io::ErrorKind::Unsupported, text))
            }
        }
    }
}

impl Connect for Address {
    async fn connect(&self) -> io::Result<Stream> {
        Ok(match self {
            Self::Unix(path) => Box::new(UnixStream::connect(path).await?),
            Self::Vsock { cid, port } => {
                let stream = VsockStream::connect(VsockAddr::new(*cid, *port)).await?;
                Box::new(Patient::new(stream))
            }
            Self::Hybrid { path, port } => Box::new(hybrid::connect(path, *port).await?),
        })
    }
}
