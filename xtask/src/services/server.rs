//! A `loquat serve` process on a random port, ended with the value that owns it.

use std::ffi::OsString;
use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Ports below the range that the kernel hands to outgoing connections, so that none is taken by chance.
const PORTS: std::ops::Range<u16> = 15_000..32_000;
const START_LIMIT: Duration = Duration::from_secs(60);
const DRAIN_LIMIT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);

/// A running server; dropping it kills the process, [`Server::stop`] ends it as an operator would.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts `binary serve FOLDER` and waits until it says that it is ready. `prefix` comes before the binary (such as
    /// `taskset -c 0`), `options` after the command.
    pub(crate) fn start(prefix: &[&str], binary: &Path, folder: &Path, options: &[&str]) -> Result<Self> {
        let address = free_address()?;
        let mut words: Vec<OsString> = prefix.iter().map(OsString::from).collect();
        words.extend([
            binary.into(),
            "serve".into(),
            folder.into(),
            "--listen".into(),
            address.to_string().into(),
        ]);
        words.extend(options.iter().map(OsString::from));
        let process = Command::new(&words[0])
            .args(&words[1..])
            .stdout(std::io::stderr())
            .spawn()
            .with_context(|| format!("cannot start {}", words[0].to_string_lossy()))?;
        let mut server = Self { process, address };
        server.wait_until_ready()?;
        Ok(server)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Sends SIGTERM and waits until the server has drained.
    pub(crate) fn stop(mut self) -> Result<ExitStatus> {
        let id = self.process.id().to_string();
        crate::process::run(Command::new("kill").args(["-TERM", &id]))?;
        let end = Instant::now() + DRAIN_LIMIT;
        while Instant::now() < end {
            if let Some(status) = self.process.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(PAUSE);
        }
        bail!("the server did not end within {} s of SIGTERM", DRAIN_LIMIT.as_secs())
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let end = Instant::now() + START_LIMIT;
        while Instant::now() < end {
            if let Some(status) = self.process.try_wait()? {
                bail!("the server ended with {status} before it was ready");
            }
            if ready(self.address).unwrap_or(false) {
                return Ok(());
            }
            std::thread::sleep(PAUSE);
        }
        bail!("the server on {} was not ready within {} s", self.address, START_LIMIT.as_secs())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when the process has ended already, which is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn ready(address: SocketAddr) -> Result<bool> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    stream.write_all(b"GET /health/ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.starts_with("HTTP/1.1 200"))
}

/// A loopback address whose port was free a moment ago.
pub(crate) fn free_address() -> Result<SocketAddr> {
    let width = u64::from(PORTS.end - PORTS.start);
    for attempt in 0..50_u32 {
        let offset = RandomState::new().hash_one(attempt) % width;
        let port = PORTS.start + u16::try_from(offset)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no free port found between {} and {}", PORTS.start, PORTS.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_lie_below_the_range_of_outgoing_connections() {
        let address = free_address().unwrap();
        assert!(PORTS.contains(&address.port()));
        assert!(address.ip().is_loopback());
    }
}
